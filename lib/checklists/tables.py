"""The tables of checklists: their versions, their runs, and what was done in a run."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lib.state.database import WRITTEN_BY, Base, UtcDateTime, Writer

_PEOPLE = {"info": {WRITTEN_BY: Writer.PEOPLE}}


class VersionRow(Base):
    """A checklist as somebody saved it. The newest of a name is in force; `removed` takes the checklist away from then on."""

    __tablename__ = "checklist_version"
    __table_args__ = (UniqueConstraint("name", "version"), _PEOPLE)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    version: Mapped[int]
    yaml: Mapped[str] = mapped_column(Text)
    removed: Mapped[bool]
    note: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(String(255))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class RunRow(Base):
    """One calendar period of a checklist, with its items as they were when it was opened (`due_at` in ISO form among them).

    The counts follow the events, in the same transaction; `missed` and `closed_at` are set when the period is over.
    """

    __tablename__ = "checklist_run"
    __table_args__ = (
        UniqueConstraint("checklist", "first_day"),
        Index("checklist_run_state", "state"),
        _PEOPLE,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    checklist: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(120))
    period: Mapped[str] = mapped_column(String(8))
    version: Mapped[int]
    zone: Mapped[str] = mapped_column(String(64))
    first_day: Mapped[date]
    last_day: Mapped[date]
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(16))
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    total: Mapped[int]
    done: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    missed: Mapped[int] = mapped_column(default=0)
    signed_by: Mapped[str] = mapped_column(String(255), default="")
    signed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class EventRow(Base):
    """What a person did. Rows are only added, which the database itself holds; `item` is "" for a sign-off."""

    __tablename__ = "checklist_event"
    __table_args__ = (
        Index("checklist_event_run", "run_id"),
        Index("checklist_event_item", "checklist", "item", "kind", "id"),
        _PEOPLE,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("checklist_run.id"))
    checklist: Mapped[str] = mapped_column(String(40))
    item: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(24))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(255))
    words: Mapped[str] = mapped_column(Text)
    evidence: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
