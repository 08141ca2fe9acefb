"""Every answer from rollups equals the same computed plainly from the raw rows in pandas, whatever happened before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lib.logs.base import GROUP_FIELDS, MEASURES, LogQuery, Match
from lib.logs.duckdb import DuckLogs
from lib.logs.rollup import pattern_id
from lib.window import DAY, Window
from tests.logs.batches import NOON, batch

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SPAN = Window(NOON - 3 * DAY - 7 * MINUTE, NOON + 5 * MINUTE, "Europe/London")
LATENCY_FIELDS = ("service", "version", "method", "route", "status")
EDGES = (0.0, 5.0, 50.0, 100.0, 250.0, 1000.0)
SOURCES = {"response_bytes": "response_bytes", "value": "value", "sync_ms": "sync_ms", "processed": "processed",
           "successful": "successful", "failed": "failed"}  # fmt: skip

minutes = st.one_of(st.integers(0, 8), st.integers(50, 200), st.integers(0, 3 * 1440))
counts = st.none() | st.integers(0, 9)
ROW = st.fixed_dictionaries(
    {
        "ts": st.tuples(minutes, st.integers(0, 59_999)).map(lambda p: NOON - p[0] * MINUTE + timedelta(milliseconds=p[1])),
        "level": st.sampled_from(["INFO", "error", "ERROR", ""]),
        "message": st.sampled_from(["HTTP Request", "HTTP Request", "API Request Completed", "Lead Created"]),
        "service": st.sampled_from(["a", "b", ""]),
        "version": st.sampled_from(["1", "2"]),
        "event": st.sampled_from(["", "lead.created"]),
        "source": st.sampled_from(["", "apollo"]),
        "operation": st.sampled_from(["", "push"]),
        "method": st.sampled_from(["GET", ""]),
        "route": st.sampled_from(["/a", "/b/{id}", ""]),
        "status": st.sampled_from([None, 200, 404, 500]),
        "duration_ms": st.sampled_from([None, 0.0, 3.7, 99.0, 100.0, 249.9, 12_345.6]) | st.floats(0.02, 1e5),
        "value": st.sampled_from([None, 1.5, -2.0, 1e6]),
        "sync_ms": st.sampled_from([None, 10.5]),
        "processed": counts,
        "successful": counts,
        "failed": counts,
        "response_bytes": counts,
        "pattern": st.sampled_from(["", "p", "q <id>", "r"]),
    }
)  # fmt: skip
ALIKE = st.tuples(st.integers(0, 3), st.sampled_from([97.0, 98.1, 99.0]), counts).map(
    lambda found: {
        "ts": NOON - 90 * MINUTE * found[0], "message": "HTTP Request", "service": "a", "version": "1", "level": "INFO",
        "method": "GET", "route": "/a", "status": 200, "duration_ms": found[1], "response_bytes": found[2], "pattern": "p",
    }
)  # fmt: skip
"""Requests that fall into one group, minute and latency bucket, so that their sums have to be merged."""

STEP = st.one_of(
    st.lists(ALIKE, min_size=1, max_size=4),
    st.lists(st.one_of(ALIKE, ROW), min_size=1, max_size=25),
    st.just("compact"),
    st.integers(0, 80).map(lambda hours: NOON - hours * HOUR + 17 * MINUTE),  # retain
)
WHERE = st.lists(
    st.sampled_from(
        [
            Match("level", ("error",)), Match("service", ("a", "")), Match("status", ("5xx", "200")),
            Match("route", ("/a",), negated=True), Match("version", ("2",)), Match("source", ("apollo",)),
            Match("status", ("404",), negated=True),
        ]
    ),
    max_size=2,
).map(tuple)  # fmt: skip


class Rows:
    """The raw rows as a person would keep them, and the plain way to each answer."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []
        self.first_ever: dict[str, Any] = {}

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self.kept += rows
        for row in rows:
            minute = pd.Timestamp(row["ts"]).floor("min")
            self.first_ever[row["pattern"]] = min(minute, self.first_ever.get(row["pattern"], minute))

    def retain(self, older_than: Any) -> None:
        hour = pd.Timestamp(older_than).floor("h")
        self.kept = [row for row in self.kept if row["ts"] >= hour]
        left = {row["pattern"] for row in self.kept}
        self.first_ever = {pattern: at for pattern, at in self.first_ever.items() if pattern in left}

    def frame(self, query: LogQuery) -> pd.DataFrame:
        """The rows of the window's whole minutes that match, with group fields as texts."""
        frame = self._typed()
        first = pd.Timestamp(query.window.start).floor("min")
        frame = frame[(frame["ts"] >= first) & (frame["ts"] < pd.Timestamp(query.window.end).ceil("min"))]
        for match in query.where:
            frame = frame[_held(frame[match.field], match)]
        return frame

    def timed(self, query: LogQuery) -> pd.DataFrame:
        """The rows whose duration counts: one kind per minute and service."""
        everything = self._typed()
        timed = everything["duration_ms"].notna() & everything["message"].isin(
            ["HTTP Request", "API Request Completed"]
        )
        http = timed & (everything["message"] == "HTTP Request")
        better = set(zip(everything["minute"][http], everything["service"][http], strict=True))
        other = [key not in better for key in zip(everything["minute"], everything["service"], strict=True)]
        chosen = everything.index[http | (timed & pd.Series(other, index=everything.index, dtype=bool))]
        frame = self.frame(query)
        return frame[frame.index.isin(chosen)]

    def _typed(self) -> pd.DataFrame:
        names = ["ts", "message", "level", *GROUP_FIELDS, *SOURCES, "duration_ms", "pattern"]
        blank = dict.fromkeys(GROUP_FIELDS, "") | {"level": "INFO", "status": None}
        frame = pd.DataFrame([blank | row for row in self.kept], columns=list(dict.fromkeys(names)))
        frame["ts"] = pd.to_datetime(frame["ts"], utc=True).astype("datetime64[ns, UTC]")
        frame["minute"] = frame["ts"].dt.floor("min")
        frame["level"] = frame["level"].astype(object).str.upper() if len(frame) else frame["level"].astype(object)
        frame["status"] = ["" if value is None or pd.isna(value) else str(int(value)) for value in frame["status"]]
        frame["pattern_id"] = [pattern_id(str(pattern)) for pattern in frame["pattern"]]
        for name in (*SOURCES, "duration_ms"):
            frame[name] = frame[name].astype("float64")
        return frame


