"""What a drill brought about: its alerts with the time of each step, and everything that happened as one line of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lib.alerts.drills import Drill, about
from lib.alerts.model import AlertState
from lib.alerts.tables import AlertRow, StoryRow
from lib.state.database import State

SOURCE = "drill"


@dataclass(frozen=True, slots=True)
class Seen:
    """One alert that came up during a drill: when it was pending, fired, was accepted by which channel, and ended."""

    name: str
    severity: str
    scope: str
    pending: datetime
    firing: datetime | None
    delivered: tuple[tuple[str, datetime], ...]
    resolved: datetime | None
    told_end: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the time line: `channel` "" where none is meant."""

    at: datetime
    what: str
    channel: str = ""


def seen(state: State, drill: Drill) -> list[Seen]:
    """The alerts that came up since the drill began, in the order in which they did. Raises SourceError."""
    with state.reading(SOURCE) as session:
        rows = _rows(session, drill)
        sent = _accepted(session, [row.id for row in rows])
        return [_seen(row, sent.get(row.id, [])) for row in rows]


def _rows(session: Session, drill: Drill) -> list[AlertRow]:
    asked = (
        select(AlertRow).where(AlertRow.active_at >= drill.began).order_by(AlertRow.active_at, AlertRow.id).limit(50)
    )
    rows = list(session.scalars(asked))
    return [row for row, mine in zip(rows, about(drill, [row.name for row in rows]), strict=True) if mine]


def _accepted(session: Session, alerts: Sequence[int]) -> dict[int, list[StoryRow]]:
    asked = select(StoryRow).where(StoryRow.alert_id.in_(alerts), StoryRow.kind == "sent").order_by(StoryRow.at)
    found: dict[int, list[StoryRow]] = {}
    for row in session.scalars(asked):
        found.setdefault(row.alert_id, []).append(row)
    return found


def _seen(row: AlertRow, sent: Sequence[StoryRow]) -> Seen:
    first: dict[str, datetime] = {}
    ends: dict[str, datetime] = {}
    for one in sent:
        over = row.resolved_at is not None and one.at >= row.resolved_at
        (ends if over and one.channel in first else first).setdefault(one.channel, one.at)
    scope = ", ".join(f"{n}={v}" for n, v in sorted(row.labels.items()) if n not in ("alertname", "severity"))
    over = row.state == AlertState.RESOLVED
    return Seen(
        row.name, row.severity, scope, row.active_at, row.fired_at, tuple(first.items()), row.resolved_at if over else None,
        tuple(ends.items()),
    )  # fmt: skip


def line_of(state: State, drill: Drill) -> list[Line]:
    """Everything that happened, oldest first: the drill's own steps, and the story of its alerts. Raises SourceError."""
    lines = [Line(drill.began, f"{drill.who} began the drill: {drill.kind.about}")]
    if drill.switched_off:
        lines.append(Line(drill.switched_off, f"switched off: {drill.why or drill.problem}"))
    if drill.over:
        lines.append(Line(drill.over, "the drill is over"))
    with state.reading(SOURCE) as session:
        rows = {row.id: row for row in _rows(session, drill)}
        asked = select(StoryRow).where(StoryRow.alert_id.in_(list(rows))).order_by(StoryRow.at, StoryRow.id).limit(500)
        lines += [
            Line(one.at, f"{rows[one.alert_id].name}: {one.kind}, {one.words}", one.channel)
            for one in session.scalars(asked)
        ]
    return sorted(lines, key=lambda one: one.at)
