"""History comes in once, however often and from whatever state it is imported."""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import psutil
import pytest

from lib import settings as configuration
from lib import wiring
from lib.collect import spool
from lib.collect.backfill import soon_dropped, summary
from lib.collect.import_progress import load_progress
from lib.collect.sources import MOST_RATIO
from lib.collect.tail import Tail
from lib.collect.taking_in import TakingIn
from lib.duck_lock import OwnerLock
from lib.logs.base import LogQuery
from lib.settings import Settings

from .importing import WINDOW, bring_in, many, started, stored


@pytest.fixture
def settings(tmp_path: Path, monkeypatch) -> Settings:
    monkeypatch.chdir(Path(__file__).parents[2])
    return configuration.load(data_dir=tmp_path / "data")


@pytest.mark.slow
def test_a_log_file_comes_in_once(settings, tmp_path):
    path = many(tmp_path / "combined.log", 500)

    first, second = bring_in(settings, path), bring_in(settings, path)

    assert (first.taken.records, first.taken.duplicates) == (500, 0)
    assert (second.taken.records, second.taken.duplicates) == (0, 500)
    assert stored(settings) == 500


def test_what_retention_will_drop_again_is_said(settings, tmp_path):
    """Regression: an old log came in, the command said so, and an hour later its records were gone."""
    importer = bring_in(settings, many(tmp_path / "combined.log", 10))  # of 1 November 2024
    day = datetime(2024, 11, 1, tzinfo=UTC)

    within, after = (soon_dropped(settings, importer.tally, day + timedelta(days=days)) for days in (30, 32))

    assert within == ""
    assert after.startswith(
        "Dropped again within the hour: log records older than 30 days (HALO_OPS_RETENTION_LOGS_DAYS)."
    )
    assert "metric" not in after


def test_the_packed_file_is_the_same_file(settings, tmp_path):
    path = many(tmp_path / "combined.log", 500)
    packed = tmp_path / "combined.log.1.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    bring_in(settings, path, packed)

    assert stored(settings) == 500


@pytest.mark.slow
def test_a_file_in_several_parts_that_has_grown_adds_only_what_is_new(settings, tmp_path):
    path = many(tmp_path / "combined.log", 9000, pad=500)  # over 4 MiB: two parts
    bring_in(settings, path)
    with path.open("ab") as file:
        file.write(many(tmp_path / "more", 700, first=9000, pad=500).read_bytes())

    again = bring_in(settings, path)

    assert again.taken.records == 700
    assert stored(settings) == 9700


def test_a_file_that_the_tail_follows_is_not_added_again(settings, tmp_path):
    path = many(tmp_path / "combined.log", 500)
    stores = wiring.open_stores(settings)
    tail = Tail([str(path)], stores.logs)
    tail.poll()
    tail.close()
    stores.close()

    importer = bring_in(settings, path)

    assert importer.taken.duplicates == 500
    assert stored(settings) == 500


def test_the_stores_are_left_alone_while_another_owns_them(settings, tmp_path, monkeypatch):
    """Regression: beside a dashboard the import read all rules and checklists five times a second, and once more at its end."""
    opened: list[Settings] = []
    monkeypatch.setattr(wiring, "open_stores", opened.append)
    folder = spool.folder_of(settings.data_dir)
    owner = OwnerLock.take(settings.data_dir / "metrics.duckdb", "test")
    waiting = folder / "1.arrow"
    waiting.write_bytes(b"x")
    taken_elsewhere = threading.Timer(0.5, waiting.unlink)

    with TakingIn(settings, folder) as taking:
        taken_elsewhere.start()
        taking.finish(lambda: None)

    owner.release()
    assert opened == []


