"""Samples out of DuckDB, as columns by series and time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lib.duck import Database
from lib.errors import QueryError
from lib.metrics.ingest import STALE
from lib.metrics.promql.values import Floats, Ints, Needed
from lib.metrics.sample_cache import Columns

MOST_SAMPLES = 30_000_000

_READ = """
    SELECT series_id, ts_ms, value FROM samples
    WHERE ts_ms > $after AND ts_ms <= $until AND series_id BETWEEN $first AND $last
"""
_ONLY = " AND series_id IN (SELECT unnest($numbers::INTEGER[]))"
_SPARSE = "WITH picked AS MATERIALIZED ({}) SELECT * FROM picked WHERE ($until - ts_ms) % $step < $width"


def sparse(needed: Needed) -> tuple[int, ...]:
    """(phase, step, width) of windows that leave samples out between them; empty where every sample is needed."""
    step_ms = needed.step_ms
    return (needed.until_ms % step_ms, step_ms, needed.width_ms) if step_ms else ()


def read(database: Database, numbers: Ints, after_ms: int, until_ms: int, thinned: tuple[int, ...]) -> Columns:
    """The samples with after_ms < ts ≤ until_ms of the series `numbers` (ascending); `thinned` as `sparse` gives it.

    Raises QueryError for more than MOST_SAMPLES, SourceError.
    """
    first, last = int(numbers[0]), int(numbers[-1])
    sql, params = _READ, dict[str, Any](after=after_ms, until=until_ms, first=first, last=last, most=MOST_SAMPLES + 1)
    if last - first >= numbers.size:  # the join costs more than the rest of the scan
        sql, params["numbers"] = sql + _ONLY, numbers.tolist()
    if thinned:
        sql, params["step"], params["width"] = _SPARSE.format(sql), *thinned[1:]
    found = database.arrow(sql + " LIMIT $most", params)
    if found.num_rows > MOST_SAMPLES:
        raise QueryError(
            f"the expression reads more than {MOST_SAMPLES:,} samples: choose a shorter range or fewer series"
        )
    return _columns(numbers, found["series_id"].to_numpy(), found["ts_ms"].to_numpy(), _marked(found["value"]))


def _marked(values: pa.ChunkedArray[Any]) -> Floats:
    """Values with the stale marker where DuckDB holds NULL."""
    numbers: Floats = values.to_numpy()
    if values.null_count:
        numbers = np.where(values.is_null().to_numpy(), STALE, numbers)
    return numbers


def _columns(numbers: Ints, series: np.ndarray[Any, np.dtype[np.int32]], ts_ms: Ints, values: Floats) -> Columns:
    """Samples in any order as columns by series (a place in `numbers`) and time."""
    first = np.int32(numbers[0])
    place = np.zeros(int(numbers[-1]) - int(first) + 1, dtype=np.uint16 if numbers.size < 2**16 else np.int64)
    place[numbers - first] = np.arange(numbers.size)  # 16-bit keys are sorted by radix
    rank = place[series - first]
    order = np.argsort(rank, kind="stable")
    offsets = np.concatenate(([0], np.cumsum(np.bincount(rank, minlength=numbers.size))))
    times = ts_ms[order]
    back = np.flatnonzero(times[1:] < times[:-1]) + 1
    if not np.isin(back, offsets).all():
        order = np.lexsort((ts_ms, rank))
        times = ts_ms[order]
    return Columns(offsets, times, values[order])
