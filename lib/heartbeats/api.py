"""POST /api/heartbeat/NAME: where other programs say that they did their work."""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lib.collect.cadence import Clock, utc_now
from lib.errors import SourceError
from lib.heartbeats.expected import Expected
from lib.heartbeats.log import LONGEST_MESSAGE, Beat, HeartbeatLog
from lib.settings import Settings

MOST_BYTES = 4096
PER_MINUTE = 60
"""Requests of one address within a minute, right or wrong."""

MOST_ADDRESSES = 1000
BODY_WITHIN_S = 10.0
_KNOWN = ("size_bytes", "duration_s", "message")
_LARGEST = 1e18


class Wrong(Exception):  # noqa: N818 - what the request is
    """The request cannot be taken: `status`, and why in words for who wrote the script."""

    def __init__(self, status: int, words: str, **headers: str) -> None:
        super().__init__(words)
        self.status, self.headers = status, headers


class Pace:
    """How many requests an address may still make in its minute. For one thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._begun: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, address: str) -> float:
        """0 where one more may be made, else the seconds to wait."""
        now = self._monotonic()
        began, count = self._begun.pop(address, (now, 0))
        if now - began >= 60:
            began, count = now, 0
        self._begun[address] = (began, count + 1)
        while len(self._begun) > MOST_ADDRESSES:
            self._begun.popitem(last=False)
        return 0.0 if count < PER_MINUTE else 60 - (now - began)


def routes(
    settings: Settings, log: Callable[[], HeartbeatLog], *, clock: Clock = utc_now, pace: Pace | None = None
) -> list[BaseRoute]:
    """`/heartbeat/NAME`, to be mounted under /api. `log` is asked for at each request.

    200 kept, 400 a wrong body, 401 a wrong token, 404 a name that nobody expects or no token set, 405, 413, 415, 429,
    503 not kept.
    """
    return [Route("/heartbeat/{name}", _Receiver(settings, log, clock, pace or Pace()))]


class _Receiver:
    def __init__(self, settings: Settings, log: Callable[[], HeartbeatLog], clock: Clock, pace: Pace) -> None:
        self._token = settings.heartbeat_token.get_secret_value().encode()
        self._expected = {one.name: one for one in settings.expected_heartbeats}
        self._log, self._clock, self._pace = log, clock, pace

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._taken(request)
        except Wrong as wrong:
            answer = _json({"error": str(wrong)}, wrong.status, wrong.headers)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _taken(self, request: Request) -> Response:
        if request.method != "POST":
            raise Wrong(405, "send it by POST", allow="POST")
        if not self._token:
            raise Wrong(404, "heartbeats are not set up here")
        self._admit(request)
        one = self._expected.get(request.path_params["name"])
        if one is None:
            raise Wrong(404, "no heartbeat of this name is expected: see HALO_OPS_HEARTBEATS")
        beat, now = await _beat(request), self._clock()
        try:
            await asyncio.to_thread(lambda: self._log().add(one.name, now, beat))
        except SourceError as error:
            raise Wrong(503, f"not kept: {error}", **{"retry-after": "30"}) from error
        return _json({"name": one.name, "at": now, "next_before": now + _allowed(one)}, 200)

    def _admit(self, request: Request) -> None:
        wait_s = self._pace.take(request.client.host if request.client else "")
        if wait_s:
            raise Wrong(429, f"at most {PER_MINUTE} a minute", **{"retry-after": str(math.ceil(wait_s))})
        given = request.headers.getlist("authorization")
        kind, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        right = hmac.compare_digest(token.strip().encode("utf-8", "replace"), self._token)
        if kind.lower() != "bearer" or not right:
            raise Wrong(401, "the bearer token is missing or wrong", **{"www-authenticate": "Bearer"})


async def _beat(request: Request) -> Beat:
    try:
        body = await asyncio.wait_for(_body(request), BODY_WITHIN_S)
    except TimeoutError:
        raise Wrong(408, "the body did not come in time") from None
    if not body:
        return Beat()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Wrong(415, "a body must be application/json")
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Wrong(400, "the body is not JSON") from None
    if not isinstance(told, dict) or set(told) - set(_KNOWN):
        raise Wrong(400, f"the body must be an object of {', '.join(_KNOWN)}, all of them optional")
    message = told.get("message") or ""
    if not isinstance(message, str) or len(message) > LONGEST_MESSAGE:
        raise Wrong(400, f"message must be a text of at most {LONGEST_MESSAGE} characters")
    return Beat(_number(told, "size_bytes"), _number(told, "duration_s"), message.replace("\x00", "␀"))


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise Wrong(413, f"the body is over {MOST_BYTES} bytes")
    return body


def _number(told: Mapping[str, Any], name: str) -> float | None:
    value = told.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        raise Wrong(400, f"{name} must be a number, 0 or more")
    return float(value)


def _allowed(one: Expected) -> timedelta:
    return one.period + one.grace


def _json(content: Any, status: int, headers: Mapping[str, str] | None = None) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    return Response(body, status, {"cache-control": "no-store", **(headers or {})}, media_type="application/json")