def test_samples_come_in_once_with_their_own_times(settings, tmp_path):
    path = tmp_path / "metrics.prom"
    path.write_bytes(
        b"".join(b'queue_size{queue_name="q"} %d %d\n' % (i, 1730458800000 + i * 30_000) for i in range(50))
    )

    first, second = bring_in(settings, path), bring_in(settings, path)

    assert (first.taken.samples, second.taken.samples) == (50, 0)
    stores = wiring.open_stores(settings)
    assert stores.metrics.newest() == datetime.fromtimestamp(1730458800 + 49 * 30, UTC)
    stores.close()


def test_a_sample_without_a_time_is_left_out_and_named(settings, tmp_path):
    path = tmp_path / "metrics.prom"
    path.write_bytes(b"up 1\nup 1 1730458800000\nbroken\n")

    importer = bring_in(settings, path)

    assert importer.taken.samples == 1
    assert importer.tally.left_out == 2
    assert "broken" in summary(importer)


def test_health_answers_become_episodes(settings, tmp_path):
    path = tmp_path / "health.jsonl"
    body = {"status": "healthy", "checks": {"database": {"status": "healthy"}}}
    path.write_bytes(
        orjson.dumps({"target": "a:1", "ts": "2024-11-01T10:00:00Z", "status_code": 200, "body": body}) + b"\nbad\n"
    )

    importer = bring_in(settings, path)

    stores = wiring.open_stores(settings)
    assert set(stores.health.now()["target"]) == {"a:1"}
    stores.close()
    assert importer.tally.left_out == 1


def test_an_imported_past_has_response_times_as_the_live_probe_gives_them(settings, tmp_path):
    path = tmp_path / "health.jsonl"
    body = {"status": "healthy", "checks": {"halopsa": {"status": "healthy", "response_time": 250}}}
    path.write_bytes(orjson.dumps({"target": "a:1", "ts": "2024-11-01T10:00:00Z", "status_code": 200, "body": body}))

    for _ in range(2):
        bring_in(settings, path)

    stores = wiring.open_stores(settings)
    found = stores.metrics.instant('health_check_response_seconds{check="halopsa"}', WINDOW.start + timedelta(hours=10))
    stores.close()
    assert found.labels[0]["instance"] == "a:1"
    assert found.labels[0]["job"] == settings.job
    assert found.scalar() == 0.25


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "records"),
    [("cut off", 300), ("cut off", 60_000), ("damaged", 60_000)],  # far under and over one piece
)
def test_a_packed_file_with_a_fault_gives_what_comes_before_it(settings, tmp_path, fault, records):
    whole = bytearray(gzip.compress(many(tmp_path / "x", records).read_bytes()))
    half = len(whole) // 2
    path = tmp_path / "combined.log.gz"
    path.write_bytes(whole[:half] if fault == "cut off" else whole[:half] + b"\xff" * 64 + whole[half + 64 :])

    importer = bring_in(settings, path)

    assert records // 4 < importer.taken.records < records
    assert "cut off or damaged" in summary(importer)


