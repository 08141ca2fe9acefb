"""What one answer of /health says (F15)."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.state.answer import SERVICE, Status, latency_ms, read_answer

GOOD = {
    "status": "healthy",
    "version": "1.2.3",
    "uptime": 61.5,
    "checks": {
        "database": {"status": "healthy", "response_time": 12},
        "halopsa": {"status": "unhealthy", "error": "timeout"},
        "system": {"status": "healthy", "memory": {"rss": 1}, "cpu": 0.5},
    },
}


def statuses(code: int | None, body: object, error: str = "") -> dict[str, str]:
    raw = json.dumps(body).encode() if not isinstance(body, bytes | None) else body
    return {reading.check: reading.status.value for reading in read_answer(code, raw, error).readings}


def test_a_good_answer_names_the_service_first_and_then_each_check() -> None:
    answer = read_answer(200, json.dumps(GOOD), "", 8.5)

    assert [r.check for r in answer.readings] == [SERVICE, "database", "halopsa", "system"]
    assert (answer.version, answer.uptime_s) == ("1.2.3", 61.5)
    assert answer.readings[0].response_ms == 8.5
    assert answer.readings[1].response_ms == 12
    assert answer.readings[2].reason == "timeout"
    assert json.loads(answer.readings[3].detail_text()) == {"memory": {"rss": 1}, "cpu": 0.5}


@pytest.mark.parametrize(
    ("code", "body", "status", "reason"),
    [
        (200, {"status": "healthy"}, "healthy", ""),
        (200, {"checks": {}}, "healthy", ""),  # no word of its own: the code speaks
        (200, {"status": "unhealthy"}, "unhealthy", "HTTP 200, it says “unhealthy”"),
        (503, {"status": "unhealthy", "checks": {"apollo": {"status": "down"}}}, "unhealthy", "failing: apollo"),
        (503, {"status": "healthy"}, "unhealthy", "HTTP 503"),  # body and code disagree: not healthy
        (404, {"status": "healthy"}, "unhealthy", "HTTP 404"),
        (200, b"<html>login</html>", "unhealthy", "not a health report"),
        (200, b"", "unhealthy", "not a health report"),
        (200, b'{"status": "heal', "unhealthy", "not a health report"),
        (200, b"[" * 100_000, "unhealthy", "not a health report"),
        (200, b'"healthy"', "unhealthy", "not a health report"),
        (200, {"ok": True}, "unhealthy", "not a health report"),
        (200, {"status": "sideways"}, "unhealthy", "sideways"),
        (None, None, "unhealthy", "no answer in 5 s"),
    ],
)
def test_the_service_is_judged_by_code_and_body(code: int | None, body: object, status: str, reason: str) -> None:
    raw = json.dumps(body).encode() if not isinstance(body, bytes | None) else body

    service = read_answer(code, raw, "no answer in 5 s").readings[0]

    assert (service.check, service.status) == (SERVICE, status)
    assert reason in service.reason


def test_a_503_with_a_report_is_read_check_by_check() -> None:
    assert statuses(503, GOOD) == {
        SERVICE: "unhealthy", "database": "healthy", "halopsa": "unhealthy", "system": "healthy",
    }  # fmt: skip


def test_a_check_without_a_known_word_is_unknown_not_healthy() -> None:
    got = statuses(200, {"status": "healthy", "checks": {"a": {}, "b": "ok", "c": None, "d": {"status": "maybe"}}})

    assert got == {SERVICE: "healthy", "a": "unknown", "b": "healthy", "c": "unknown", "d": "unknown"}


@pytest.mark.parametrize("value", [0, -5, 1_772_000_000_000, 600_001, "0", "abc", None, True, [1], math.inf, "1e999"])
def test_an_implausible_response_time_is_not_a_latency(value: object) -> None:
    assert math.isnan(latency_ms(value))


@pytest.mark.parametrize(("value", "ms"), [(12, 12.0), (0.4, 0.4), ("120ms", 120.0), ("35", 35.0), (600_000, 6e5)])
def test_a_plausible_response_time_is_read(value: object, ms: float) -> None:
    assert latency_ms(value) == ms


def test_the_page_learns_that_a_value_was_no_latency() -> None:
    body = {"status": "healthy", "checks": {"database": {"status": "healthy", "response_time": 1_772_000_000_000}}}

    database = read_answer(200, body, "").readings[1]

    assert math.isnan(database.response_ms)
    assert database.detail == {"response_time": 1_772_000_000_000, "response_time_note": "not a latency"}


def test_credentials_in_a_report_are_not_kept() -> None:
    check = {
        "status": "unhealthy",
        "error": "connect postgres://ops:hunter2@db:5432 failed",
        "config": {"api_key": "hunter2", "url": "http://u:hunter2@h/"},
    }

    reading = read_answer(503, {"status": "unhealthy", "checks": {"database": check}}, "").readings[1]

    assert "hunter2" not in reading.reason + reading.detail_text()
    assert "@db:5432" in reading.reason


def test_a_check_called_service_does_not_pass_for_the_whole() -> None:
    got = statuses(200, {"status": "unhealthy", "checks": {"service": {"status": "healthy"}}})

    assert got == {SERVICE: "unhealthy", "service (check)": "healthy"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.integers(100, 599), st.binary(max_size=60) | json_values.map(lambda v: {"status": v, "checks": v}))
def test_no_answer_whatever_it_holds_raises(code: int, body: bytes | dict[str, object]) -> None:
    answer = read_answer(code, body, "")

    assert answer.readings[0].check == SERVICE
    assert answer.readings[0].status in Status
    assert all(isinstance(reading.detail_text(), str) for reading in answer.readings)
