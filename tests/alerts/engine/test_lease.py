"""One evaluates and sends at a time (F25), and a state change and its notice are one (F3): with real processes, killed."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL, func, select

from lib.alerts.lease import Lease, LeaseLost
from lib.alerts.tables import AlertRow, LeaseRow, OutboxRow
from lib.failpoints import VARIABLE
from lib.state.database import State

ROOT = Path(__file__).parents[3]
T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TTL_S = 2.0


class Clocks:
    """A wall clock and a monotonic one that a test moves apart."""

    def __init__(self) -> None:
        self.wall, self.ran = T0, 100.0

    def lease(self, state: State, name: str) -> Lease:
        return Lease(state, name, clock=lambda: self.wall, monotonic=lambda: self.ran)

    def passes(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.ran += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def test_the_first_holds_it_and_a_second_waits_until_the_row_stood_still_for_its_time(
    state: State, clocks: Clocks
) -> None:
    one, two = clocks.lease(state, "one"), clocks.lease(state, "two")
    assert (one.renew(), two.renew(), one.token) == (True, False, 1)

    clocks.passes(9)
    assert (one.renew(), two.renew()) == (True, False)
    clocks.passes(9.9)
    assert not two.renew()
    clocks.passes(0.2)

    assert two.renew()
    assert (two.token, two.told_holder) == (2, "two")
    assert not one.renew()
    assert one.told_holder == "two"


def test_the_log_of_each_process_says_when_it_takes_over_and_when_it_lost_it(
    state: State, clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = clocks.lease(state, "one"), clocks.lease(state, "two")
    with caplog.at_level(logging.INFO, "lib.alerts.lease"):
        for _ in range(3):
            one.renew()
            two.renew()
        clocks.passes(10.1)
        two.renew()
        one.renew()

    assert [line.getMessage() for line in caplog.records] == [
        "this process evaluates and sends from now on (lease alerts, token 1)",
        "this process evaluates and sends from now on (lease alerts, token 2)",
        "another process evaluates and sends now: two",
    ]


def test_a_clock_that_jumps_neither_takes_nor_loses_it(state: State, clocks: Clocks) -> None:
    one, two = clocks.lease(state, "one"), clocks.lease(state, "two")
    one.renew()
    two.renew()

    for hours in (1, -2):
        clocks.wall += timedelta(hours=hours)
        assert (one.renew(), two.renew()) == (True, False)


def test_who_lost_it_is_refused_in_its_own_transaction(state: State, clocks: Clocks) -> None:
    one, two = clocks.lease(state, "one"), clocks.lease(state, "two")
    one.renew()
    two.renew()
    clocks.passes(10)
    two.renew()

    with pytest.raises(LeaseLost), state.writing() as session:
        one.check(session)
    with state.writing() as session:
        assert two.check(session) == 2
        assert not one.holds(session)


def test_what_is_given_back_is_free_at_once(state: State, clocks: Clocks) -> None:
    one, two = clocks.lease(state, "one"), clocks.lease(state, "two")
    one.renew()
    two.renew()

    one.release()

    assert (two.renew(), two.token, one.held) == (True, 2, False)


class Child:
    """One running process."""

    def __init__(self, url: URL, folder: Path, name: str, failpoint: str = "") -> None:
        self.name = name
        address = url.render_as_string(hide_password=False)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.alerts.engine.child", address, str(folder), name, str(TTL_S)],
            cwd=ROOT, env={**os.environ, VARIABLE: failpoint}, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self._process.stdout.close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(20)

    def dies(self) -> int:
        return self._process.wait(60)


@pytest.fixture
def start(state_url: URL, tmp_path: Path) -> Iterator[Callable[..., Child]]:
    with ExitStack() as running:

        def begin(name: str, failpoint: str = "") -> Child:
            child = Child(state_url, tmp_path, name, failpoint)
            running.callback(child.kill)
            return child

        yield begin


def until(condition: Callable[[], object], within_s: float = 40) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


def holder(state: State) -> str:
    with state.reading() as session:
        return session.scalar(select(LeaseRow.holder)) or ""


def sent(folder: Path) -> list[str]:
    file = folder / "sent.txt"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=[pytest.mark.faults, pytest.mark.timeout(900)])])
def test_a_leader_that_is_killed_is_followed_in_time_and_nothing_is_sent_twice_f25(
    state: State, tmp_path: Path, start: Callable[..., Child], kills: int
) -> None:
    children = {name: start(name) for name in ("one", "two")}
    until(lambda: sent(tmp_path))
    took, dice = [], random.Random(7)
    for number in range(kills):
        time.sleep(dice.uniform(0.0, 0.5))
        leader = holder(state)
        began = time.monotonic()
        children.pop(leader).kill()
        until(lambda gone=leader: holder(state) not in ("", gone))
        took.append(time.monotonic() - began)
        name = f"c{number}"
        children[name] = start(name)

    notices = [line.split()[1:] for line in sent(tmp_path)]
    assert max(took) < 2 * TTL_S  # of 10 s: 20 s
    assert [kind for kind, _ in notices] == ["firing"]
    with state.reading() as session:
        assert session.scalar(select(func.count()).select_from(AlertRow)) == 1
        assert session.scalar(select(LeaseRow.token)) == kills + 1


@pytest.mark.parametrize("point", ["alerts-begun", "alerts-written", "alerts-dispatched", "alerts-committed"])
def test_killed_between_the_state_and_its_notice_both_are_there_or_neither(
    state: State, tmp_path: Path, start: Callable[..., Child], point: str
) -> None:
    first = start("first", point)

    assert first.dies() == -signal.SIGKILL
    with state.reading() as session:
        alerts, notices = (session.scalar(select(func.count()).select_from(table)) for table in (AlertRow, OutboxRow))
    assert (alerts, notices) == ((1, 1) if point == "alerts-committed" else (0, 0))

    start("second")
    until(lambda: sent(tmp_path))
    with state.reading() as session:
        assert [row.state for row in session.scalars(select(AlertRow))] == ["firing"]
    assert [line.split()[:2] for line in sent(tmp_path)] == [["second", "firing"]]
