"""POST /api/heartbeat/NAME: what is taken, and every way to be refused (A9; ASVS 5.0 4.1.3, 4.3.1)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lib import http
from lib.doorkeeper import Pace
from lib.errors import SourceUnavailable
from lib.heartbeats import api
from lib.heartbeats.expected import Standing
from lib.heartbeats.log import HeartbeatLog
from lib.settings import Settings
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from lib.status import WatchStatus, WorkerStatus

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TOKEN = "heartbeat-token-for-tests-0001"
GOOD = {"authorization": f"Bearer {TOKEN}"}
JSON = {"content-type": "application/json"}
SETTINGS = Settings(heartbeat_token=TOKEN, heartbeats=("backup=24h/2h",), sign_in="proxy", proxy_secret="s" * 24)  # type: ignore[arg-type]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(sqlite_url(tmp_path / "state.sqlite"))
    yield opened
    opened.close()


def client(log: Callable[[], HeartbeatLog], settings: Settings = SETTINGS, pace: Pace | None = None) -> TestClient:
    """The routes behind the whole middleware, where people have to sign in."""
    more = api.routes(settings, log, clock=lambda: NOW, pace=pace)
    routes = http.routes(lambda: WorkerStatus(NOW, NOW), api=more)
    app = Starlette(routes=routes, middleware=http.middleware(settings))
    return TestClient(app, base_url="http://localhost:8501")


@pytest.fixture
def asked(state: State) -> TestClient:
    return client(lambda: HeartbeatLog(state))


def kept(state: State) -> Any:
    return HeartbeatLog(state).standing(SETTINGS.expected_heartbeats, NOW)[0]


def test_a_heartbeat_without_a_body_is_kept_though_its_sender_cannot_sign_in(asked: TestClient, state: State) -> None:
    got = asked.post("/api/heartbeat/backup", headers=GOOD)

    assert (got.status_code, got.json()) == (
        200, {"name": "backup", "at": "2026-03-02T12:00:00Z", "next_before": "2026-03-03T14:00:00Z"},
    )  # fmt: skip
    assert got.headers["cache-control"] == "no-store"
    assert (kept(state).standing, kept(state).last_at) == (Standing.ON_TIME, NOW)


def test_it_may_say_how_large_and_how_long(asked: TestClient, state: State) -> None:
    body = {"size_bytes": 5_000_000_000, "duration_s": 61.5, "message": "crm.dump"}

    got = asked.post("/api/heartbeat/backup", headers=GOOD, json=body)

    assert got.status_code == 200
    assert (kept(state).size_bytes, kept(state).duration_s, kept(state).message) == (5e9, 61.5, "crm.dump")


@pytest.mark.parametrize(
    ("method", "name", "headers", "content", "code"),
    [
        ("POST", "backup", {}, b"", 401),
        ("POST", "backup", {"authorization": f"Bearer {TOKEN}x"}, b"", 401),
        ("POST", "backup", {"authorization": f"Basic {TOKEN}"}, b"", 401),
        ("POST", "backup", {"authorization": TOKEN}, b"", 401),
        ("POST", "backup", {"authorization": "Bearer "}, b"", 401),
        ("POST", "backup", {"authorization": "Bearer \u00e4".encode("latin-1")}, b"", 401),
        ("GET", "backup", GOOD, b"", 405),
        ("PUT", "backup", GOOD, b"", 405),
        ("DELETE", "backup", GOOD, b"", 405),
        ("POST", "other", GOOD, b"", 404),  # a name that nobody expects
        ("POST", "backup", GOOD, b"{}", 415),
        ("POST", "backup", GOOD | {"content-type": "text/plain"}, b"{}", 415),
        ("POST", "backup", GOOD | JSON, b"x" * 4097, 413),
        ("POST", "backup", GOOD | JSON, b"{", 400),
        ("POST", "backup", GOOD | JSON, b"[1]", 400),
        ("POST", "backup", GOOD | JSON, b'{"size": 1}', 400),
        ("POST", "backup", GOOD | JSON, b'{"size_bytes": "1"}', 400),
        ("POST", "backup", GOOD | JSON, b'{"size_bytes": -1}', 400),
        ("POST", "backup", GOOD | JSON, b'{"size_bytes": true}', 400),
        ("POST", "backup", GOOD | JSON, b'{"duration_s": 1e999}', 400),
        ("POST", "backup", GOOD | JSON, b'{"message": 5}', 400),
        ("POST", "backup", GOOD | JSON, b'{"message": "' + b"y" * 600 + b'"}', 400),
        ("POST", "backup", GOOD | JSON, b"\xff\xfe{}", 400),
        ("POST", "backup", GOOD | {"content-type": "application/json; charset=utf-8"}, b'{"size_bytes": 0}', 200),
    ],
)  # fmt: skip
def test_each_wrong_request_has_its_code_and_keeps_nothing(
    asked: TestClient, state: State, *, method: str, name: str, headers: dict[str, Any], content: bytes, code: int
) -> None:
    got = asked.request(method, f"/api/heartbeat/{name}", headers=headers, content=content)

    assert got.status_code == code
    assert "error" in got.json() or code == 200
    assert TOKEN not in got.text
    assert (kept(state).standing is Standing.NEVER) is (code != 200)


def test_two_authorization_headers_are_one_too_many(asked: TestClient) -> None:
    got = asked.post("/api/heartbeat/backup", headers=[("authorization", f"Bearer {TOKEN}"), ("authorization", "x")])

    assert got.status_code == 401


TOLD = st.dictionaries(
    st.sampled_from(["size_bytes", "duration_s", "message", "odd"]), st.none() | st.booleans() | st.integers() | st.floats() | st.text()
)  # fmt: skip
BODIES = st.binary(max_size=5000) | TOLD.map(lambda told: json.dumps(told).encode())


@given(
    body=BODIES,
    name=st.sampled_from(["backup", "other", "%00", "..%2f", "b\u00e4ckup"]),
    kind=st.sampled_from(["application/json", "text/plain", ""]),
)
@hypothesis.settings(
    max_examples=200, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
def test_nothing_that_is_sent_is_answered_500_a9(state: State, body: bytes, name: str, kind: str) -> None:
    asked = client(lambda: HeartbeatLog(state), pace=Pace(10**6))

    got = asked.post(f"/api/heartbeat/{name}", content=body, headers=GOOD | {"content-type": kind})

    assert got.status_code in (200, 400, 401, 404, 413, 415), got.text


def test_while_the_state_database_is_away_the_sender_is_told_to_come_again() -> None:
    def away() -> HeartbeatLog:
        raise SourceUnavailable("the state database does not answer: disk full", "heartbeats")

    got = client(away).post("/api/heartbeat/backup", headers=GOOD)

    assert (got.status_code, got.headers["retry-after"]) == (503, "30")


def test_without_a_token_the_address_is_not_there(state: State) -> None:
    off = Settings(sign_in="proxy", proxy_secret="s" * 24)  # type: ignore[arg-type]

    got = client(lambda: HeartbeatLog(state), off).post("/api/heartbeat/backup", headers=GOOD)

    assert got.status_code == 404


@pytest.mark.parametrize(
    "path", ["/api/heartbeat/", "/api/heartbeat/backup/x", "/api/heartbeatx/backup", "/api/heartbeat/..%2f"]
)
def test_no_other_path_is_open_to_who_did_not_sign_in(asked: TestClient, path: str) -> None:
    assert asked.post(path, headers=GOOD).status_code == 401


def test_late_is_told_as_a_gauge(state: State) -> None:
    watch = WatchStatus(backups={"backup": NOW - timedelta(hours=27), "files": None}, late={"backup": True})
    app = Starlette(routes=http.routes(lambda: WorkerStatus(NOW, NOW, watch=watch)))

    text = TestClient(app).get("/metrics").text

    assert 'halo_ops_heartbeat_late{name="backup"} 1.0' in text
    assert 'halo_ops_backup_age_seconds{name="backup"} 97200.0' in text
    assert 'name="files"' not in text
