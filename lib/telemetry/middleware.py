"""Request telemetry for any ASGI application: records, request ids and metrics of each HTTP request."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from lib.telemetry.events import BusinessEvents
from lib.telemetry.logger import Logger
from lib.telemetry.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_LIMIT = 16_384
"""Bytes of a JSON body that a record shows; of a longer one it tells the size only."""
PROBES = frozenset({"/livez", "/readyz", "/health", "/metrics"})
UNMATCHED = "unmatched"
CLIENT_CLOSED = 499
"""The status of a request that the client gave up before it was answered (nginx's number)."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class RequestTelemetry:
    """Pure ASGI middleware. Writes `API Request Started`, `API Request Completed` and `HTTP Request` and counts.

    The request id is the caller's `x-request-id` where that is plain (≤ 128 of A-Z a-z 0-9 . _ : -), else a new one; it
    is in the answer's header and, as `requestId`, in every record written while the request is handled. The label
    `route` is the template of Starlette's matched route ("/leads/{id}"), "unmatched" where none matched.
    An exception of the application counts as 500, is logged as `Operation Failed` and raised again. `active_connections`
    counts requests in progress: ASGI does not show idle connections. Paths in `skip` (probes and scrapes, which
    are no work of the service and would drown it) are passed through untold.
    """

    def __init__(self, app: App, *, logger: Logger, metrics: Metrics, skip: Collection[str] = PROBES) -> None:
        self._app = app
        self._logger = logger
        self._metrics = metrics
        self._events = BusinessEvents(logger, metrics)
        self._skip = frozenset(skip)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http" or scope["path"] in self._skip:
            await self._app(scope, receive, send)
            return
        request = _Request.read(scope)
        with (
            structlog.contextvars.bound_contextvars(requestId=request.id),
            self._metrics.active_connections.track_inprogress(),
        ):
            await self._observe(request, receive, send)

    async def _observe(self, request: _Request, receive: Receive, send: Send) -> None:
        body, receive = await _peek(request, receive)
        self._logger.info(
            "API Request Started", requestId=request.id, method=request.method, url=request.url,
            headers=request.headers, body=body, ip=request.ip,
        )  # fmt: skip
        try:
            await self._app(request.scope, receive, request.watching(send))
        except asyncio.CancelledError:
            request.status = request.status or CLIENT_CLOSED
            raise
        except Exception as error:
            request.status = 500
            self._events.error_occurred(f"{request.method} {request.route}", error, requestId=request.id)
            raise
        finally:
            self._finish(request)

    def _finish(self, request: _Request) -> None:
        duration_s = time.perf_counter() - request.started
        duration_ms, status, route = round(duration_s * 1000, 1), request.status or 500, request.route
        method = request.method if request.method in _METHODS else "OTHER"
        self._metrics.http_requests_total.labels(method, route, str(status)).inc()
        self._metrics.http_request_duration_seconds.labels(method, route).observe(duration_s)
        self._logger.info(
            "API Request Completed", requestId=request.id, statusCode=status, duration=duration_ms,
            responseSize=request.response_bytes,
        )  # fmt: skip
        self._logger.info(
            "HTTP Request", method=request.method, url=request.url, status=status, duration=duration_ms,
            ip=request.ip, userAgent=request.headers.get("user-agent", ""),
        )  # fmt: skip


@dataclass
class _Request:
    """What is known of one request. `status` is 0 until the answer's head was sent."""

    scope: Scope
    id: str
    headers: dict[str, str]
    started: float
    base: str
    status: int = 0
    response_bytes: int = 0

    @classmethod
    def read(cls, scope: Scope) -> _Request:
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        given = headers.get("x-request-id", "")
        identity = given if _SAFE_ID.fullmatch(given) else str(uuid.uuid4())
        return cls(scope, identity, headers, time.perf_counter(), scope.get("root_path", ""))

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def url(self) -> str:
        query = self.scope.get("query_string", b"").decode("latin-1")
        path = (self.scope.get("raw_path") or self.scope["path"].encode()).decode("latin-1")
        return f"{path}?{query}" if query else path

    @property
    def ip(self) -> str | None:
        client = self.scope.get("client")
        return client[0] if client else None

    @property
    def route(self) -> str:
        """The matched template with the mounts above it; routing leaves it in the scope while it goes."""
        route = self.scope.get("route")
        if route is None or (hasattr(route, "routes") and self.status == 404):
            return UNMATCHED
        mounts = str(self.scope.get("root_path", ""))[len(self.base) :]
        named = {str(value): "{" + name + "}" for name, value in self.scope.get("path_params", {}).items()}
        prefix = "/".join(named.get(part, part) for part in mounts.split("/"))
        return prefix if hasattr(route, "routes") else prefix + str(route.path)

    def watching(self, send: Send) -> Send:
        """The same `send`, that sets the id's header and keeps the answer's status and size."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                kept = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"x-request-id"]
                message = {**message, "headers": [*kept, (b"x-request-id", self.id.encode())]}
            elif message["type"] == "http.response.body":
                self.response_bytes += len(message.get("body", b""))
            await send(message)

        return watched


async def _peek(request: _Request, receive: Receive) -> tuple[Any, Receive]:
    """The JSON body as a value to log (None where there is none), and a `receive` that gives all of it again."""
    if "json" not in request.headers.get("content-type", "").lower():
        return None, receive
    seen: list[Message] = []
    size, more = 0, True
    while more and size <= BODY_LIMIT:
        message = await receive()
        seen.append(message)
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    replay = iter(seen)

    async def again() -> Message:
        message = next(replay, None)
        return await receive() if message is None else message

    return _parsed(b"".join(message.get("body", b"") for message in seen), request), again


def _parsed(body: bytes, request: _Request) -> Any:
    if len(body) > BODY_LIMIT:
        return f"[more than {BODY_LIMIT} bytes; content-length {request.headers.get('content-length', 'unknown')}]"
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return f"[{len(body)} bytes that are not JSON]"
