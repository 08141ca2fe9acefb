"""Answers as frames that always have the same columns and dtypes, empty or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from lib.errors import QueryError
from lib.logs.schema import SUMS

TS = "datetime64[ns, UTC]"
TEXT = "str"
SEARCH_DTYPES: dict[str, str] = {
    "id": TEXT, "ts": TS, "level": TEXT, "message": TEXT, "service": TEXT, "version": TEXT, "event": TEXT,
    "request_id": TEXT, "lead_id": TEXT, "source": TEXT, "operation": TEXT, "method": TEXT, "route": TEXT, "url": TEXT,
    "status": "Int64", "duration_ms": "float64", "error": TEXT, "stack": TEXT, "pattern_id": TEXT, "reason": TEXT,
    "truncated": "bool", "fields": TEXT,
}  # fmt: skip
GAP_DTYPES = {"ts": TS, "file": TEXT, "kind": TEXT, "records": "int64", "bytes": "int64", "reason": TEXT}
TOP_DTYPES = {"value": TEXT, "records": "int64", "share": "float64"}
PATTERN_DTYPES = {
    "pattern_id": TEXT, "pattern": TEXT, "level": TEXT, "records": "int64", "first_seen": TS, "last_seen": TS,
    "first_ever": TS,
}  # fmt: skip
MEASURE_DTYPES = {name: "int64" if kind == "BIGINT" else "float64" for name, kind in SUMS.items()}
LATENCY_DTYPES = {
    "requests": "int64", "avg_ms": "float64", "max_ms": "float64", "p50_ms": "float64", "p95_ms": "float64",
    "p99_ms": "float64",
}  # fmt: skip
REQUEST_DTYPES = {"requests": "int64"}
HISTOGRAM_DTYPES = {"low_ms": "float64", "high_ms": "float64", "requests": "int64"}


def frame(columns: Mapping[str, Any], dtypes: Mapping[str, str]) -> pd.DataFrame:
    """The columns named by `dtypes`, in that order and of those types. Integers in a time column are minutes."""
    return pd.DataFrame({name: _typed(columns[name], dtype) for name, dtype in dtypes.items()})


def search_dtypes(columns: Sequence[str] | None) -> dict[str, str]:
    """Dtypes of a search for these columns, `id` and `ts`; all of SEARCH_DTYPES for None. Raises QueryError."""
    if columns is None:
        return SEARCH_DTYPES
    for name in columns:
        if name not in SEARCH_DTYPES:
            raise QueryError(f"records have no column “{name}”: use some of {', '.join(SEARCH_DTYPES)}")
    return {name: dtype for name, dtype in SEARCH_DTYPES.items() if name in {"id", "ts", *columns}}


def keyed(by: Sequence[str], stepped: bool, values: Mapping[str, str]) -> dict[str, str]:
    """Dtypes of an answer per group: [`ts`,] *by, then the values."""
    return ({"ts": TS} if stepped else {}) | dict.fromkeys(by, TEXT) | dict(values)


def _typed(values: Any, dtype: str) -> pd.Series[Any]:
    if dtype == TS:
        if np.issubdtype(values.dtype, np.number):
            return pd.Series(_moments(values))
        return pd.Series(pd.DatetimeIndex(values).as_unit("ns").tz_localize("UTC"))
    if dtype == "Int64" and isinstance(values, np.ma.MaskedArray):
        return pd.Series(pd.arrays.IntegerArray(values.data.astype(np.int64), np.ma.getmaskarray(values)))
    if isinstance(values, np.ma.MaskedArray):
        values = values.filled(np.nan) if dtype == "float64" else values.data
    series: pd.Series[Any] = pd.Series(values, dtype=cast("Any", dtype))
    return series


def _moments(minutes: Any) -> pd.DatetimeIndex:
    nanos = np.asarray(np.ma.filled(minutes, 0), dtype=np.int64) * 60_000_000_000
    stamps = nanos.astype("datetime64[ns]")
    stamps[np.ma.getmaskarray(minutes)] = np.datetime64("NaT")
    return pd.DatetimeIndex(stamps).tz_localize("UTC")
