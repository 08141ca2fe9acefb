"""Tells the dashboard's alert API of exceptions that nobody handled: once per kind and place, and never in the service's way."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from lib.telemetry.redact import redact_text

MOST_KINDS = 100
AGAIN_S, EXPIRES_S, TIMEOUT_S, FLUSH_S = 60.0, 900, 3.0, 2.0
LONGEST = 500
_ENDINGS = (KeyboardInterrupt, SystemExit, asyncio.CancelledError)
Post = Callable[[dict[str, Any]], bool]
"""Hands one body over; whether it was taken."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of exception at one place: `times` since it was last told, `next_at` when it may be told (monotonic)."""

    body: dict[str, Any] = field(default_factory=dict)
    times: int = 0
    next_at: float = 0.0


class ExceptionAlerts:
    """Collects in memory and sends from a thread of its own. Nothing here raises into the service or waits for the network.

    The same exception type from the same function is one alert; it is told at most every `AGAIN_S`, with how often it
    came, and the dashboard ends it `EXPIRES_S` after the last one. While the dashboard is away the newest are kept.
    """

    def __init__(self, url: str, token: str, *, service: str, post: Post | None = None) -> None:
        self._service = service
        self._post = post or _poster(url.rstrip("/") + "/api/alerts", token)
        self._kinds: OrderedDict[str, _Kind] = OrderedDict()
        self._lock, self._news, self._ended = threading.Lock(), threading.Event(), threading.Event()
        self._sending = threading.Lock()
        self._thread: threading.Thread | None = None

    def install(self) -> None:
        """From now on: exceptions that end the process or a thread. The hooks that were there still run."""
        before, before_thread = sys.excepthook, threading.excepthook

        def process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            self.report(error)
            before(kind, error, trace)

        def thread(given: threading.ExceptHookArgs) -> None:
            if given.exc_value is not None:
                self.report(given.exc_value, thread=given.thread.name if given.thread else "")
            before_thread(given)

        sys.excepthook, threading.excepthook = process, thread
        atexit.register(self.flush)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """And exceptions of tasks of this event loop that nobody awaited. The loop's own handler still runs."""
        before = loop.get_exception_handler()

        def handler(of: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            if isinstance(error := context.get("exception"), BaseException):
                self.report(error)
            before(of, context) if before else of.default_exception_handler(context)

        loop.set_exception_handler(handler)

    def report(self, error: BaseException, *, thread: str = "") -> None:
        """One exception. Also for the handler of a web framework, which catches what a request did not."""
        if isinstance(error, _ENDINGS):
            return
        with contextlib.suppress(Exception):  # the service's own error is on its way: nothing may stand before it
            self._keep(_body(self._service, error, thread))

    def _keep(self, body: dict[str, Any]) -> None:
        with self._lock:
            kind = self._kinds.get(body["key"], _Kind())
            self._kinds[body["key"]] = replace(kind, body=body, times=kind.times + 1)
            self._kinds.move_to_end(body["key"])
            while len(self._kinds) > MOST_KINDS:
                self._kinds.popitem(last=False)
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(target=self._run, name="exception alerts", daemon=True)
                self._thread.start()
        self._news.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._news.wait()
            self._news.clear()
            while not self._ended.is_set() and self._waits():
                self._send_due()
                self._ended.wait(0.2 if self._due() else 1.0)

    def _waits(self) -> bool:
        with self._lock:
            return any(kind.times for kind in self._kinds.values())

    def _due(self) -> list[tuple[str, _Kind]]:
        now = time.monotonic()
        with self._lock:
            return [(key, kind) for key, kind in self._kinds.items() if kind.times and kind.next_at <= now]

    def _send_due(self) -> None:
        with self._sending:
            for key, kind in self._due():
                details = {**kind.body["details"], "times": kind.times}
                taken = self._taken({**kind.body, "details": details})
                self._after(key, kind.times if taken else 0, AGAIN_S if taken else 5.0)

    def _taken(self, body: dict[str, Any]) -> bool:
        try:
            return self._post(body)
        except Exception:  # noqa: BLE001 - whatever it is, it costs this attempt only
            return False

    def _after(self, key: str, told: int, wait_s: float) -> None:
        with self._lock:
            if (kind := self._kinds.get(key)) is not None:
                self._kinds[key] = replace(kind, times=kind.times - told, next_at=time.monotonic() + wait_s)

    def flush(self, within_s: float = FLUSH_S) -> bool:
        """Sends what is due, for at most that long; whether nothing is left. Runs by itself when the process ends."""
        sender = threading.Thread(target=self._send_due, daemon=True)
        sender.start()
        sender.join(within_s)
        return not self._due()

    def close(self) -> None:
        """Ends the thread; what was not sent is dropped."""
        self._ended.set()
        self._news.set()


def _poster(url: str, token: str) -> Post:
    headers = {"authorization": f"Bearer {token}"}

    def post(body: dict[str, Any]) -> bool:
        # No proxy or netrc of the environment, no redirects: the token goes to this address only.
        answer = httpx.post(url, json=body, headers=headers, timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)
        return answer.status_code < 500 and answer.status_code != 429  # other refusals would be refused again

    return post


def _body(service: str, error: BaseException, thread: str) -> dict[str, Any]:
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    place = f"{Path(last.filename).name}:{last.name}" if last else "unknown"
    words = redact_text(_text(error))[:LONGEST]
    details = {"service": service, "exception": kind, "place": place, "line": last.lineno if last else 0}
    return {
        "key": f"exception/{service}/{kind}@{place}"[:200],
        "status": "firing",
        "title": "UnhandledException",
        "severity": "warning",
        "description": f"{kind} in {place} of {service}: {words}" if words else f"{kind} in {place} of {service}",
        "labels": {"service": service, "exception": kind, "place": place},
        "details": {**details, **({"thread": thread} if thread else {})},
        "expires_s": EXPIRES_S,
    }


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ must not cost the alert
        return ""