def _held(column: pd.Series, match: Match) -> pd.Series:
    classes = tuple(value[0] for value in match.values if value.endswith("xx"))
    exact = [value.upper() if match.field == "level" else value for value in match.values]
    held = column.isin(exact) | column.map(lambda text: len(text) == 3 and text[0] in classes).astype(bool)
    return ~held if match.negated else held


def _keyed(
    frame: pd.DataFrame, query: LogQuery, by: Sequence[str], step: timedelta | None
) -> pd.core.groupby.DataFrameGroupBy:
    keys: list[Any] = list(by)
    if step is not None:
        starts = query.window.buckets(step).as_unit("ns")
        place = np.searchsorted(starts.asi8, frame["minute"].astype("int64").to_numpy(), side="right") - 1
        frame = frame.assign(bucket=starts.asi8[np.maximum(place, 0)])
        keys = ["bucket", *keys]
    return frame.assign(all="").groupby(keys or ["all"], sort=True)


def _cells(frame: pd.DataFrame, keys: int) -> dict[tuple[Any, ...], tuple[float, ...]]:
    return {
        tuple(_plain(v) for v in row[:keys]): tuple(map(float, row[keys:]))
        for row in frame.itertuples(index=False, name=None)
    }


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, pd.Timestamp) else value


def _same(found: dict[Any, tuple[float, ...]], expected: dict[Any, tuple[float, ...]], rel: float = 1e-9) -> None:
    assert found.keys() == expected.keys()
    for key, values in found.items():
        assert values == pytest.approx(expected[key], rel=rel), key


def check_totals(store: DuckLogs, rows: Rows, query: LogQuery, by: Sequence[str], step: timedelta | None) -> None:
    found = store.totals(query, by, step, MEASURES)
    expected = {}
    for key, group in _keyed(rows.frame(query), query, by, step):
        sums = [float(len(group)), *(float(group[name].sum()) for name in MEASURES[1:])]
        expected[tuple(key) if by or step else ()] = tuple(sums)
    if not by and step is None:
        expected = expected or {(): (0.0,) * len(MEASURES)}
    _same(_cells(found, len(by) + (step is not None)), expected)


def check_latency(store: DuckLogs, rows: Rows, query: LogQuery, by: Sequence[str], step: timedelta | None) -> None:
    found = store.durations(query, by, step)
    counted, quantiles = {}, {}
    for key, group in _keyed(rows.timed(query), query, by, step):
        place = tuple(key) if by or step else ()
        ms = group["duration_ms"].to_numpy()
        counted[place] = (float(len(ms)), float(ms.mean()), float(ms.max()))
        quantiles[place] = tuple(np.quantile(ms, [0.5, 0.95, 0.99], method="inverted_cdf"))
    keys = len(by) + (step is not None)
    cells = _cells(found, keys)
    _same({key: values[:3] for key, values in cells.items()}, counted)
    for key, values in cells.items():
        assert values[3:] == pytest.approx(quantiles[key], rel=0.02, abs=0.011), key  # below 0.01 ms is one bucket