@pytest.mark.slow
def test_a_gzip_bomb_of_10_gb_is_left_within_bounds(settings, tmp_path):
    path = tmp_path / "combined.log.gz"
    path.write_bytes(gzip.compress(b"a" * (100 << 20)) * 100)
    assert 9 << 20 < path.stat().st_size < 11 << 20

    began, largest = time.monotonic(), 0
    with started(settings.data_dir, path) as child:
        while child.poll() is None:
            for process in (parent := psutil.Process(child.pid), *parent.children()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    largest = max(largest, process.memory_info().rss)
            time.sleep(0.02)
        out = child.stdout.read()

    assert child.returncode == 1
    assert f"over {MOST_RATIO} times" in out
    assert "New in the stores: 0 records" in out
    assert largest < 400 << 20
    assert time.monotonic() - began < 60  # all of it would take minutes


def test_an_honest_file_that_packs_well_comes_in_whole(settings, tmp_path):
    line = (
        b'{"timestamp":"2024-11-01T11:00:%02d.%03dZ","level":"ERROR","message":"Queue stuck","pad":"'
        + b"-" * 4000
        + b'"}\n'
    )
    path = tmp_path / "combined.log.gz"
    with gzip.open(path, "wb") as file:
        for i in range(2000):
            file.write(line % (i // 1000, i % 1000))
    assert path.stat().st_size * MOST_RATIO < 2000 * len(line), "it packs better than the bound"

    importer = bring_in(settings, path)

    assert (importer.taken.records, importer.tally.problems) == (2000, [])


@pytest.mark.slow
def test_a_short_file_that_has_grown_adds_only_what_is_new(settings, tmp_path):
    path = many(tmp_path / "combined.log", 3)  # under 1 KiB
    bring_in(settings, path)
    for count in (6, 500):
        many(path, count)

        importer = bring_in(settings, path)

        assert stored(settings) == count
    assert importer.taken.records == 494


def test_a_short_file_that_the_tail_follows_is_not_added_again(settings, tmp_path):
    path = many(tmp_path / "combined.log", 3)
    stores = wiring.open_stores(settings)
    tail = Tail([str(path)], stores.logs)
    tail.poll()
    tail.close()
    stores.close()

    assert bring_in(settings, path).taken.duplicates == 3
    assert stored(settings) == 3


def test_half_a_line_at_the_end_comes_in_when_it_is_whole(settings, tmp_path):
    path = many(tmp_path / "combined.log", 20)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])

    first = bring_in(settings, path)
    path.write_bytes(whole)
    second = bring_in(settings, path)

    assert (first.taken.records, second.taken.records) == (19, 1)
    assert "half a line" in summary(first)
    assert stored(settings) == 20


def test_the_progress_ends_with_everything_done(settings, tmp_path):
    path = many(tmp_path / "combined.log", 100)

    bring_in(settings, path)

    progress = load_progress(spool.folder_of(settings.data_dir))
    assert progress is not None
    assert progress.done
    assert progress.done_bytes == progress.total_bytes == path.stat().st_size
    assert progress.oldest == progress.newest == datetime(2024, 11, 1, 11, tzinfo=UTC)


def test_a_missing_file_is_named(settings, tmp_path):
    importer = bring_in(settings, tmp_path / "nothing.log")

    assert "there is no such file" in summary(importer)


@pytest.mark.slow
def test_a_running_dashboard_takes_the_files_in(settings, tmp_path):
    path = many(tmp_path / "combined.log", 300)
    stores = wiring.open_stores(settings)  # this process is the dashboard
    folder = spool.folder_of(settings.data_dir)
    sinks = spool.Sinks(stores.logs, stores.metrics, stores.health)

    with started(settings.data_dir, path) as child:
        while child.poll() is None:
            spool.drain(folder, sinks)
            time.sleep(0.02)
        out = child.stdout.read()

    assert child.returncode == 0, out
    assert "New in the stores: 300 records" in out
    assert int(stores.logs.totals(LogQuery(WINDOW))["records"].iloc[0]) == 300
    stores.close()


@pytest.mark.slow
def test_an_import_that_was_killed_goes_on(settings, tmp_path):
    path = many(tmp_path / "combined.log", 9_000, pad=500)
    folder = spool.folder_of(settings.data_dir)
    stores = wiring.open_stores(settings)
    with started(settings.data_dir, path) as child:
        while not spool.pending(folder) and child.poll() is None:
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
    stores.close()

    bring_in(settings, path)

    assert stored(settings) == 9_000


def test_a_damaged_spool_file_is_put_aside_and_the_next_is_taken(settings, tmp_path):
    folder = spool.folder_of(settings.data_dir)
    (folder / "0-bad.arrow").write_bytes(b"nonsense")

    importer = bring_in(settings, many(tmp_path / "combined.log", 10))

    assert importer.taken.records == 10
    assert [path.name for path in folder.glob("*.bad")] == ["0-bad.bad"]
