"""Silences: who must not be told of what from when until when, and why; every change is kept with a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from lib.alerts.matchers import Labels, Matcher, check, from_json, hit, written
from lib.alerts.model import AlertState
from lib.alerts.tables import AlertRow, SilenceRow
from lib.errors import OpsError
from lib.identity.roles import Action, Actor
from lib.state import audit
from lib.state.written import by_hand

LONGEST_REASON = 1000
LONGEST = timedelta(days=365)


class Conflict(OpsError):  # noqa: N818 - what happened, read so on the pages
    """Somebody else changed it meanwhile. The text says so."""


@dataclass(frozen=True, slots=True)
class Silence:
    """In [starts_at, ends_at) nobody is told of alerts that every matcher matches. `version` grows with every edit."""

    id: int
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    reason: str
    who: str
    version: int = 1

    def holds(self, now: datetime) -> bool:
        """Whether it counts at this moment: its first moment does, its last does not."""
        return self.starts_at <= now < self.ends_at


def active(session: Session, now: datetime) -> list[Silence]:
    """The silences that count now, oldest first."""
    rows = session.scalars(
        select(SilenceRow).where(SilenceRow.starts_at <= now, SilenceRow.ends_at > now).order_by(SilenceRow.id)
    )
    return [_told(row) for row in rows]


def every(session: Session, since: datetime) -> list[Silence]:
    """All that end after `since`, the newest first: what is still to come among them."""
    return [_told(row) for row in session.scalars(
        select(SilenceRow).where(SilenceRow.ends_at > since).order_by(SilenceRow.id.desc()))]  # fmt: skip


def create(
    session: Session, actor: Actor, matchers: Sequence[Matcher], *, starts_at: datetime, ends_at: datetime, reason: str,
    now: datetime,
) -> Silence:  # fmt: skip
    """A new silence. Raises Refused, QueryError for matchers and ValueError for times that make no sense or no reason."""
    row = SilenceRow(created_at=now, who=actor.name[:255], version=1)
    _fill(row, matchers, starts_at, ends_at, reason)
    session.add(row)
    session.flush()
    _tell(session, actor, row, "made")
    return _told(row)


def edit(
    session: Session, actor: Actor, before: Silence, matchers: Sequence[Matcher], *, starts_at: datetime,
    ends_at: datetime, reason: str,
) -> Silence:  # fmt: skip
    """The silence, changed; as `create`. Raises Conflict where `before` is not how it is any more."""
    row = _locked(session, before)
    _fill(row, matchers, starts_at, ends_at, reason)
    row.version += 1
    _tell(session, actor, row, "changed")
    return _told(row)


def expire(session: Session, actor: Actor, before: Silence, now: datetime) -> Silence:
    """Ends it now; one that has not begun never does. Raises Refused, and Conflict as `edit`."""
    row = _locked(session, before)
    row.ends_at = min(row.ends_at, max(now, row.starts_at))
    row.version += 1
    _tell(session, actor, row, "ended")
    return _told(row)


def preview(session: Session, matchers: Sequence[Matcher]) -> list[int]:
    """The ids of the open alerts (pending and firing) that these matchers hit."""
    rows = session.execute(
        select(AlertRow.id, AlertRow.labels).where(AlertRow.state != AlertState.RESOLVED.value)
    ).all()
    verdicts = hit(matchers, [row.labels for row in rows])
    return [row.id for row, one in zip(rows, verdicts, strict=True) if one]


def muting(silences: Sequence[Silence], labels: Sequence[Labels]) -> list[Silence | None]:
    """Per set of labels the first silence that hits it. A pattern that RE2 refuses hits nothing."""
    found: list[Silence | None] = [None] * len(labels)
    for silence in silences:
        for at, one in enumerate(hit(silence.matchers, labels)):
            if one and found[at] is None:
                found[at] = silence
    return found


def _locked(session: Session, before: Silence) -> SilenceRow:
    row = session.get(SilenceRow, before.id, with_for_update=True)
    if row is None or row.version != before.version:
        raise Conflict("this silence was changed by somebody else meanwhile: look at it again")
    return row


def _fill(row: SilenceRow, matchers: Sequence[Matcher], starts_at: datetime, ends_at: datetime, reason: str) -> None:
    if ends_at <= starts_at:
        raise ValueError("a silence must end after it begins")
    if ends_at - starts_at > LONGEST:
        raise ValueError(f"a silence lasts at most {LONGEST.days} days")
    if not reason.strip():
        raise ValueError("say why: a silence needs a reason")
    row.matchers = [one.as_json() for one in check(matchers)]
    row.starts_at, row.ends_at, row.reason = starts_at, ends_at, by_hand(reason, LONGEST_REASON)


def _tell(session: Session, actor: Actor, row: SilenceRow, what: str) -> None:
    details = {
        "matchers": written(from_json(row.matchers)), "starts_at": row.starts_at, "ends_at": row.ends_at,
        "reason": row.reason, "version": row.version, "what": what,
    }  # fmt: skip
    audit.record(session, actor, Action.SILENCE, f"silence {row.id}", details)


def _told(row: SilenceRow) -> Silence:
    return Silence(row.id, from_json(row.matchers), row.starts_at, row.ends_at, row.reason, row.who, row.version)
