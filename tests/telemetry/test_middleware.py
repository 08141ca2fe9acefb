"""The middleware tells of each request once, by template, with an id, and without credentials."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from lib.telemetry.health import HealthChecks, routes
from lib.telemetry.logger import Logger
from lib.telemetry.metrics import Metrics
from lib.telemetry.middleware import BODY_LIMIT, RequestTelemetry

from .conftest import Records

Ask = Callable[..., httpx.Response]


async def show(request: Request) -> Response:
    return JSONResponse({"id": request.path_params["id"]}, status_code=201)


async def echo(request: Request) -> Response:
    return Response(await request.body())


async def fail(_request: Request) -> Response:
    raise RuntimeError("database gone: postgres://halo:hunter2@db")


async def stream(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"12345"
        yield b"678"

    return StreamingResponse(parts())


async def stream_and_fail(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"12345"
        raise RuntimeError("half way")

    return StreamingResponse(parts())


@pytest.fixture
def app(logger: Logger, metrics: Metrics) -> Starlette:
    async def inside(_request: Request) -> Response:
        logger.warn("inside")
        return PlainTextResponse(str(metrics.registry.get_sample_value("active_connections")))

    return Starlette(
        routes=[
            Route("/leads/{id:int}", show, methods=["GET", "POST"]),
            Route("/echo", echo, methods=["POST"]),
            Route("/fail", fail),
            Route("/stream", stream),
            Route("/half", stream_and_fail),
            Route("/inside", inside),
            Mount("/tenants/{tenant}", routes=[Route("/leads/{id:int}", show)]),
            *routes(HealthChecks("1"), metrics),
        ],
        middleware=[Middleware(RequestTelemetry, logger=logger, metrics=metrics)],
    )


@pytest.fixture
def ask(app: Starlette) -> Ask:
    def ask(method: str, url: str, **more: Any) -> httpx.Response:
        return asyncio.run(_ask(app, method, url, **more))

    return ask


async def _ask(app: Starlette, method: str, url: str, **more: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("10.1.2.3", 999))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.request(method, url, **more)


def counted(metrics: Metrics, method: str, route: str, status: int) -> float | None:
    labels = {"method": method, "route": route, "status_code": str(status)}
    return metrics.registry.get_sample_value("http_requests_total", labels)


def told(records: Records, message: str) -> dict[str, Any]:
    [record] = [record for record in records() if record["message"] == message]
    return {n: v for n, v in record.items() if n not in {"timestamp", "level", "message", "service", "version"}}


def test_a_request_is_told_in_three_records_with_the_guides_fields(ask: Ask, records: Records) -> None:
    ask("POST", "/leads/5?page=2", json={"a": 1}, headers={"x-request-id": "r-1", "user-agent": "curl/8"})

    assert [record["message"] for record in records()] == [
        "API Request Started", "API Request Completed", "HTTP Request",
    ]  # fmt: skip
    started = told(records, "API Request Started")
    assert list(started) == ["requestId", "method", "url", "headers", "body", "ip"]
    assert (started["method"], started["url"], started["ip"]) == ("POST", "/leads/5?page=2", "10.1.2.3")
    assert started["body"] == {"a": 1}
    completed = told(records, "API Request Completed")
    assert list(completed) == ["requestId", "statusCode", "duration", "responseSize"]
    assert (completed["requestId"], completed["statusCode"], completed["responseSize"]) == ("r-1", 201, len('{"id":5}'))
    request = told(records, "HTTP Request")
    assert set(request) == {"method", "url", "status", "duration", "ip", "userAgent", "requestId"}
    assert (request["status"], request["userAgent"], request["requestId"]) == (201, "curl/8", "r-1")


def test_the_duration_is_in_milliseconds_in_logs_and_in_seconds_in_metrics(
    logger: Logger, metrics: Metrics, records: Records
) -> None:
    async def slow(_request: Request) -> Response:
        await asyncio.sleep(0.12)
        return PlainTextResponse("")

    app = Starlette(routes=[Route("/slow", slow)])
    app.add_middleware(RequestTelemetry, logger=logger, metrics=metrics)
    asyncio.run(_ask(app, "GET", "/slow"))

    total_s = metrics.registry.get_sample_value(
        "http_request_duration_seconds_sum", {"method": "GET", "route": "/slow"}
    )
    assert 120 <= told(records, "HTTP Request")["duration"] < 2_000
    assert total_s is not None
    assert 0.12 <= total_s < 2


def test_requests_are_counted_by_template_and_not_by_path(ask: Ask, metrics: Metrics) -> None:
    for number in range(3):
        ask("GET", f"/leads/{number}")

    assert counted(metrics, "GET", "/leads/{id:int}", 201) == 3


def test_a_mounted_route_has_the_mounts_template_before_its_own(ask: Ask, metrics: Metrics) -> None:
    ask("GET", "/tenants/acme/leads/4")

    assert counted(metrics, "GET", "/tenants/{tenant}/leads/{id:int}", 201) == 1


@pytest.mark.parametrize("path", ["/wp-login.php", "/tenants/acme/nothing", "/leads/abc"])
def test_paths_that_no_route_knows_share_one_label(ask: Ask, metrics: Metrics, path: str) -> None:
    ask("GET", path)

    assert counted(metrics, "GET", "unmatched", 404) == 1


def test_a_method_that_a_route_refuses_counts_for_the_route(ask: Ask, metrics: Metrics) -> None:
    ask("DELETE", "/leads/5")

    assert counted(metrics, "DELETE", "/leads/{id:int}", 405) == 1


def test_made_up_methods_make_no_series_of_their_own(ask: Ask, metrics: Metrics) -> None:
    ask("BREW", "/leads/5")
    ask("STIR", "/leads/5")

    assert counted(metrics, "OTHER", "/leads/{id:int}", 405) == 2


def test_a_callers_id_is_kept_and_given_back(ask: Ask, records: Records) -> None:
    answer = ask("GET", "/inside", headers={"x-request-id": "trace:1.a-b_c"})

    assert answer.headers["x-request-id"] == "trace:1.a-b_c"
    assert {record["requestId"] for record in records()} == {"trace:1.a-b_c"}
    assert [record["message"] for record in records()][1] == "inside"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'x"}{', "é".encode("latin-1").decode("latin-1")])
def test_an_id_that_is_not_plain_is_replaced(ask: Ask, records: Records, given: str) -> None:
    answer = ask("GET", "/inside", headers=[(b"x-request-id", given.encode("latin-1"))])

    made = answer.headers["x-request-id"]
    assert made != given
    assert len(made) == 36
    assert told(records, "inside")["requestId"] == made


def test_each_request_without_an_id_gets_one_of_its_own(ask: Ask) -> None:
    made = {ask("GET", "/inside").headers["x-request-id"] for _ in range(5)}

    assert len(made) == 5


def test_requests_at_the_same_time_keep_their_ids_apart(app: Starlette, records: Records) -> None:
    async def many() -> None:
        await asyncio.gather(*(_ask(app, "GET", "/inside", headers={"x-request-id": f"r-{n}"}) for n in range(20)))

    asyncio.run(many())

    inside = [record["requestId"] for record in records() if record["message"] == "inside"]
    assert sorted(inside) == sorted(f"r-{n}" for n in range(20))


def test_credentials_in_headers_body_and_url_are_not_written(ask: Ask, records: Records) -> None:
    ask(
        "POST",
        "/echo?token=hunter2",
        json={"deep": [{"er": {"password": "hunter2", "note": "bearer hunter2"}}], "name": "kept"},
        headers={"authorization": "Bearer hunter2", "cookie": "sid=hunter2", "x-api-key": "hunter2"},
    )

    assert "hunter2" not in str(records())
    assert told(records, "API Request Started")["body"]["name"] == "kept"


def test_the_application_still_reads_the_whole_body(ask: Ask) -> None:
    large = {"text": "x" * (5 * BODY_LIMIT)}

    answer = ask("POST", "/echo", json=large)

    assert answer.json() == large


def test_a_body_that_comes_in_parts_reaches_the_application_whole(ask: Ask, records: Records) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b'{"a"', b": [1,", b" 2]}"):
            yield part

    answer = ask("POST", "/echo", content=parts(), headers={"content-type": "application/json"})

    assert answer.json() == {"a": [1, 2]}
    assert told(records, "API Request Started")["body"] == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("content", "kind", "shown"),
    [
        (b"", "application/json", None),
        (b'{"a": ', "application/json; charset=utf-8", "[6 bytes that are not JSON]"),
        (b"password=hunter2", "application/x-www-form-urlencoded", None),
        (b'{"password": "' + b"x" * BODY_LIMIT + b'"}', "application/json", "[more than 16384 bytes; content-length 16400]"),
    ],
)  # fmt: skip
def test_a_body_is_shown_only_where_it_is_short_json(
    ask: Ask, records: Records, content: bytes, kind: str, shown: str | None
) -> None:
    ask("POST", "/echo", content=content, headers={"content-type": kind})

    assert told(records, "API Request Started")["body"] == shown


def test_an_exception_counts_as_500_is_told_and_goes_on(app: Starlette, records: Records, metrics: Metrics) -> None:
    async def raising() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            await client.get("/fail", headers={"x-request-id": "r-1"})

    with pytest.raises(RuntimeError, match="database gone"):
        asyncio.run(raising())

    failed = told(records, "Operation Failed")
    assert (failed["event"], failed["operation"], failed["requestId"]) == ("operation.error", "GET /fail", "r-1")
    assert failed["error"] == "database gone: postgres://[REDACTED]@db"
    assert "in fail" in failed["stack"]
    assert told(records, "HTTP Request")["status"] == 500
    assert counted(metrics, "GET", "/fail", 500) == 1


def test_an_answer_that_breaks_off_half_way_counts_as_500(ask: Ask, metrics: Metrics) -> None:
    ask("GET", "/half")

    assert counted(metrics, "GET", "/half", 500) == 1


def test_a_request_that_is_given_up_is_told_and_leaves_nothing_open(
    logger: Logger, metrics: Metrics, records: Records
) -> None:
    async def forever(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.Event().wait()

    asyncio.run(_cancelled(RequestTelemetry(forever, logger=logger, metrics=metrics)))

    assert told(records, "HTTP Request")["status"] == 499
    assert metrics.registry.get_sample_value("active_connections") == 0


def test_the_size_of_a_streamed_answer_is_all_of_its_parts(ask: Ask, records: Records) -> None:
    ask("GET", "/stream")

    assert told(records, "API Request Completed")["responseSize"] == 8


def test_a_request_in_progress_is_an_active_connection_and_no_longer_after(ask: Ask, metrics: Metrics) -> None:
    during = ask("GET", "/inside").text
    ask("GET", "/fail")

    assert during == "1.0"
    assert metrics.registry.get_sample_value("active_connections") == 0


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/metrics"])
def test_probes_and_scrapes_are_not_told_as_work(ask: Ask, metrics: Metrics, path: str) -> None:
    answer = ask("GET", path)

    assert answer.status_code == 200
    assert b'route="' not in metrics.exposition()[0]


async def _cancelled(app: Callable[..., Coroutine[Any, Any, None]]) -> None:
    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [], "query_string": b""}
    waiting = asyncio.ensure_future(app(scope, _nothing, _nothing))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait({waiting})


async def _nothing(*_message: Any) -> dict[str, Any]:
    return {"type": "http.disconnect"}
