"""The table of episodes."""

from __future__ import annotations

import math
from datetime import datetime

from sqlalchemy import Index, Select, String, Text, func, select
from sqlalchemy.orm import Mapped, mapped_column

from lib.state.answer import Status
from lib.state.database import WRITTEN_BY, Base, UtcDateTime, Writer
from lib.state.fold import Episode


class EpisodeRow(Base):
    """One episode; numbers that were not told are null."""

    __tablename__ = "health_episode"
    __table_args__ = (
        Index("health_episode_newest", "target", "check_name", "until"),
        Index("health_episode_until", "until"),
        {"info": {WRITTEN_BY: Writer.MACHINE}},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(String(255))
    check_name: Mapped[str] = mapped_column(String(80))
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    response_ms: Mapped[float | None]
    version: Mapped[str] = mapped_column(String(100))
    uptime_s: Mapped[float | None]
    detail: Mapped[str] = mapped_column(Text)

    def take(self, item: Episode) -> EpisodeRow:
        """Makes the row say what `item` says, and gives it back."""
        self.status, self.reason = item.status.value, item.reason
        self.since, self.until = item.since, item.until
        self.response_ms, self.uptime_s = _null(item.response_ms), _null(item.uptime_s)
        self.version, self.detail = item.version, item.detail
        return self

    def told(self) -> Episode:
        """The row as a plain value."""
        figures = (_nan(self.response_ms), self.version, _nan(self.uptime_s), self.detail, self.id)
        return Episode(Status(self.status), self.reason, self.since, self.until, *figures)


def newest() -> Select[EpisodeRow]:
    """The newest episode of each target and check."""
    rank = func.row_number().over(
        partition_by=(EpisodeRow.target, EpisodeRow.check_name),
        order_by=(EpisodeRow.until.desc(), EpisodeRow.since.desc(), EpisodeRow.id.desc()),
    )
    ranked = select(EpisodeRow.id.label("id"), rank.label("place")).subquery()
    return select(EpisodeRow).join(ranked, ranked.c.id == EpisodeRow.id).where(ranked.c.place == 1)


def _null(number: float) -> float | None:
    return None if math.isnan(number) else number


def _nan(number: float | None) -> float:
    return math.nan if number is None else number
