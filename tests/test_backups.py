"""The last good backup, by a metric and by files."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.backups import by_files, by_metric
from lib.metrics.base import Result

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
UNIX = NOW.timestamp()


class Metrics:
    """Answers every expression with these values."""

    def __init__(self, *values: float) -> None:
        self._values = values

    def instant(self, expression: str, at: datetime) -> Any:
        values = np.array(self._values, dtype="float64").reshape(len(self._values), 1)
        labels = tuple({"instance": str(number)} for number in range(len(self._values)))
        return Result(np.array([0]), labels, values, np.ones(values.shape, dtype=bool))


@pytest.mark.parametrize(
    ("values", "age"),
    [
        ((UNIX - 3600,), HOUR),
        (((UNIX - 3600) * 1000,), HOUR),  # in milliseconds, as Date.now() has it
        ((3600.0,), HOUR),  # an age
        ((UNIX - 7200, UNIX - 3600), HOUR),  # the newest of several instances
        ((7200.0, 3600.0), HOUR),
        ((0.0, UNIX - 3600), HOUR),  # one instance was told of none yet
        ((np.nan, UNIX - 3600), HOUR),
        ((UNIX + 60,), timedelta(seconds=-60)),  # its clock is a little ahead
    ],
)
def test_a_number_is_a_time_or_an_age_by_its_size(values: tuple[float, ...], age: timedelta) -> None:
    found = by_metric(Metrics(*values), "m", NOW)  # type: ignore[arg-type]

    assert found.at is not None
    assert abs((NOW - found.at) - age) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((), "no sample"),
        ((np.nan,), "not a number"),
        ((-5.0,), "not a number"),
        ((UNIX + 86400,), "in the future"),
        ((0.0,), "no backup was told of yet"),  # what a gauge is that nobody set: "just now" would be a lie
    ],
)
def test_what_is_no_time_is_said_and_never_taken_for_one(values: tuple[float, ...], words: str) -> None:
    found = by_metric(Metrics(*values), "m", NOW)  # type: ignore[arg-type]

    assert (found.at, words in found.problem) == (None, True)


def put(path: Path, age: timedelta, size: int = 10) -> None:
    path.write_bytes(b"x" * size)
    os.utime(path, ((NOW - age).timestamp(),) * 2)


def test_the_newest_file_with_something_in_it_counts(tmp_path: Path) -> None:
    put(tmp_path / "a.dump", 9 * HOUR)
    put(tmp_path / "b.dump", 3 * HOUR)
    put(tmp_path / "c.dump", HOUR, size=0)  # the disk was full
    put(tmp_path / "d.dump", -HOUR)  # of later than the moment that is asked about

    found = by_files([str(tmp_path / "*.dump")], NOW)

    assert (found.at, found.said.startswith("b.dump")) == (NOW - 3 * HOUR, True)


def test_no_file_and_only_empty_files_are_told_apart(tmp_path: Path) -> None:
    nothing = by_files([str(tmp_path / "*.dump")], NOW)
    put(tmp_path / "c.dump", HOUR, size=0)

    assert nothing.problem == "no file matches"
    assert by_files([str(tmp_path / "*.dump")], NOW).problem == "no file with anything in it"
