"""A loop outlives what fails in it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from lib.errors import SourceUnavailable
from lib.loop import Loop


def until(condition: Callable[[], bool], within_s: float = 5) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)


def test_a_failing_round_is_counted_with_its_reason_and_the_next_one_comes() -> None:
    rounds: list[int] = []

    def turn() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise SourceUnavailable("http://ops:hunter2@db/ does not answer", "logs")
        if len(rounds) == 2:
            raise ZeroDivisionError("oops")

    stop, loop = threading.Event(), Loop("tail", 0.01, turn)
    loop.start(stop)
    until(lambda: len(rounds) >= 4)
    stop.set()

    assert loop.join(2)
    status = loop.status()
    assert (status.name, status.errors, status.last_error) == ("tail", 2, "ZeroDivisionError: oops")


def test_after_failures_it_waits_no_longer_than_it_may_and_the_log_says_once_what_is_wrong_and_that_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rounds: list[float] = []

    def turn() -> None:
        rounds.append(time.monotonic())
        if len(rounds) <= 12:  # doubled each time, the waits alone would come to 40 s
            raise SourceUnavailable("the state database does not answer", "state")

    stop, loop = threading.Event(), Loop("lease", 0.01, turn, longest_wait_s=0.05)
    with caplog.at_level(logging.INFO, "lib.loop"):
        loop.start(stop)
        until(lambda: len(rounds) >= 14)
        stop.set()

    assert loop.join(2)
    assert [(line.levelname, line.getMessage()) for line in caplog.records] == [
        ("WARNING", "lease: the state database does not answer"),
        ("INFO", "lease: works again"),
    ]


def test_no_credential_reaches_the_reason() -> None:
    def turn() -> None:
        raise SourceUnavailable("http://ops:hunter2@db/ does not answer", "logs")

    stop, loop = threading.Event(), Loop("tail", 0.01, turn)
    loop.start(stop)
    until(lambda: loop.status().errors > 0)
    stop.set()

    assert loop.join(2)
    assert loop.status().last_error == "http://db/ does not answer"


def test_a_loop_whose_round_never_ends_is_stuck_and_one_that_goes_round_is_not() -> None:
    clock = [datetime(2026, 3, 2, tzinfo=UTC)]
    held, stop = threading.Event(), threading.Event()
    loop = Loop("tail", 1.0, held.wait, lambda: clock[0])
    loop.start(stop)

    later = clock[0] + timedelta(minutes=3)
    assert loop.status().stuck(later)
    assert not loop.join(0.01)
    stop.set()
    held.set()
    assert loop.join(2)
    assert not loop.status().stuck(clock[0])
