"""Who may push alerts, and how much: token, method, form, size and pace are looked at before a word of it is read."""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from time import monotonic

from pydantic import SecretStr
from starlette.requests import ClientDisconnect, Request

MAX_BYTES = 1_048_576
PER_MINUTE = 60
READ_WITHIN_S = 10.0
_SOURCES = 1000
_MINUTE_S = 60.0

OFF = "the alert API is off: set HALO_OPS_API_TOKEN"


class Refusal(Exception):  # noqa: N818 - the answer that it becomes
    """What is answered instead: `code`, the reason, and when to come again (0: no use)."""

    def __init__(self, code: int, reason: str, retry_after_s: int = 0) -> None:
        super().__init__(reason)
        self.code, self.reason, self.retry_after_s = code, reason, retry_after_s


class Pace:
    """At most `per_minute` deliveries of a source within any minute; the last thousand sources are remembered."""

    def __init__(self, per_minute: int = PER_MINUTE, clock: Callable[[], float] = monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, source: str) -> float:
        """0 where the source may deliver now (which counts it), else the seconds until it may."""
        now = self._clock()
        with self._lock:
            times = self._seen.setdefault(source, deque())
            self._seen.move_to_end(source)
            if len(self._seen) > _SOURCES:
                self._seen.popitem(last=False)
            while times and now - times[0] >= _MINUTE_S:
                times.popleft()
            if len(times) >= self._per_minute:
                return _MINUTE_S - (now - times[0])
            times.append(now)
            return 0.0


class Doorkeeper:
    """Gives the body of a request that may come in; raises Refusal otherwise."""

    def __init__(self, token: SecretStr, pace: Pace | None = None) -> None:
        self._token = token.get_secret_value().encode()
        self._pace = pace or Pace()

    async def body(self, request: Request) -> bytes:
        """At most MAX_BYTES. Cheap looks first, and nothing is counted against a source before its token was right."""
        if not self._token:
            raise Refusal(403, OFF)
        if request.method != "POST":
            raise Refusal(405, "only POST")
        given = request.headers.getlist("authorization")
        if len(given) != 1 or not hmac.compare_digest(given[0].encode("latin-1"), b"Bearer " + self._token):
            raise Refusal(401, "send the token: Authorization: Bearer …")
        wait = self._pace.wait_s(request.client.host if request.client else "")
        if wait > 0:
            raise Refusal(429, f"more than {PER_MINUTE} deliveries a minute", int(wait) + 1)
        self._json_only(request)
        return await _read(request)

    def _json_only(self, request: Request) -> None:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(415, "send JSON: Content-Type: application/json")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refusal(415, "send it uncompressed")
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length[:12]) > MAX_BYTES:
            raise Refusal(413, f"more than {MAX_BYTES} bytes")


async def _read(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BYTES:
                    raise Refusal(413, f"more than {MAX_BYTES} bytes")
    except TimeoutError:
        raise Refusal(408, f"the body did not come within {READ_WITHIN_S:g} s") from None
    except ClientDisconnect:
        raise Refusal(400, "the body broke off") from None
    return bytes(body)
