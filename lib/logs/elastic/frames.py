"""Rows of groups, of several ways of mapping and of samples, as the one frame that the embedded store gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lib.logs import answers
from lib.logs.elastic.records import Row
from lib.logs.elastic.sums import Question
from lib.window import DAY

Columns = dict[str, npt.NDArray[Any]]


def totals(rows: Sequence[Row], asked: Question, measures: Sequence[str]) -> pd.DataFrame:
    """The answer to `LogStore.totals`."""
    keys = _keys(asked)
    found = _frame(rows, asked, (*keys, *measures))
    dtypes = answers.keyed(asked.by, asked.step is not None, {name: answers.MEASURE_DTYPES[name] for name in measures})
    if not keys:
        sums: dict[str, Any] = {name: np.array([found[name].sum()]) for name in measures}
    else:
        added = found.groupby(list(keys), sort=True, as_index=False)[list(measures)].sum()
        sums = {str(name): added[name].to_numpy() for name in added}
    for name in measures:
        if dtypes[name] == "int64":
            sums[name] = np.rint(sums[name].astype("float64")).astype("int64")
    return answers.frame(sums, dtypes)


def latencies(rows: Sequence[Row], asked: Question) -> Columns:
    """`bucket`, `requests`, `sum_ms` and `max_ms` per group, sorted as lib.logs.latency wants them."""
    keys = (*_keys(asked), "bucket")
    found = _frame(rows, asked, (*keys, "requests", "sum_ms", "max_ms"))
    added = found.groupby(list(keys), sort=True, as_index=False).agg(
        {"requests": "sum", "sum_ms": "sum", "max_ms": "max"}
    )
    kinds = {"bucket": "int64", "requests": "int64", "sum_ms": "float64", "max_ms": "float64"}
    return {str(name): added[name].to_numpy(kinds.get(str(name))) for name in added}


def patterns(rows: Sequence[Row], limit: int) -> pd.DataFrame:
    """The answer to `LogStore.patterns`, without `first_ever`."""
    named = [row for row in rows if row["pattern_id"]]
    found = pd.DataFrame(named, columns=["pattern_id", "pattern", "level", "records", "first", "last"])
    if found.empty:
        nothing: Columns = {name: np.array([], dtype="int64") for name in answers.PATTERN_DTYPES}
        return answers.frame(nothing, answers.PATTERN_DTYPES)
    by_level = found.groupby(["pattern_id", "level"], as_index=False)[["records"]].sum()
    main = (
        by_level.sort_values("records", kind="stable")
        .drop_duplicates("pattern_id", keep="last")
        .set_index("pattern_id")
    )
    added = found.groupby("pattern_id", as_index=False).agg(
        {"pattern": "max", "records": "sum", "first": "min", "last": "max"}
    )
    added = added.sort_values(["records", "pattern_id"], ascending=[False, True]).head(limit)
    columns: dict[str, Any] = {
        "pattern_id": added["pattern_id"].to_numpy(), "pattern": added["pattern"].to_numpy(),
        "level": main["level"].reindex(added["pattern_id"]).to_numpy(),
        "records": np.rint(added["records"].to_numpy("float64")).astype("int64"),
        "first_seen": _minutes(added["first"]), "last_seen": _minutes(added["last"]),
        "first_ever": np.ma.array(np.zeros(len(added), dtype="int64"), mask=True),
    }  # fmt: skip
    return answers.frame(columns, answers.PATTERN_DTYPES)


def records(rows: Sequence[Row]) -> pd.DataFrame:
    """The answer to `LogStore.search`."""
    found = pd.DataFrame(list(rows), columns=list(answers.SEARCH_DTYPES))
    columns: dict[str, Any] = {str(name): found[name].to_numpy() for name in found}
    status = pd.array(found["status"].tolist(), dtype="Int64")
    columns["ts"] = np.array([row["ts"].replace(tzinfo=None) for row in rows], dtype="datetime64[ns]")
    return answers.frame(columns | {"status": status}, answers.SEARCH_DTYPES)


def _keys(asked: Question) -> tuple[str, ...]:
    return (*(("ts",) if asked.step is not None else ()), *asked.by)


def _minutes(millis: pd.Series[Any]) -> npt.NDArray[np.int64]:
    return millis.to_numpy("float64").astype("int64") // 60_000


def _frame(rows: Sequence[Row], asked: Question, columns: Sequence[str]) -> pd.DataFrame:
    found = pd.DataFrame(list(rows), columns=list(columns))
    if asked.step is not None:
        found["ts"] = _bucketed(found["ts"].to_numpy("float64").astype("int64"), asked)
    return found


def _bucketed(millis: npt.NDArray[np.int64], asked: Question) -> npt.NDArray[np.int64]:
    """Unix ms as the minute in which their bucket starts: the cluster's buckets may be finer, a sample has none."""
    assert asked.step is not None
    if asked.step < DAY:
        width = max(int(asked.step.total_seconds()), 60)
        return millis // 1000 // width * width // 60
    starts = asked.query.window.buckets(asked.step).as_unit("s").asi8 // 60
    return starts[np.maximum(np.searchsorted(starts, millis // 60_000, side="right") - 1, 0)]
