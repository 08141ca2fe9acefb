"""What waits in the spool is taken in once, in order, and a store that fails costs nothing."""

from pathlib import Path

import numpy as np
import pytest

from lib.collect import spool
from lib.collect.parse import Line, parse_lines
from lib.errors import SourceUnavailable
from lib.metrics.ingest import Appended, Samples

from .log_files import NOW, MemoryLogs, line_of


class Metrics:
    def __init__(self) -> None:
        self.taken: list[tuple[Samples, bool]] = []

    def append(self, samples: Samples, *, live: bool = True) -> Appended:
        self.taken.append((samples, live))
        return Appended(len(samples.values))


class Health:
    def __init__(self) -> None:
        self.taken: list[dict] = []

    def import_observations(self, observations) -> int:
        self.taken += observations
        return len(self.taken)


@pytest.fixture
def sinks() -> spool.Sinks:
    return spool.Sinks(MemoryLogs(), Metrics(), Health())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return spool.folder_of(tmp_path)


def put(folder: Path, first: int, last: int, origin: str = "import:a", start: int | None = None) -> None:
    """Records at positions 100 * n for n in [first, last)."""
    lines = [Line(origin, 100 * n, "combined.log", line_of(f"line {n}").strip()) for n in range(first, last)]
    batch = parse_lines(lines, NOW).batch
    spool.Writer(folder).logs(
        spool.LogPart(origin, 100 * first if start is None else start, 100 * last, b"x" * 2000, batch)
    )


def test_parts_are_taken_in_the_order_they_were_written_and_removed(folder, sinks):
    put(folder, 0, 2)
    put(folder, 2, 4, origin="import:b")

    taken = spool.drain(folder, sinks)

    assert sinks.logs.messages == ["line 0", "line 1", "line 2", "line 3"]
    assert (taken.files, taken.records, spool.pending(folder)) == (2, 4, [])


def test_a_part_that_was_taken_in_already_adds_nothing(folder, sinks):
    for _ in range(2):
        put(folder, 0, 3)
        taken = spool.drain(folder, sinks)

    assert len(sinks.logs.rows) == 3
    assert (taken.records, taken.duplicates) == (0, 3)


def test_a_part_that_has_grown_adds_its_new_records(folder, sinks):
    put(folder, 0, 3)
    spool.drain(folder, sinks)
    put(folder, 0, 5)

    taken = spool.drain(folder, sinks)

    assert sinks.logs.messages == [f"line {n}" for n in range(5)]
    assert (taken.records, taken.duplicates) == (2, 3)


def test_a_store_that_fails_leaves_the_file_waiting(folder, sinks):
    put(folder, 0, 2)
    sinks.logs.failing = True
    with pytest.raises(SourceUnavailable):
        spool.drain(folder, sinks)
    sinks.logs.failing = False

    spool.drain(folder, sinks)

    assert sinks.logs.messages == ["line 0", "line 1"]


def test_a_kill_between_the_commit_and_the_removal_doubles_nothing(folder, sinks):
    put(folder, 0, 2)
    (path,) = spool.pending(folder)
    kept = path.read_bytes()
    spool.drain(folder, sinks)
    path.write_bytes(kept)

    spool.drain(folder, sinks)

    assert len(sinks.logs.rows) == 2


def test_samples_are_appended_as_history(folder, sinks):
    samples = Samples(
        ({"__name__": "up", "job": "j"},), np.zeros(2, np.int32), np.array([1, 2]), np.array([np.nan, np.inf])
    )
    spool.Writer(folder).metrics(samples)

    taken = spool.drain(folder, sinks)

    ((found, live),) = sinks.metrics.taken
    assert (found.labels, found.ts_ms.tolist(), live, taken.samples) == (samples.labels, [1, 2], False, 2)
    assert np.isnan(found.values[0])
    assert np.isinf(found.values[1])


def test_health_answers_are_handed_on(folder, sinks):
    spool.Writer(folder).health([b'{"target": "a"}'])

    spool.drain(folder, sinks)

    assert sinks.health.taken == [{"target": "a"}]


def test_a_file_that_is_being_written_is_not_touched(folder, sinks):
    (folder / "1.arrow.part").write_bytes(b"half")

    assert spool.drain(folder, sinks) == spool.Taken()
    assert (folder / "1.arrow.part").exists()


def test_the_drain_stops_between_files_when_asked(folder, sinks):
    put(folder, 0, 1)
    put(folder, 1, 2, origin="import:b")
    asked = iter([False, True])

    spool.drain(folder, sinks, stop=lambda: next(asked))

    assert len(spool.pending(folder)) == 1


def test_only_the_owner_can_look_into_the_spool(folder):
    assert folder.stat().st_mode & 0o077 == 0
