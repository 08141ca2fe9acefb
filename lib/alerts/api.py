"""The HTTP that alerts are pushed to: Alertmanager's webhook, and programs by key. Nothing is answered 200 before it is kept."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import SecretStr
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lib.alerts import pushed, pushed_json
from lib.alerts.pushed import Taken
from lib.alerts.tables import StoryRow
from lib.collect.cadence import Clock, utc_now
from lib.doorkeeper import METHODS, Doorkeeper, Pace, Refusal, answer
from lib.errors import SourceError
from lib.failpoints import reach
from lib.state.database import State

PATHS = ("/api/alertmanager", "/api/alerts")
AGAIN_S = 5
OFF = "the alert API is off: set HALO_OPS_API_TOKEN"
SAID_EVERY = timedelta(minutes=1)
"""A sender that is refused is logged so often, per kind of refusal: a flood must not fill the log."""

Dispatch = Callable[[Session, datetime], object]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """What came in since the start: deliveries kept, refused (by us) and failed (not kept), and the last of each.

    `truncated` is how many alerts Alertmanager left out of its newest delivery that left any out, at `truncated_at`.
    """

    kept: int = 0
    refused: int = 0
    failed: int = 0
    last_at: datetime | None = None
    last_refusal: str = ""
    truncated: int = 0
    truncated_at: datetime | None = None


class Tally:
    """The counts of one process; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts = Counts()

    def add(self, one_more: str = "", **changes: Any) -> None:
        """One more of `one_more`, and other fields as given."""
        with self._lock:
            more = {one_more: getattr(self.counts, one_more) + 1} if one_more else {}
            self.counts = replace(self.counts, **more, **changes)


TALLY = Tally()
"""What came in to this process: the setup page shows it."""


class AlertApi:
    """Takes in what is pushed, in one transaction with what follows from it (`dispatch`: the notices to send)."""

    def __init__(
        self, token: SecretStr, get_state: Callable[[], State | None], dispatch: Dispatch | None = None, *,
        clock: Clock = utc_now, pace: Pace | None = None, tally: Tally = TALLY,
    ) -> None:  # fmt: skip
        self._door = Doorkeeper(token, OFF, pace=pace)
        self._salt = token.get_secret_value().encode()
        self._get_state, self._clock = get_state, clock
        self.dispatch = dispatch
        self._tally = tally
        self._said: dict[int, datetime] = {}

    def routes(self) -> Sequence[BaseRoute]:
        """To be mounted under /api. Every method comes in, so that a wrong one is a 405 and not another route's 404."""
        return [
            Route("/alertmanager", self._alertmanager, methods=METHODS),
            Route("/alerts", self._alerts, methods=METHODS),
        ]

    async def _alertmanager(self, request: Request) -> Response:
        return await self._answered(request, self._take_in)

    async def _alerts(self, request: Request) -> Response:
        return await self._answered(request, self._signal)

    async def _answered(self, request: Request, keep: Callable[[bytes], dict[str, Any]]) -> Response:
        try:
            self._door.admit(request)
            said = await run_in_threadpool(keep, await self._door.body(request))
        except Refusal as refusal:
            return self._refused(request, refusal)
        except pushed_json.TooMany as error:
            return self._refused(request, Refusal(413, str(error)))
        except pushed_json.Malformed as error:
            return self._refused(request, Refusal(400, str(error)))
        except SourceError as error:
            _log.warning("a pushed alert was not kept, its sender was told to come again: %s", error)
            self._tally.add("failed")
            return Refusal(503, "not kept, send it again", AGAIN_S).answer()
        return answer(200, said)

    def _refused(self, request: Request, refusal: Refusal) -> Response:
        told, now = f"{refusal.code} {refusal.reason}", self._clock()
        self._tally.add("refused", last_refusal=told)
        said = self._said.get(refusal.code)
        if said is None or abs(now - said) >= SAID_EVERY:
            self._said[refusal.code] = now
            host = request.client.host if request.client else "nobody known"
            _log.warning("alerts pushed to %s by %s are refused: %s", request.scope["path"], host, told)
        return refusal.answer()

    def _take_in(self, body: bytes) -> dict[str, Any]:
        now = self._clock()
        told, truncated = pushed_json.webhook(body, now, self._salt)
        with self._state().writing() as session:
            taken = pushed.take_in(session, told, now)
            self._truncated(session, truncated, now)
            self._follow(session, taken, now)
            reach("pushed-written")
        reach("pushed-kept")
        self._tally.add("kept", last_at=now)
        return {**asdict(taken), "truncated": truncated}

    def _signal(self, body: bytes) -> dict[str, Any]:
        now, one = self._clock(), pushed_json.signal(body, self._salt)
        with self._state().writing() as session:
            taken = pushed.signal(session, one, now)
            self._follow(session, taken, now)
        self._tally.add("kept", last_at=now)
        return asdict(taken)

    def _state(self) -> State:
        state = self._get_state()
        if state is None:
            raise SourceError("no state database is open", "state")
        return state

    def _follow(self, session: Session, taken: Taken, now: datetime) -> None:
        if self.dispatch is not None and (taken.begun or taken.ended or taken.changed):
            session.flush()
            self.dispatch(session, now)

    def _truncated(self, session: Session, count: int, now: datetime) -> None:
        """Alerts that Alertmanager left out are nowhere here: that is told once per number, not once per delivery."""
        if not count:
            return
        if count != self._tally.counts.truncated:
            words = f"Alertmanager left {count} alerts out of a delivery (max_alerts)"
            _log.warning("%s: they are not known here", words)
            session.add(StoryRow(at=now, fingerprint="", alert_id=0, channel="", kind="truncated", words=words))
        self._tally.add(truncated=count, truncated_at=now)
