"""Opens a run for each calendar period exactly once and closes it when the period is over, also what was missed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Insert, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lib.checklists import calendar, fold
from lib.checklists.calendar import Span
from lib.checklists.model import Checklist, RunState
from lib.checklists.tables import RunRow
from lib.checklists.versions import SOURCE, History
from lib.state.database import State

LONGEST_PERIOD = timedelta(days=32)


def keep(state: State, history: History, zone: str, now: datetime) -> None:
    """Closes the runs that are over and opens those that are due; a second call at the same moment changes nothing.

    Periods in which nothing ran get a run that is closed and missed. In the first run of a checklist nothing is overdue for
    having been due before there was a run: it has until the end. A clock that was ahead for a while costs no run: what it
    closed too early goes on. Several processes may do this at once. Raises SourceError.
    """
    if not _is_work(state, history, zone, now):
        return
    with state.writing(SOURCE) as session:
        for row in session.scalars(select(RunRow).where(_too_early(history, now)).with_for_update()):
            row.state, row.closed_at, row.missed = RunState.OPEN.value, None, 0
        for row in session.scalars(select(RunRow).where(_over(now)).with_for_update()):
            close(row, now)
        for checklist, span, first in _due(session, history, zone, now):
            session.execute(_opened(checklist, span, now, state.dialect, first=first))


def close(row: RunRow, now: datetime) -> None:
    """What was not done by now is missed."""
    row.missed = row.total - row.done - row.skipped
    row.closed_at = now
    row.state = fold.ending(row.total, row.missed).value


def _over(now: datetime) -> Any:
    return (RunRow.state == RunState.OPEN.value) & (RunRow.ends_at <= now)


def _too_early(history: History, now: datetime) -> Any:
    """Closed, or missed from the start, by a clock that was ahead of this one. Asked by the index of days: there are years."""
    oldest = now.date() - LONGEST_PERIOD
    of_late = RunRow.checklist.in_(list(history.versions)) & (RunRow.first_day >= oldest)
    return of_late & (RunRow.state != RunState.OPEN.value) & (RunRow.ends_at > now)


def _is_work(state: State, history: History, zone: str, now: datetime) -> bool:
    """Asked first, so that a quiet turn does not take the writer's place."""
    with state.reading(SOURCE) as session:
        wrong = session.execute(select(RunRow.id).where(or_(_over(now), _too_early(history, now))).limit(1)).first()
        return wrong is not None or next(_due(session, history, zone, now), None) is not None


def _due(session: Session, history: History, zone: str, now: datetime) -> Iterator[tuple[Checklist, Span, bool]]:
    """The periods up to this moment's that have no run, from the one after the last that has; and whether none ever had."""
    today = now.astimezone(ZoneInfo(zone)).date()
    for name, newest in history.current().items():
        current = calendar.span_of(newest.period, today, zone)
        last = _last_day(session, name, today)
        first = current if last is None else calendar.span_of(newest.period, last, zone).following()
        for span in calendar.spans(first, today):
            checklist = newest if span == current else history.in_force(name, span.starts_at)
            if checklist is not None:
                yield checklist, span, last is None


def _last_day(session: Session, name: str, today: date) -> date | None:
    """The first day of the newest run that is not in the future: a clock that was wrong for a while must not stop anything."""
    query = select(func.max(RunRow.first_day)).where(RunRow.checklist == name, RunRow.first_day <= today)
    return session.execute(query).scalar()


def _opened(checklist: Checklist, span: Span, now: datetime, dialect: str, *, first: bool) -> Insert:
    over, total = span.ends_at <= now, len(checklist.items)
    due = [calendar.due_at(item.due, span) for item in checklist.items]
    if first:
        due = [at if at > now else span.ends_at for at in due]
    items = [asdict(item) | {"due_at": at.isoformat()} for item, at in zip(checklist.items, due, strict=True)]
    values = {
        "checklist": checklist.name, "title": checklist.title, "period": checklist.period.value,
        "version": checklist.version, "zone": span.zone, "first_day": span.first_day, "last_day": span.last_day,
        "starts_at": span.starts_at, "ends_at": span.ends_at, "opened_at": now, "closed_at": now if over else None,
        "state": (RunState.MISSED if over else RunState.OPEN).value, "items": items, "total": total,
        "done": 0, "skipped": 0, "missed": total if over else 0, "signed_by": "",
    }  # fmt: skip
    once = ["checklist", "first_day"]
    if dialect == "postgresql":
        return postgresql.insert(RunRow).values(**values).on_conflict_do_nothing(index_elements=once)
    return sqlite.insert(RunRow).values(**values).on_conflict_do_nothing(index_elements=once)
