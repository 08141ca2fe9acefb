"""The embedded log store keeps its sums small, drops what is old, and belongs to one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lib.errors import SourceUnavailable
from lib.logs.base import LogQuery, Match
from lib.logs.duckdb import DuckLogs
from lib.logs.ingest import Gap
from lib.window import Window
from tests.logs.batches import NOON, batch, request

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
AROUND = LogQuery(Window(NOON - 30 * HOUR, NOON + HOUR))
WRITER = """
import sys; from pathlib import Path
from lib.logs.duckdb import DuckLogs; from lib.logs.ingest import Checkpoint
from tests.logs.batches import batch
store = DuckLogs(Path(sys.argv[1]))
for n in range(100_000):
    store.write(batch([{"id": f"{n}-{i}", "pattern": "p"} for i in range(3)]), [Checkpoint("f", n + 1)])
    if n % 5 == 4: store.compact()
    if n == 3: print("going", flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckLogs]:
    """An empty store."""
    opened = DuckLogs(tmp_path / "logs.duckdb")
    yield opened
    opened.close()


def rows(store: DuckLogs, table: str) -> int:
    """How many rows a table holds."""
    return int(store._db.rows(" ".join(("SELECT count(*) FROM", table)))[0][0])


def test_a_gap_that_was_told_before_is_not_kept_twice(store: DuckLogs) -> None:
    lost = Gap(NOON, "combined.log", "lost", "bytes 0 to 76: the file was emptied before it was read", size=76)
    later = replace(lost, ts=NOON + MINUTE)

    store.write(batch([]), gaps=[lost])
    store.write(batch([]), gaps=[lost, later, later])

    assert store.gaps(AROUND.window)["ts"].tolist() == [later.ts, lost.ts]


def test_compaction_merges_the_sums_of_closed_minutes_and_changes_no_answer(store: DuckLogs) -> None:
    for _ in range(4):
        store.write(batch([request(10, status=500), request(900), request(901)]))
    store.write(batch([request(5, ts=NOON + MINUTE)]))
    before = (store.totals(AROUND, by=["status"], step=MINUTE), store.durations(AROUND))
    counts = rows(store, "minute_totals"), rows(store, "minute_latency")

    merged = store.compact()

    assert merged == 1
    assert counts == (9, 9)
    assert (rows(store, "minute_totals"), rows(store, "minute_latency")) == (3, 3)
    assert store.compact() == 0
    after = (store.totals(AROUND, by=["status"], step=MINUTE), store.durations(AROUND))
    assert all(a.equals(b) for a, b in zip(after, before, strict=True))


def test_absurd_sizes_do_not_keep_other_records_out(store: DuckLogs) -> None:
    """Regression: two records whose sizes exceed 64 bits together stopped the tail for good."""
    huge = [request(5, response_bytes=5 * 10**18, processed=-(2**63)) for _ in range(2)]

    store.write(batch(huge))
    store.write(batch([*huge, request(5, response_bytes=7)]))
    store.compact()

    assert store.totals(AROUND, measures=("records", "response_bytes")).iloc[0].tolist() == [5, 2**63 - 1]


def test_a_late_record_is_merged_too(store: DuckLogs) -> None:
    store.write(batch([{}, {"ts": NOON + MINUTE}]))
    store.compact()
    store.write(batch([{}]))

    merged = store.compact()

    assert merged == 1
    assert rows(store, "minute_totals") == 2


def test_past_hours_are_answered_from_hour_sums_and_late_records_are_in_them(tmp_path: Path) -> None:
    store = DuckLogs(tmp_path / "logs.duckdb")
    store.write(batch(request(10, ts=NOON - n * MINUTE, pattern="p") for n in range(0, 24 * 60, 10)))
    store.compact()
    assert rows(store, "hour_totals") == 23
    store.close()

    store = DuckLogs(tmp_path / "logs.duckdb")  # the mark outlives the process
    late = NOON - 10 * HOUR + 7 * MINUTE
    store.write(batch([request(20, ts=late, pattern="late", status=500), {"ts": late, "message": "x"}]))
    with store._db.write() as writer:  # what only hour sums can answer
        writer.execute(
            "DELETE FROM minute_totals WHERE minute < epoch(?::TIMESTAMP) // 60", [NOON.replace(tzinfo=None) - 2 * HOUR]
        )
    found = store.totals(AROUND, step=HOUR)
    patterns = store.patterns(LogQuery(AROUND.window, (Match("status", ("500",)),)))
    slowest = store.durations(AROUND)["max_ms"].tolist()
    store.close()

    assert found["records"].sum() == 24 * 6 + 2
    assert found.set_index("ts")["records"][late.replace(minute=0)] == 8
    assert patterns["first_seen"].tolist() == [late]
    assert slowest == [20]


