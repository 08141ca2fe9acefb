"""Rows of groups, of several ways of mapping and of samples, as the one frame that the embedded store gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lib.logs import answers
from lib.logs.elastic.records import Row
from lib.logs.elastic.sums import Question
from lib.logs.latency import group_starts
from lib.window import DAY

Columns = dict[str, npt.NDArray[Any]]
Ints = npt.NDArray[np.int64]


def totals(rows: Sequence[Row], asked: Question, measures: Sequence[str]) -> pd.DataFrame:
    """The answer to `LogStore.totals`."""
    keys = asked.keys
    dtypes = answers.keyed(asked.by, asked.step is not None, {name: answers.MEASURE_DTYPES[name] for name in measures})
    found, group = _grouped({name: [row[name] for row in rows] for name in keys}, len(rows), asked)
    for name in measures:
        values = np.fromiter((row[name] for row in rows), "float64", len(rows))
        added = np.bincount(group, values, len(found[keys[0]]) if keys else 1)
        found[name] = np.rint(added).astype("int64") if dtypes[name] == "int64" else added
    return answers.frame(found, dtypes)


def latencies(columns: Mapping[str, Sequence[Any]], asked: Question) -> Columns:
    """`bucket`, `requests`, `sum_ms` and `max_ms` per group, sorted as lib.logs.latency wants them.

    A group without a request is left out: the first came after the buckets to look in were known.
    """
    rows = len(columns["bucket"])
    found, group = _grouped({name: columns[name] for name in (*asked.keys, "bucket")}, rows, asked)
    size = len(found["bucket"])
    largest = np.full(size, -np.inf)
    np.maximum.at(largest, group, np.array(columns["max_ms"], dtype="float64"))
    added = {name: np.bincount(group, np.array(columns[name], "float64"), size) for name in ("requests", "sum_ms")}
    found |= added | {
        "bucket": found["bucket"].astype("int64"), "requests": added["requests"].astype("int64"), "max_ms": largest,
    }  # fmt: skip
    if not size:
        return found
    starts = group_starts([found[name] for name in asked.keys], size)
    kept = np.repeat(np.add.reduceat(found["requests"], starts) > 0, np.diff(np.append(starts, size)))
    return {name: column[kept] for name, column in found.items()}


def patterns(rows: Sequence[Row], limit: int) -> pd.DataFrame:
    """The answer to `LogStore.patterns`, without `first_ever`."""
    of_id: dict[str, list[Row]] = {}
    for row in rows:
        if row["pattern_id"]:
            of_id.setdefault(row["pattern_id"], []).append(row)
    found = sorted((_pattern(same) for same in of_id.values()), key=lambda row: (-row["records"], row["pattern_id"]))
    columns: dict[str, Any] = {
        name: np.array([row[name] for row in found[:limit]], dtype=object if kind == answers.TEXT else "int64")
        for name, kind in answers.PATTERN_DTYPES.items()
    }
    columns["first_ever"] = np.ma.array(columns["first_ever"], mask=True)
    return answers.frame(columns, answers.PATTERN_DTYPES)


def _pattern(same: Sequence[Row]) -> Row:
    """The rows of one pattern as one, with the level that most of its records have; the times are minutes."""
    by_level: dict[str, float] = {}
    for row in same:
        by_level[row["level"]] = by_level.get(row["level"], 0) + row["records"]
    return {
        "pattern_id": same[0]["pattern_id"],
        "pattern": max(row["pattern"] for row in same),
        "level": max(by_level, key=lambda level: (by_level[level], level)),
        "records": round(sum(by_level.values())),
        "first_seen": int(min(row["first"] for row in same)) // 60_000,
        "last_seen": int(max(row["last"] for row in same)) // 60_000,
        "first_ever": 0,
    }


def records(rows: Sequence[Row]) -> pd.DataFrame:
    """The answer to `LogStore.search`."""
    found = pd.DataFrame(list(rows), columns=list(answers.SEARCH_DTYPES))
    columns: dict[str, Any] = {str(name): found[name].to_numpy() for name in found}
    status = pd.array(found["status"].tolist(), dtype="Int64")
    columns["ts"] = np.array([row["ts"].replace(tzinfo=None) for row in rows], dtype="datetime64[ns]")
    return answers.frame(columns | {"status": status}, answers.SEARCH_DTYPES)


def _grouped(keys: Mapping[str, Sequence[Any]], rows: int, asked: Question) -> tuple[Columns, Ints]:
    """The keys of each group, sorted, and which group each row is in."""
    group, of_group = np.zeros(rows, dtype="int64"), np.empty(0, dtype="int64")
    columns: Columns = {}
    for name, values in keys.items():
        column = np.array(values, object)
        if name == "ts":
            column = _bucketed(column.astype("float64").astype("int64"), asked)
        known = {value: place for place, value in enumerate(sorted(set(column.tolist())))}
        code = np.fromiter(map(known.__getitem__, column.tolist()), "int64", rows)
        _, of_group, group = np.unique(group * len(known) + code, return_index=True, return_inverse=True)
        columns[name] = column
    return {name: column[of_group] for name, column in columns.items()}, group


def _bucketed(millis: Ints, asked: Question) -> Ints:
    """Unix ms as the minute in which their bucket starts: the cluster's buckets may be finer, a sample has none."""
    assert asked.step is not None
    if asked.step < DAY:
        width = max(int(asked.step.total_seconds()), 60)
        return millis // 1000 // width * width // 60
    starts = asked.query.window.buckets(asked.step).as_unit("s").asi8 // 60
    return starts[np.maximum(np.searchsorted(starts, millis // 60_000, side="right") - 1, 0)]
