"""The dashboard's own routes and the middleware around everything, on a bare ASGI application."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from lib import http
from lib.settings import Settings
from lib.status import ImportStatus, TargetStatus, TaskStatus, WorkerStatus

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def status(*, beat_age_s: float = 1, up: bool = True) -> WorkerStatus:
    """A worker with one target and one loop whose heart beat `beat_age_s` ago."""
    target = TargetStatus(
        "app:3000", up=up, attempts=7, last_success=NOW - timedelta(seconds=4), error="" if up else "x"
    )
    task = TaskStatus("tail", 1.0, NOW - timedelta(seconds=beat_age_s), errors=2)
    return WorkerStatus(
        at=NOW,
        started_at=NOW - timedelta(hours=1),
        newest_log=NOW - timedelta(seconds=3),
        tail={"records": 10, "lost": 1, "lag_bytes": 512},
        scrapes=(target,),
        tasks=(task,),
        imports=ImportStatus(done=5, total=20),
    )


def client(answer: WorkerStatus, middleware: list[Middleware] | None = None) -> TestClient:
    app = Starlette(routes=http.routes(lambda: answer), middleware=middleware or [])
    return TestClient(app, base_url="http://localhost:8501")


def test_liveness_does_not_depend_on_the_collection() -> None:
    dead = client(status(beat_age_s=3600))

    assert dead.get("/livez").status_code == 200


def test_readiness_fails_while_a_loop_is_stuck_and_names_it() -> None:
    answer = client(status(beat_age_s=3600)).get("/readyz")

    assert (answer.status_code, answer.text) == (503, "stuck: tail")
    assert client(status()).get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("answer", "code", "verdict"),
    [(status(), 200, "ok"), (status(up=False), 200, "degraded"), (status(beat_age_s=3600), 503, "failed")],
)
def test_api_health_gives_a_verdict_and_every_figure(answer: WorkerStatus, code: int, verdict: str) -> None:
    got = client(answer).get("/api/health")

    assert (got.status_code, got.json()["status"]) == (code, verdict)
    assert got.json()["log_age_s"] == 3.0
    assert got.json()["scrapes"][0]["instance"] == "app:3000"
    assert got.headers["cache-control"] == "no-store"


def test_unknown_api_paths_are_a_json_404_not_the_page() -> None:
    got = client(status()).get("/api/nope")

    assert (got.status_code, got.json()) == (404, {"error": "there is no /api/nope"})


def test_own_metrics_parse_and_carry_the_counters() -> None:
    text = client(status()).get("/metrics").text

    samples = {s.name: s for family in text_string_to_metric_families(text) for s in family.samples if s.labels}
    plain = {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}
    assert samples["halo_ops_task_errors_total"].value == 2
    assert samples["halo_ops_scrape_up"].labels == {"instance": "app:3000"}
    assert plain["halo_ops_log_age_seconds"] == 3
    assert plain["halo_ops_tail_lag_bytes"] == 512
    assert "process_resident_memory_bytes" in plain


def test_plotly_is_served_packed_and_cached_for_a_year_under_its_version() -> None:
    got = client(status()).get(http.PLOTLY_URL, headers={"accept-encoding": "gzip"})

    assert got.status_code == 200
    assert got.headers["content-encoding"] == "gzip"
    assert int(got.headers["content-length"]) < 2_000_000
    assert "immutable" in got.headers["cache-control"]
    assert "Plotly" in got.text
    assert client(status()).get("/assets/plotly.min.js").headers["cache-control"] == "no-cache"


def test_plotly_is_served_plain_to_a_client_without_gzip() -> None:
    got = client(status()).get(http.PLOTLY_URL, headers={"accept-encoding": "identity"})

    assert "content-encoding" not in got.headers
    assert len(got.content) > 4_000_000


def test_every_answer_has_the_security_headers_even_a_refusal() -> None:
    guarded = client(status(), http.middleware(Settings()))

    for got in (guarded.get("/livez"), guarded.get("/livez", headers={"host": "evil.example"}), guarded.get("/no")):
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in got.headers["content-security-policy"]


def test_the_policy_allows_streamlits_inline_script_by_hash_and_no_other() -> None:
    policy = dict(part.strip().split(" ", 1) for part in http.content_security_policy().split(";"))

    assert "'sha256-" in policy["script-src"]
    assert "unsafe" not in policy["script-src"]
    assert policy["object-src"] == "'none'"


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost:8501", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:8501", 200),
        ("[::1]:8501", 200),
        ("evil.example", 400),  # DNS rebinding: a foreign name that resolves to loopback
        ("evil.example:8501", 400),
        ("localhost.evil.example", 400),
        ("127.0.0.1:8501@evil.example", 400),
        ("", 400),
    ],
)
def test_only_our_own_host_names_are_served(host: str, code: int) -> None:
    guarded = client(status(), http.middleware(Settings()))

    assert guarded.get("/livez", headers={"host": host}).status_code == code


def test_a_websocket_under_a_foreign_host_is_refused_before_it_is_accepted() -> None:
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    app = Starlette(routes=[WebSocketRoute("/s", echo)], middleware=http.middleware(Settings()))
    guarded = TestClient(app, base_url="http://localhost")

    with guarded.websocket_connect("/s", headers={"host": "localhost:8501"}) as socket:
        assert socket.receive_text() == "hello"
    with pytest.raises(WebSocketDisconnect), guarded.websocket_connect("/s", headers={"host": "evil.example"}):
        pass


def test_long_answers_are_compressed() -> None:
    page = Route("/page", lambda _: PlainTextResponse("x" * 5000))
    app = Starlette(routes=[page], middleware=http.middleware(Settings()))

    with TestClient(app, base_url="http://localhost").stream("GET", "/page") as got:
        assert gzip.decompress(b"".join(got.iter_raw())) == b"x" * 5000
