"""The audit: who did what, when, to what. Rows are added and asked for; nothing changes or drops one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pandas as pd
from sqlalchemy import Index, String, Text, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lib.identity.roles import Action, Actor, require
from lib.redact import redact
from lib.state.database import WRITTEN_BY, Base, State, UtcDateTime, Writer
from lib.window import Window

SOURCE = "audit"
MOST_ROWS = 1000
Details = Mapping[str, Any] | None


class AuditRow(Base):
    """One action. `details` is a JSON object as text."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_at", "at"), {"info": {WRITTEN_BY: Writer.PEOPLE}})

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(16))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(Text)
    details: Mapped[str] = mapped_column(Text)
    via: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(64))
    session: Mapped[str] = mapped_column(String(32))


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for: a part of the name, an action ("" for any), a part of the subject or the details."""

    who: str = ""
    action: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person is about to do: the action, to what, and what it changes in the transaction that it is given.

    `named` is a change that keeps who did it: it is given the actor as well, whose name may be known only by then.
    `told` says that the change adds its own line to the audit.
    `then` is what follows outside the database, once the line in the audit is kept.
    """

    action: Action
    subject: str
    change: Callable[[Session], None] | None = None
    details: Details = None
    named: Callable[[Session, Actor], None] | None = None
    told: bool = False
    then: Callable[[], object] | None = None


def record(
    session: Session,
    actor: Actor,
    action: Action,
    subject: str,
    details: Details = None,
) -> None:
    """Adds a row to the transaction of the change that it tells of: both are kept, or neither.

    Checks first that the actor may do it, and raises Refused otherwise. Credentials among the details are masked.
    """
    require(actor, action)
    kept = orjson.dumps(redact(dict(details or {}))[0], default=str, option=orjson.OPT_NON_STR_KEYS)
    session.add(
        AuditRow(
            at=datetime.now(UTC), who=actor.name[:255], role=actor.role.value, action=action.value,
            subject=subject, details=kept.decode(), via=actor.via.value, address=actor.address[:64],
            session=actor.session[:32],
        )
    )  # fmt: skip


def act(state: State, actor: Actor, deed: Deed) -> None:
    """Makes a change and tells of it, both or neither. Raises Refused before anything is done, and SourceError."""
    with state.writing(SOURCE) as session:
        if deed.told:
            require(actor, deed.action)
        else:
            record(session, actor, deed.action, deed.subject, deed.details)
        if deed.change is not None:
            deed.change(session)
        if deed.named is not None:
            deed.named(session, actor)
    if deed.then is not None:
        deed.then()


def search(state: State, actor: Actor, window: Window, wanted: Filter | None = None) -> pd.DataFrame:
    """What was done in the window, newest first, at most MOST_ROWS: `at` (UTC), `who`, `role`, `action`, `subject`,
    `details` (JSON text), `via`, `address`, `session`. Raises SourceError, and Refused for who is not an admin."""
    require(actor, Action.READ_AUDIT)
    wanted = wanted or Filter()
    query = select(AuditRow).where(AuditRow.at >= window.start, AuditRow.at < window.end)
    if wanted.who:
        query = query.where(_holds(AuditRow.who, wanted.who))
    if wanted.action:
        query = query.where(AuditRow.action == wanted.action)
    if wanted.text:
        query = query.where(or_(_holds(AuditRow.subject, wanted.text), _holds(AuditRow.details, wanted.text)))
    newest = query.order_by(AuditRow.at.desc(), AuditRow.id.desc()).limit(MOST_ROWS)
    columns = [column.name for column in AuditRow.__table__.columns if column.name != "id"]
    with state.reading(SOURCE) as session:
        rows = [[getattr(row, name) for name in columns] for row in session.scalars(newest)]
    frame = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[1:], "str"))
    frame["at"] = pd.DatetimeIndex(pd.to_datetime(frame["at"], utc=True)).as_unit("ns")
    return frame


def _holds(column: Any, part: str) -> Any:
    return func.lower(column).contains(part.lower(), autoescape=True)
