"""POST /api/heartbeat/NAME: where other programs say that they did their work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lib.collect.cadence import Clock, utc_now
from lib.doorkeeper import METHODS, Doorkeeper, Pace, Refusal, answer
from lib.errors import SourceError
from lib.heartbeats.log import LONGEST_MESSAGE, Beat, HeartbeatLog
from lib.settings import Settings

MOST_BYTES = 4096
AGAIN_S = 30
OFF = "heartbeats are off: set HALO_OPS_HEARTBEAT_TOKEN"
_KNOWN = ("size_bytes", "duration_s", "message")
_LARGEST = 1e18


def routes(
    settings: Settings, log: Callable[[], HeartbeatLog], *, clock: Clock = utc_now, pace: Pace | None = None
) -> list[BaseRoute]:
    """`/heartbeat/NAME`, to be mounted under /api. `log` is asked for at each request.

    200 kept, 400 a wrong body, 401 a wrong token, 404 a name that nobody expects or no token set, 405, 413, 415, 429,
    503 not kept.
    """
    receiver = _Receiver(settings, log, clock, pace)
    return [Route("/heartbeat/{name}", receiver.answered, methods=METHODS)]


class _Receiver:
    def __init__(self, settings: Settings, log: Callable[[], HeartbeatLog], clock: Clock, pace: Pace | None) -> None:
        self._door = Doorkeeper(settings.heartbeat_token, OFF, most_bytes=MOST_BYTES, pace=pace)
        self._expected = {one.name: one for one in settings.expected_heartbeats}
        self._log, self._clock = log, clock

    async def answered(self, request: Request) -> Response:
        try:
            return await self._taken(request)
        except Refusal as refusal:
            return refusal.answer()

    async def _taken(self, request: Request) -> Response:
        self._door.admit(request)
        one = self._expected.get(request.path_params["name"])
        if one is None:
            raise Refusal(404, "no heartbeat of this name is expected: see HALO_OPS_HEARTBEATS")
        beat = _beat(await self._door.body(request, may_be_empty=True))
        now = self._clock()
        try:
            await asyncio.to_thread(lambda: self._log().add(one.name, now, beat))
        except SourceError as error:
            raise Refusal(503, f"not kept: {error}", AGAIN_S) from error
        return answer(200, {"name": one.name, "at": now, "next_before": now + one.period + one.grace})


def _beat(body: bytes) -> Beat:
    if not body:
        return Beat()
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refusal(400, "the body is not JSON") from None
    if not isinstance(told, dict) or set(told) - set(_KNOWN):
        raise Refusal(400, f"the body must be an object of {', '.join(_KNOWN)}, all of them optional")
    message = told.get("message") or ""
    if not isinstance(message, str) or len(message) > LONGEST_MESSAGE:
        raise Refusal(400, f"message must be a text of at most {LONGEST_MESSAGE} characters")
    return Beat(_number(told, "size_bytes"), _number(told, "duration_s"), message.replace("\x00", "␀"))


def _number(told: Mapping[str, Any], name: str) -> float | None:
    value = told.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        raise Refusal(400, f"{name} must be a number, 0 or more")
    return float(value)
