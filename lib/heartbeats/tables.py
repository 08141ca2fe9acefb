"""The tables of heartbeats: the last of each name, and every one for a while."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lib.state.database import WRITTEN_BY, Base, UtcDateTime, Writer

_MACHINE = {"info": {WRITTEN_BY: Writer.MACHINE}}


class HeartbeatRow(Base):
    """The last heartbeat of a name; it stays when its history is dropped."""

    __tablename__ = "heartbeat"
    __table_args__ = _MACHINE

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    size_bytes: Mapped[float | None]
    duration_s: Mapped[float | None]
    message: Mapped[str] = mapped_column(Text, default="")


class HeartbeatEventRow(Base):
    """One heartbeat that came."""

    __tablename__ = "heartbeat_event"
    __table_args__ = (Index("heartbeat_event_name", "name", "at"), Index("heartbeat_event_at", "at"), _MACHINE)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    size_bytes: Mapped[float | None]
    duration_s: Mapped[float | None]
    message: Mapped[str] = mapped_column(Text, default="")
