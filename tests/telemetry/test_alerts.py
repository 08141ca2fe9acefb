"""Unhandled exceptions reach the alert API, once per kind and place, and a dead dashboard costs the service nothing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.alerts import pushed_json
from lib.telemetry.alerts import MOST_KINDS, ExceptionAlerts
from tests import fault_server as faults
from tests.fault_server import FaultServer

ROOT = Path(__file__).parents[2]
TOKEN = "t" * 24


class Taking:
    """Stands for the dashboard: keeps what it is given, or says no."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.takes = True

    def __call__(self, body: dict[str, Any]) -> bool:
        self.bodies.append(body)
        return self.takes


@pytest.fixture
def taking() -> Taking:
    return Taking()


@pytest.fixture
def alerts(taking: Taking) -> Iterator[ExceptionAlerts]:
    made = ExceptionAlerts("http://unused", TOKEN, service="integration", post=taking)
    made.close()  # no thread: the tests flush
    yield made


def raised(text: str = "no such column", kind: type[Exception] = ValueError) -> Exception:
    try:
        raise kind(text)  # noqa: TRY301 - for its traceback
    except kind as error:
        return error


def test_the_api_understands_what_is_sent(alerts: ExceptionAlerts, taking: Taking) -> None:
    alerts.report(raised())
    alerts.flush()

    understood = pushed_json.signal(json.dumps(taking.bodies[0]).encode())
    assert understood.labels["alertname"] == "UnhandledException"
    assert understood.labels["place"] == "test_alerts.py:raised"
    assert understood.firing and understood.expires is not None


def test_the_same_kind_at_the_same_place_is_told_once_with_its_count(alerts: ExceptionAlerts, taking: Taking) -> None:
    for number in range(5):
        alerts.report(raised(f"row {number}"))
    alerts.report(raised(kind=KeyError))
    alerts.flush()
    alerts.report(raised("row 6"))
    alerts.flush()  # within the minute: not told again

    assert [(body["labels"]["exception"], body["details"]["times"]) for body in taking.bodies] == [
        ("ValueError", 5),
        ("KeyError", 1),
    ]


def test_a_secret_in_the_message_does_not_leave(alerts: ExceptionAlerts, taking: Taking) -> None:
    alerts.report(raised("POST https://u:hunter2@api/x?token=abc123 failed: Authorization: Bearer abc.def"))
    alerts.flush()

    assert not [secret for secret in ("hunter2", "abc123", "abc.def") if secret in str(taking.bodies)]
    assert "[REDACTED]" in str(taking.bodies)


def test_what_was_not_taken_is_kept_and_the_oldest_kinds_give_way(alerts: ExceptionAlerts, taking: Taking) -> None:
    taking.takes = False
    alerts.report(raised())
    assert alerts.flush()  # not due again for some seconds
    for number in range(MOST_KINDS + 50):
        alerts.report(raised(kind=type(f"E{number}", (Exception,), {})))

    taking.takes, taking.bodies = True, []
    alerts.flush()
    assert len(taking.bodies) == MOST_KINDS


def test_a_broken_exception_costs_nothing(alerts: ExceptionAlerts, taking: Taking) -> None:
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    alerts.report(raised(kind=BrokenError))
    alerts.report(KeyboardInterrupt())
    alerts.flush()

    assert [body["labels"]["exception"] for body in taking.bodies] == ["BrokenError"]


def test_a_thread_and_a_forgotten_task_are_reported_and_the_other_hooks_still_run(
    alerts: ExceptionAlerts, taking: Taking, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda *_: others.append("process"))
    monkeypatch.setattr(threading, "excepthook", lambda _: others.append("thread"))
    alerts.install()

    def broken() -> None:
        raise LookupError("thread")

    async def forgotten() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: others.append("loop"))
        alerts.watch(loop)
        loop.call_exception_handler({"message": "never retrieved", "exception": raised(kind=OSError)})

    thread = threading.Thread(target=broken, name="importer")
    thread.start()
    thread.join()
    asyncio.run(forgotten())
    alerts.flush()

    assert others == ["thread", "loop"]
    assert [body["labels"]["exception"] for body in taking.bodies] == ["LookupError", "OSError"]
    assert taking.bodies[0]["details"]["thread"] == "importer"


PROGRAM = f"""
import sys
from lib.telemetry.alerts import ExceptionAlerts
ExceptionAlerts(sys.argv[1], "{TOKEN}", service="integration").install()
raise RuntimeError("the last word")
"""


def test_a_process_that_dies_tells_before_it_is_gone() -> None:
    with FaultServer() as dashboard:
        dashboard.says("/api/alerts", faults.answer(b"{}", 200))
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, dashboard.url("")], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
        )  # fmt: skip
        [request] = dashboard.seen("/api/alerts")

    assert (ended.returncode, "RuntimeError: the last word" in ended.stderr) == (1, True)
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert b"the last word" in request.body


def test_a_dashboard_that_hangs_does_not_hold_up_the_service() -> None:
    with FaultServer() as dashboard:
        dashboard.says("/api/alerts", faults.hang())
        alerts = ExceptionAlerts(dashboard.url(""), TOKEN, service="integration")
        began = time.monotonic()
        for _ in range(1000):
            alerts.report(raised())
        reported_s = time.monotonic() - began
        alerts.close()

    assert reported_s < 1
