"""Probing real addresses that behave and misbehave (F15)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lib.collect.probe import Prober
from lib.state.database import sqlite_url
from lib.state.health_sql import SqlHealthLog
from lib.state.migrate import open_state
from tests import fault_server as faults
from tests.collect.sinks import KeptSamples
from tests.fault_server import FaultServer

REPORT = {
    "status": "healthy",
    "version": "1.2",
    "checks": {
        "database": {"status": "healthy", "response_time": 1_772_000_000_000},
        "halopsa": {"status": "healthy", "response_time": 80},
    },
}
SICK = REPORT | {"status": "unhealthy", "checks": {"halopsa": {"status": "unhealthy", "error": "timeout"}}}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqlHealthLog]:
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    yield SqlHealthLog(state, interval_s=10)
    state.close()


def probe(prober: Prober, until: Callable[[], bool], within_s: float = 8) -> None:
    async def run() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(prober.run(stop))
        deadline = time.monotonic() + within_s
        while not until() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        stop.set()
        await task

    asyncio.run(run())
    assert until(), "the condition did not come true"


def attempts(prober: Prober, count: int) -> Callable[[], bool]:
    return lambda: all(status.attempts >= count for status in prober.status())


def table(log: SqlHealthLog) -> dict[str, tuple[str, str]]:
    return {row.check: (row.status, row.reason) for row in log.now().itertuples()}


def test_a_report_becomes_history_and_series(server: FaultServer, log: SqlHealthLog) -> None:
    server.says("/health", faults.json_answer(REPORT))
    sink = KeptSamples()
    prober = Prober([server.url("/health")], "job", log, sink, 10)

    probe(prober, attempts(prober, 1))

    assert table(log) == {"service": ("healthy", ""), "database": ("healthy", ""), "halopsa": ("healthy", "")}
    mine = {"job": "job", "instance": server.instance}
    assert sink.values("health_check_up", check="database", **mine) == [1]
    assert sink.values("health_check_response_seconds", check="halopsa", **mine) == [0.08]
    assert sink.values("health_check_response_seconds", check="database") == []  # an epoch is no latency
    assert 0 < float(sink.values("health_check_response_seconds", check="service")[0]) < 5


F15 = {
    "503 with a report": (faults.json_answer(SICK, 503), "unhealthy", "HTTP 503, failing: halopsa"),
    "200 that says unhealthy": (faults.json_answer(SICK), "unhealthy", "failing: halopsa"),
    "200 with garbage": (faults.answer(b"<html>sign in</html>"), "unhealthy", "not a health report"),
    "500": (faults.answer(b"oops", 500), "unhealthy", "HTTP 500"),
    "redirect": (faults.redirect("http://elsewhere/"), "unhealthy", "HTTP 301"),
    "hangs": (faults.hang(), "unhealthy", "no whole answer within 0.2 s"),
    "reset": (faults.reset(), "unhealthy", "closed in the middle"),
    "huge": (faults.huge(3_000_000), "unhealthy", "over 1 MB"),
}


@pytest.mark.parametrize("name", F15)
def test_after_three_failures_the_service_is_unhealthy_with_the_reason(
    server: FaultServer, log: SqlHealthLog, name: str
) -> None:
    fault, status, reason = F15[name]
    server.says("/health", fault)
    prober = Prober([server.url("/health")], "job", log, KeptSamples(), 0.2)

    probe(prober, attempts(prober, 3))

    got = table(log)["service"]
    assert got[0] == status
    assert reason in got[1]


@pytest.mark.slow
def test_a_service_that_stops_answering_leaves_its_checks_unknown_and_their_series_end(
    server: FaultServer, log: SqlHealthLog
) -> None:
    server.says("/health", faults.json_answer(REPORT), faults.hang())
    sink = KeptSamples()
    prober = Prober([server.url("/health")], "job", log, sink, 0.2)

    probe(prober, attempts(prober, 4))

    assert table(log)["service"][0] == "unhealthy"
    assert table(log)["halopsa"] == ("unknown", "no whole answer within 0.2 s")
    assert sink.values("health_check_up", check="halopsa")[:4] == [1, 1, 1, "stale"]
    assert sink.values("health_check_up", check="service")[:4] == [1, 1, 1, 0]


def test_the_time_out_is_five_seconds_however_long_the_interval(server: FaultServer, log: SqlHealthLog) -> None:
    assert Prober([], "job", log, KeptSamples(), 60)._timeout_s == 5


def test_a_history_that_is_down_is_a_reason_and_the_prober_goes_on(server: FaultServer, log: SqlHealthLog) -> None:
    server.says("/health", faults.json_answer(REPORT))
    sink = KeptSamples()
    sink.broken = True
    prober = Prober([server.url("/health")], "job", log, sink, 0.2)

    probe(prober, attempts(prober, 2))

    status = prober.status()[0]
    assert status.error == "the answer could not be stored: the disk is full"
    assert (status.up, status.stored) == (True, False)  # the service answered: only our own store is lost


def test_a_service_that_is_away_stays_down_while_the_history_is_lost(server: FaultServer, log: SqlHealthLog) -> None:
    server.says("/health", faults.reset())
    sink = KeptSamples()
    sink.broken = True
    prober = Prober([server.url("/health")], "job", log, sink, 0.2)

    probe(prober, attempts(prober, 2))

    assert (prober.status()[0].up, prober.status()[0].stored) == (False, False)
