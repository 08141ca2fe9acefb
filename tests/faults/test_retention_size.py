"""Retention over months: files stop growing, and neither questions nor writes stand still while old data goes.

`make faults` has the true length: 90 days, of which 30 are kept, at 60,000 records a day.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lib.collect.retention import Policy, retain
from lib.logs.base import LogQuery
from lib.logs.duckdb import DuckLogs
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.state.database import sqlite_url
from lib.state.health_sql import SqlHealthLog
from lib.state.migrate import open_state
from lib.window import Window
from tests.bench.log_week import END, LENGTH, week

START = datetime(2026, 1, 1, tzinfo=UTC)
ROOM = 12_000_000
"""Bytes of freed row groups, about three: they do not grow with the data, and count only where there is little of it."""

SIZES = [
    pytest.param(30, 10, 4_000, ROOM, marks=pytest.mark.live),
    pytest.param(90, 30, 60_000, 0, marks=[pytest.mark.faults, pytest.mark.timeout(1800)]),
]


class Days:
    """The records of any day: the same shape, with ids of their own."""

    def __init__(self, per_day: int) -> None:
        self._one = next(week(per_day * 7, part=per_day))
        self._dice = np.random.default_rng(5)

    def __call__(self, day: int) -> pa.Table:
        shift = START + timedelta(days=day) - (END - LENGTH)
        ts = self._one["ts"].cast(pa.int64()).to_numpy() + int(shift.total_seconds() * 1000)
        requests = self._dice.integers(0, 1 << 62, len(ts))
        changed = {
            "ts": pa.array(ts).cast(pa.timestamp("ms", tz="UTC")),
            "id": pa.array([f"{day:x}-{row:x}" for row in range(len(ts))]),
            "request_id": pa.array([f"{number:016x}" for number in requests]),
        }
        table = self._one
        for name, values in changed.items():
            table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)
        return table


def day_of_samples(day: int, series: int = 40, step_s: int = 60) -> Samples:
    times = (int((START + timedelta(days=day)).timestamp()) + np.arange(0, 86_400, step_s)) * 1000
    values = np.cumsum(np.random.default_rng(day).poisson(3, (series, len(times))), axis=1)
    labels = tuple({"__name__": "requests_total", "n": str(n), "day": str(day // 3)} for n in range(series))
    return Samples(
        labels, np.tile(np.arange(series, dtype=np.int32), len(times)), np.repeat(times, series),
        values.T.ravel().astype(np.float64),
    )  # fmt: skip


def day_of_probes(health: SqlHealthLog, day: int) -> None:
    for hour in range(0, 24, 2):
        at, code = START + timedelta(days=day, hours=hour), 200 if hour % 4 else 503
        health.observe("a:1", at, code, {"status": "healthy" if code == 200 else "unhealthy", "checks": {}})


def live(folder: Path, first: int, last: int, keep: int | None, per_day: int) -> tuple[list[int], dict[str, int]]:
    """Fills the three stores day by day; the sizes of all files after each day, and what is in the stores at the end."""
    logs, metrics = DuckLogs(folder / "logs.duckdb"), DuckMetrics(folder / "metrics.duckdb")
    state = open_state(sqlite_url(folder / "state.sqlite"))
    health = SqlHealthLog(state, failures=1, successes=1)
    records, sizes = Days(per_day), list[int]()
    try:
        for day in range(first, last):
            logs.write(records(day))
            metrics.append(day_of_samples(day))
            day_of_probes(health, day)
            logs.compact()
            if keep is not None:
                policies = [Policy(store, keep) for store in (logs, metrics, health)]
                retain(policies, START + timedelta(days=day + 1))
            sizes.append(sum(path.stat().st_size for path in folder.iterdir()))
        logs._db.checkpoint()
        metrics._database.checkpoint()
        sizes.append(sum(path.stat().st_size for path in folder.iterdir()))
        window = Window(START + timedelta(days=last - 90 if keep is None else 0), START + timedelta(days=last))
        kept = {
            "records": logs._db.rows("SELECT count(*) FROM records")[0][0],
            "samples": metrics._database.rows("SELECT count(*) FROM samples")[0][0],
            "series": metrics.series_count(),
            "episodes": len(health.episodes(window)),
        }
    finally:
        for store in (logs, metrics, state):
            store.close()
    return sizes, kept


@pytest.mark.parametrize(("days", "keep", "per_day", "room"), SIZES)
def test_files_level_off_at_the_size_of_a_fresh_store(
    tmp_path: Path, *, days: int, keep: int, per_day: int, room: int
) -> None:
    for name in ("old", "fresh"):
        (tmp_path / name).mkdir()

    sizes, kept = live(tmp_path / "old", 0, days, keep, per_day)
    fresh, alive = live(tmp_path / "fresh", days - keep, days, None, per_day)

    third = days // 3
    print(
        f"\n{days} days, {keep} kept: {[round(s / 1e6, 1) for s in sizes[third - 1 :: third]]} MB, fresh {fresh[-1] / 1e6:.1f}"
    )
    assert kept["records"] == alive["records"] == keep * per_day
    assert kept["samples"] == alive["samples"]
    assert kept["series"] == alive["series"]
    assert abs(kept["episodes"] - alive["episodes"]) <= 1  # the one that lasts across the line
    assert max(sizes[2 * third :]) <= 1.1 * max(sizes[third : 2 * third])
    assert max(sizes[2 * third :]) <= 1.3 * fresh[-1] + room


def times_of(turn: Callable[[], object], stop: threading.Event, pause_s: float) -> Iterator[tuple[float, float]]:
    while not stop.is_set():
        began = time.monotonic()
        turn()
        yield began, time.monotonic() - began
        stop.wait(pause_s)


@pytest.mark.live
def test_neither_questions_nor_writes_stand_still_meanwhile(tmp_path: Path) -> None:
    logs, records = DuckLogs(tmp_path / "logs.duckdb"), Days(15_000)
    for day in range(8):
        logs.write(records(day))
    logs.compact()
    end, stop = START + timedelta(days=8), threading.Event()
    newest = records(8).slice(0, 20)
    last_day = LogQuery(Window(end - timedelta(days=1), end))
    spent: dict[str, list[tuple[float, float]]] = {"read": [], "write": []}
    turns = {
        "read": lambda: (logs.totals(last_day, ("level",), timedelta(hours=1)), logs.search(last_day, 20)),
        "write": lambda: logs.write(newest),
    }
    threads = [
        threading.Thread(target=lambda k=kind: spent[k].extend(times_of(turns[k], stop, 0.02))) for kind in turns
    ]
    for thread in threads:
        thread.start()
    time.sleep(2)  # what is normal here and now

    began, passes = time.monotonic(), list[float]()
    for hour in range(4 * 24, 0, -8):  # the oldest four days, a third of a day at a time
        one = time.monotonic()
        logs.retain(START + timedelta(days=4) - timedelta(hours=hour - 8))
        passes.append(time.monotonic() - one)
    ended = time.monotonic()
    stop.set()
    for thread in threads:
        thread.join()
    logs.close()

    normal = {kind: max(s for at, s in all_ if at < began) for kind, all_ in spent.items()}
    busy = {kind: [s for at, s in all_ if began - s <= at <= ended] for kind, all_ in spent.items()}
    print(f"\nnormal {normal}, retaining { ({k: max(v) for k, v in busy.items()}) }, longest pass {max(passes):.2f} s")
    assert len(busy["read"]) > 3
    assert len(busy["write"]) > 3
    assert max(busy["read"]) < 4 * normal["read"] + 0.5  # readers do not wait for it
    assert max(busy["write"]) < max(passes) + 4 * normal["write"] + 0.5  # a writer waits for one pass at most
