"""Who evaluates and sends: a row with a time to live, and a token that grows with every change of holder.

A holder renews its row. Another process takes over only when it has seen the row unchanged for the whole time to live
by its own monotonic clock, so clocks of several machines need not agree and a clock that jumps decides nothing. Every
transaction of the holder asks `check` first: whoever lost the lease without knowing writes nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lib.alerts.tables import LeaseRow
from lib.collect.cadence import Clock, utc_now
from lib.errors import SourceUnavailable
from lib.state.database import State

NAME = "alerts"
TTL_S = 10.0
RENEW_S = 2.0
_log = logging.getLogger(__name__)
_FREE = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseLost(SourceUnavailable):
    """Another process evaluates and sends by now."""

    def __init__(self) -> None:
        super().__init__("another process has taken over evaluation and sending", "state")


def own_name() -> str:
    """A name for this process that no other has: host, process id and a random part."""
    return f"{socket.gethostname()[:80]}/{os.getpid()}/{uuid.uuid4().hex[:8]}"


class Lease:
    """One process' side of the lease `name`. Threads may share it."""

    def __init__(
        self,
        state: State,
        holder: str = "",
        *,
        name: str = NAME,
        ttl_s: float = TTL_S,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.holder = holder or own_name()
        self._state = state
        self._name = name
        self._ttl_s = ttl_s
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token = 0
        self._renewed = 0.0
        self._seen: tuple[int, datetime] | None = None
        self._seen_since = 0.0
        self.told_holder = ""

    @property
    def token(self) -> int:
        """The fencing token; 0 while this process is not the holder."""
        return self._token

    @property
    def held(self) -> bool:
        """Whether this process is the holder, as far as it knows: while the state does not answer it stays so, and
        `check` decides when it answers again."""
        return self._token > 0

    @property
    def fresh(self) -> bool:
        """Whether the lease was renewed within its time to live."""
        return self.held and self._monotonic() - self._renewed < self._ttl_s

    def renew(self) -> bool:
        """Renews, takes what is free or has been left, or looks; whether this process is the holder now.
        Raises SourceUnavailable while the state does not answer."""
        with self._lock:
            began = self._monotonic()
            try:
                with self._state.writing() as session:
                    token = self._turn(session, began)
            except IntegrityError:  # two began at the same time on an empty table
                token = 0
            before, self._token = self._token, token
            if token:
                self._renewed = began
        if token and token != before:
            _log.info("this process evaluates and sends from now on (lease %s, token %d)", self._name, token)
        elif before and not token:
            _log.warning("another process evaluates and sends now: %s", self.told_holder)
        return bool(token)

    def _turn(self, session: Session, now: float) -> int:
        row = session.scalars(select(LeaseRow).where(LeaseRow.name == self._name).with_for_update()).one_or_none()
        until = self._clock() + timedelta(seconds=self._ttl_s)
        if row is None:
            session.execute(
                insert(LeaseRow).values(name=self._name, holder=self.holder, token=1, until=until, written=0)
            )
            return self._told(self.holder, 1)
        if row.holder == self.holder and row.token == self._token:
            row.until = max(until, row.until + timedelta(microseconds=1))  # others see that it changed
            return self._told(self.holder, row.token)
        if not self._left(row, now):
            self.told_holder = row.holder
            return 0
        row.holder, row.token, row.until, row.written = self.holder, row.token + 1, until, 0
        self._seen = None
        return self._told(self.holder, row.token)

    def _told(self, holder: str, token: int) -> int:
        self.told_holder = holder
        return token

    def _left(self, row: LeaseRow, now: float) -> bool:
        """Whether the holder gave the row back, or has not touched it for as long as it may."""
        if row.until <= _FREE:
            return True
        mark = (row.token, row.until)
        if mark != self._seen:
            self._seen, self._seen_since = mark, now
        return now - self._seen_since >= self._ttl_s

    def holds(self, session: Session) -> int:
        """The token, where this process is the holder for certain until the transaction ends; else 0."""
        query = select(LeaseRow.token).where(LeaseRow.name == self._name).with_for_update()
        token = self._token
        return token if token and session.scalars(query).one_or_none() == token else 0

    def check(self, session: Session) -> int:
        """The token, if it is still the one in force, held in force until the transaction ends. Raises LeaseLost."""
        token = self.holds(session)
        if not token:
            raise LeaseLost
        return token

    def first_time(self, session: Session, number: int) -> bool:
        """Numbers the transaction; False where this one is there already: a commit that was told as failed may have been
        none the less, when a disk or a connection failed in the middle of it. Raises LeaseLost."""
        self.check(session)
        before = session.scalar(select(LeaseRow.written).where(LeaseRow.name == self._name))
        session.execute(update(LeaseRow).where(LeaseRow.name == self._name).values(written=number))
        return before != number

    def lose(self) -> None:
        """Another process has it: this one is no longer the holder."""
        self._token = 0

    def release(self) -> None:
        """Gives the lease back, so that another process need not wait. Raises SourceUnavailable."""
        with self._lock:
            token, self._token = self._token, 0
            if not token:
                return
            mine = (LeaseRow.name == self._name, LeaseRow.token == token, LeaseRow.holder == self.holder)
            with self._state.writing() as session:
                session.execute(update(LeaseRow).where(*mine).values(until=_FREE))
