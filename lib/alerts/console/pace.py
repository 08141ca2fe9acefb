"""How often a person may send tests: counted in the audit, so that no restart and no second dashboard forgets it (A2)."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lib.errors import Refused
from lib.identity.roles import Action, Via
from lib.state.audit import AuditRow

PER_MINUTE = 5
MINUTE = timedelta(minutes=1)
MESSAGES = "messages"
"""The detail of an audit row that says how many messages it stands for; 1 where it says nothing."""

_OURS = 0x54657374


class TooSoon(Refused):
    """This person has sent enough for now. `wait_s` is when the next may go."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = max(1, math.ceil(wait_s))
        super().__init__(f"{PER_MINUTE} tests a minute are the limit: next test in {self.wait_s} s")


def hold(session: Session, now: datetime) -> None:
    """Call it in the transaction that has recorded the test. Raises TooSoon where that is one too many, so that neither is kept."""
    mine = next(row for row in session.new if isinstance(row, AuditRow) and row.action == Action.TEST_ALERT)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_OURS)))
    who, via, count = mine.who, mine.via, _messages(mine.details)
    wait = wait_s(session, who, via, now, count=count, without=mine)
    if wait > 0:
        raise TooSoon(wait)


def wait_s(
    session: Session, who: str, via: str, now: datetime, *, count: int = 1, without: AuditRow | None = None
) -> float:
    """Seconds until this person may send `count` more; 0: now. Without sign-in a name is free, so all such people are one.

    More than the limit are a whole minute's: they may go where none went before.
    """
    asked = select(AuditRow).where(
        AuditRow.action == Action.TEST_ALERT, AuditRow.at > now - MINUTE, AuditRow.at < now + MINUTE
    )
    asked = (
        asked.where(AuditRow.via == Via.NAME)
        if via == Via.NAME
        else asked.where(AuditRow.who == who, AuditRow.via == via)
    )
    rows = [row for row in session.scalars(asked.order_by(AuditRow.at)) if row is not without]
    room = PER_MINUTE - min(count, PER_MINUTE) - sum(_messages(row.details) for row in rows)
    for row in rows:
        if room >= 0:
            break
        room += _messages(row.details)
        if room >= 0:
            return min((row.at + MINUTE - now).total_seconds(), MINUTE.total_seconds())
    return 0.0


def _messages(details: str) -> int:
    found = json.loads(details or "{}").get(MESSAGES, 1)
    return min(found, PER_MINUTE) if isinstance(found, int) else 1