def check_bands(store: DuckLogs, rows: Rows, query: LogQuery, step: timedelta | None) -> None:
    found = store.duration_histogram(query, EDGES, step)
    expected: dict[Any, tuple[float, ...]] = {}
    for key, group in _keyed(rows.timed(query), query, (), step):
        counts = np.histogram(group["duration_ms"], [*EDGES, np.inf])[0]
        for low, count in zip(EDGES, counts, strict=True):
            expected[(*(tuple(key) if step else ()), low)] = (float(count),)
    if step is None:
        expected = expected or {(low,): (0.0,) for low in EDGES}
    _same(_cells(found.drop(columns="high_ms"), 1 + (step is not None)), expected)


def check_patterns(store: DuckLogs, rows: Rows, query: LogQuery) -> None:
    found = store.patterns(query)
    frame = rows.frame(query)
    groups = dict(list(frame[frame["pattern"] != ""].groupby("pattern")))
    assert set(found["pattern"]) == set(groups)
    assert found["records"].is_monotonic_decreasing
    for one in found.itertuples(index=False):
        group = groups[one.pattern]
        levels = group["level"].value_counts()
        assert (one.records, one.pattern_id) == (len(group), pattern_id(one.pattern))
        assert one.level in set(levels.index[levels == levels.max()])
        assert (one.first_seen, one.last_seen) == (group["minute"].min(), group["minute"].max())
        assert one.first_ever == rows.first_ever[one.pattern]


CASE = given(
    st.lists(STEP, min_size=1, max_size=9),
    WHERE,
    st.sampled_from([SPAN, Window(NOON - 5 * HOUR, NOON + MINUTE)]),
    st.sampled_from([None, MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY]),
)


def alike(minute: int, ms: float) -> dict[str, Any]:
    return {"ts": NOON - minute * MINUTE, "message": "HTTP Request", "service": "a", "duration_ms": ms, "pattern": "p"}


@pytest.mark.slow
@example([[alike(9, 97.0)], [alike(9, 99.0)], [alike(0, 1.0)], "compact", NOON - HOUR], (), SPAN, HOUR)
@example([[alike(300, 97.0)], [alike(0, 1.0)], "compact", [alike(300, 99.0)], NOON - 4 * HOUR], (), SPAN, None)
@CASE
@settings(max_examples=12, deadline=None)
def test_every_answer_equals_the_raw_rows(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], where: tuple[Match, ...], window: Window, size: Any
) -> None:
    everything_equal(tmp_path_factory.mktemp("h") / "logs.duckdb", steps, LogQuery(window, where), size)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@CASE
@settings(max_examples=400, deadline=None)
def test_every_answer_equals_the_raw_rows_at_length(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], where: tuple[Match, ...], window: Window, size: Any
) -> None:
    everything_equal(tmp_path_factory.mktemp("h") / "logs.duckdb", steps, LogQuery(window, where), size)


def everything_equal(path: Path, steps: list[Any], query: LogQuery, size: timedelta | None) -> None:
    """Does the steps to a store and to plain rows, then asks both everything."""
    store, rows = DuckLogs(path), Rows()
    number = 0
    try:
        for step in steps:
            if step == "compact":
                store.compact()
            elif isinstance(step, list):
                store.write(batch({"id": f"r{number + n}"} | row for n, row in enumerate(step)))
                rows.write(step)
                number += len(step)
            else:
                store.retain(step)
                rows.retain(step)
        plain = LogQuery(query.window)
        for field in GROUP_FIELDS:
            check_totals(store, rows, query, (field,), size)
        check_totals(store, rows, query, (), size)
        check_totals(store, rows, plain, ("service", "level", "status"), size)
        for by in ((), *((field,) for field in LATENCY_FIELDS), ("method", "route")):
            check_latency(store, rows, query, by, size)
        check_bands(store, rows, query, size)
        check_bands(store, rows, plain, None)
        check_patterns(store, rows, query)
    finally:
        store.close()


def test_percentiles_from_many_durations_are_within_two_percent(tmp_path: Path) -> None:
    dice, store = np.random.default_rng(2), DuckLogs(tmp_path / "logs.duckdb")
    ms = np.concatenate([dice.lognormal(4, 1.2, 20_000), dice.uniform(0.05, 5, 500), dice.pareto(1.1, 500) * 1000])
    store.write(batch({"id": str(n), "message": "HTTP Request", "duration_ms": float(v)} for n, v in enumerate(ms)))

    found = store.durations(LogQuery(SPAN)).iloc[0]
    store.close()

    exact = np.quantile(ms, [0.5, 0.95, 0.99], method="inverted_cdf")
    assert found[["p50_ms", "p95_ms", "p99_ms"]].to_numpy(float) == pytest.approx(exact, rel=0.02)
