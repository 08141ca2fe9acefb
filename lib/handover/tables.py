"""The tables of the hand-over: notes, and who took over when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lib.state.database import WRITTEN_BY, Base, UtcDateTime, Writer


class NoteRow(Base):
    """What a person wrote for the next one. The database refuses to change or drop it."""

    __tablename__ = "note"
    __table_args__ = (Index("note_at", "at"), {"info": {WRITTEN_BY: Writer.PEOPLE}})

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(255))
    words: Mapped[str] = mapped_column(Text)


class TakenOverRow(Base):
    """Up to when a person has read the hand-over."""

    __tablename__ = "handover_read"
    __table_args__ = {"info": {WRITTEN_BY: Writer.PEOPLE}}  # noqa: RUF012 - SQLAlchemy's own form

    who: Mapped[str] = mapped_column(String(255), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