def test_an_hour_sum_keeps_to_one_kind_of_record_when_the_better_kind_comes_late(store: DuckLogs) -> None:
    at = NOON - 10 * HOUR
    store.write(batch([request(900, ts=at, message="API Request Completed"), {}]))
    store.compact()
    assert store.durations(AROUND)["max_ms"].tolist() == [900]

    store.write(batch([request(100, ts=at)]))

    assert store.durations(AROUND)[["requests", "max_ms"]].values.tolist() == [[1, 100]]


def test_retention_drops_whole_hours_from_every_table(store: DuckLogs) -> None:
    old, kept = NOON - 5 * HOUR, NOON - 2 * HOUR
    store.write(
        batch([request(1, ts=old, pattern="old"), request(2, ts=kept, pattern="kept"), request(3, pattern="kept")]),
        gaps=[Gap(old, "f", "lost", "r"), Gap(kept, "f", "lost", "r")],
    )
    store.compact()

    dropped = store.retain(kept + 59 * MINUTE)

    assert dropped == 1
    assert store.oldest() == kept
    assert store.totals(AROUND)["records"].tolist() == [2]
    assert store.patterns(AROUND)["pattern"].tolist() == ["kept"]
    assert store.durations(AROUND)["requests"].tolist() == [2]
    assert len(store.gaps(AROUND.window)) == 1
    store.write(batch([request(1, ts=NOON, pattern="old")]))
    assert set(store.patterns(AROUND)["pattern"]) == {"kept", "old"}


def test_space_of_dropped_records_is_used_again(store: DuckLogs) -> None:
    def day(number: int) -> None:
        ts = NOON + number * 24 * HOUR
        store.write(batch({"ts": ts, "id": f"{number}-{i}", "message": os.urandom(100).hex()} for i in range(3000)))
        store.retain(ts - HOUR)

    day(0)
    day(1)
    first = store.size_bytes()
    for number in range(2, 7):
        day(number)

    assert store.size_bytes() < 2 * first


@pytest.mark.slow
def test_a_killed_writer_loses_and_doubles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "logs.duckdb"
    for pause_s in (0.05, 0.2):
        path.unlink(missing_ok=True)
        path.with_name("logs.duckdb.wal").unlink(missing_ok=True)
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "going\n"
        with pytest.raises(SourceUnavailable, match=f"process {writer.pid}"):
            DuckLogs(path)
        threading.Event().wait(pause_s)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()

        store = DuckLogs(path)
        [position] = store.checkpoints()
        records = store.search(AROUND, limit=10_000)["id"].tolist()
        summed = store.totals(AROUND)["records"].tolist()
        store.close()

        assert sorted(records) == sorted(f"{n}-{i}" for n in range(position.offset) for i in range(3))
        assert summed == [3 * position.offset]
        assert store.recovered_from is None


@pytest.mark.slow
def test_questions_are_answered_while_records_come_in(store: DuckLogs) -> None:
    stop, wrong = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            sums = store.totals(AROUND, by=["level"], step=HOUR)["records"].sum()
            if sums % 10:
                wrong.append(sums)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    for n in range(30):
        store.write(batch({"ts": NOON - (n % 20) * HOUR, "level": "A" if i % 2 else "B"} for i in range(10)))
        if n % 4 == 0:
            store.compact()
    stop.set()
    for thread in asking:
        thread.join()

    assert wrong == []
    assert store.totals(AROUND)["records"].tolist() == [300]


def test_a_broken_file_makes_room_for_a_fresh_store(tmp_path: Path) -> None:
    path = tmp_path / "logs.duckdb"
    path.write_bytes(b"broken" * 5000)

    store = DuckLogs(path)

    assert store.recovered_from is not None
    assert store.newest() is None
    store.write(batch([{}]))
    assert store.newest() == NOON
    store.close()
