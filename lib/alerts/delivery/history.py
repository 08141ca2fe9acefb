"""Drops what delivery wrote long ago: sent notices, stories, cooldowns and records of groups that rest."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from lib.alerts.delivery.picture import FAILED, SENT, SUPERSEDED
from lib.alerts.tables import CooldownRow, NoticeLogRow, OutboxRow, StoryRow
from lib.state.database import State

RESTS = timedelta(days=1)
"""A cooldown this old, and the record of a group that fires no more, decide nothing."""


class DeliveryHistory:
    """A store for lib.collect.retention: `retain` keeps what is newer, and all that a decision still needs."""

    name = "alert delivery"

    def __init__(self, state: State) -> None:
        self._state = state

    def retain(self, older_than: datetime) -> int:
        """Rows dropped. Raises SourceUnavailable."""
        with self._state.writing(self.name) as session:
            return drop(session, older_than)


def drop(session: Session, older_than: datetime) -> int:
    """Drops everything from before `older_than` but open notices and what a channel knows of alerts that fire."""
    told = {fp for firing in session.scalars(select(NoticeLogRow.firing)) for fp in firing}
    over = or_(OutboxRow.state.in_([SENT, FAILED, SUPERSEDED]), OutboxRow.test.is_(True))
    dropped = 0
    for statement in (
        delete(OutboxRow).where(OutboxRow.created_at < older_than, over),
        delete(StoryRow).where(StoryRow.at < older_than),
    ):
        dropped += getattr(session.execute(statement), "rowcount", 0)
    resting = select(CooldownRow).where(CooldownRow.sent_at < older_than - RESTS)
    logs = select(NoticeLogRow).where(NoticeLogRow.sent_at < older_than - RESTS)
    idle = [row for row in session.scalars(resting) if row.fingerprint not in told]
    silent = [row for row in session.scalars(logs) if not row.firing]
    for row in (*idle, *silent):
        session.delete(row)
    return dropped + len(idle) + len(silent)
