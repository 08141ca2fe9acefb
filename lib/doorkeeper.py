"""Which programs may push something in, and how much: one order of questions and one wording for every such address."""

from __future__ import annotations

import asyncio
import hmac
import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from time import monotonic
from typing import Any

import orjson
from pydantic import SecretStr
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

MAX_BYTES = 1_048_576
PER_MINUTE = 60
READ_WITHIN_S = 10.0
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""A route takes them all, so that a wrong one is answered here and is not another route's 404."""

MOST_SOURCES = 1000
_MINUTE_S = 60.0


class Refusal(Exception):  # noqa: N818 - the answer that it becomes
    """What is answered instead: `code`, the reason, and when to come again (0: no use)."""

    def __init__(self, code: int, reason: str, retry_after_s: float = 0) -> None:
        super().__init__(reason)
        self.code, self.reason, self.retry_after_s = code, reason, retry_after_s

    def answer(self) -> Response:
        """The refusal as it is sent: nothing of the request is in it."""
        headers = {"retry-after": str(math.ceil(self.retry_after_s))} if self.retry_after_s else {}
        headers |= {405: {"allow": "POST"}, 401: {"www-authenticate": "Bearer"}}.get(self.code, {})
        return answer(self.code, {"error": self.reason}, headers)


def answer(code: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    """An answer in JSON that nobody may store; times as RFC 3339 in UTC."""
    body = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    return Response(body, code, {"cache-control": "no-store", **(headers or {})}, "application/json")


class Pace:
    """At most `per_minute` requests of a source within any minute; the last thousand sources are remembered."""

    def __init__(self, per_minute: int = PER_MINUTE, clock: Callable[[], float] = monotonic) -> None:
        self.per_minute, self._clock = per_minute, clock
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def sources(self) -> int:
        """How many are remembered."""
        return len(self._seen)

    def wait_s(self, source: str) -> float:
        """0 where the source may ask now (which counts it), else the seconds until it may."""
        now = self._clock()
        with self._lock:
            times = self._seen.setdefault(source, deque())
            self._seen.move_to_end(source)
            if len(self._seen) > MOST_SOURCES:
                self._seen.popitem(last=False)
            while times and now - times[0] >= _MINUTE_S:
                times.popleft()
            if len(times) >= self.per_minute:
                return _MINUTE_S - (now - times[0])
            times.append(now)
            return 0.0


class Doorkeeper:
    """Looks at a request before a word of it is read. `off` is answered while no token is set."""

    def __init__(self, token: SecretStr, off: str, *, most_bytes: int = MAX_BYTES, pace: Pace | None = None) -> None:
        self._token, self._off, self._most_bytes = token.get_secret_value().encode(), off, most_bytes
        self._pace = pace or Pace()

    def admit(self, request: Request) -> None:
        """Raises Refusal, in this order: 404 off, 405, 429, 401.

        A request counts against its source whether its token was right or wrong: a guesser gets no more tries than a
        sender, and learns nothing from the last of them.
        """
        if not self._token:
            raise Refusal(404, self._off)
        if request.method != "POST":
            raise Refusal(405, "send it by POST")
        wait_s = self._pace.wait_s(request.client.host if request.client else "")
        if wait_s > 0:
            raise Refusal(429, f"more than {self._pace.per_minute} requests a minute", wait_s)
        if not self._knows(request.headers.getlist("authorization")):
            raise Refusal(401, "the token is missing or wrong: Authorization: Bearer …")

    def _knows(self, given: list[str]) -> bool:
        kind, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        right = hmac.compare_digest(token.strip().encode("latin-1", "replace"), self._token)
        return right and kind.lower() == "bearer"

    async def body(self, request: Request, *, may_be_empty: bool = False) -> bytes:
        """The JSON text of an admitted request, not parsed. Raises Refusal: 415, 413, 408, 400."""
        if not may_be_empty:
            _json_only(request)
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length[:12]) > self._most_bytes:
            raise self._too_long()
        body = await self._read(request)
        if body and may_be_empty:
            _json_only(request)
        return body

    async def _read(self, request: Request) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                async for part in request.stream():
                    body += part
                    if len(body) > self._most_bytes:
                        raise self._too_long()
        except TimeoutError:
            raise Refusal(408, f"the body did not come within {READ_WITHIN_S:g} s") from None
        except ClientDisconnect:
            raise Refusal(400, "the body broke off") from None
        return bytes(body)

    def _too_long(self) -> Refusal:
        return Refusal(413, f"the body is over {self._most_bytes} bytes")


def _json_only(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, "send JSON: Content-Type: application/json")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "send it uncompressed")
