"""What the checklists add to a hand-over: what was done, what was missed, and what is past its time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lib.checklists import fold
from lib.checklists.model import ItemState, Kind, RunItem, RunState
from lib.checklists.questions import events_of
from lib.checklists.tables import EventRow, RunRow
from lib.state.database import State
from lib.window import Window
from lib.words import NONE

SOURCE = "checklists"
MOST = 1000
Told = list[tuple[datetime, str, str]]
"""When, what (foreign text), and who ("": nobody)."""

_WORDS = {
    Kind.TICK.value: "ticked", Kind.SKIP.value: "skipped", Kind.UNDO.value: "taken back", Kind.NOTE.value: "note on",
    Kind.SIGN.value: "signed off", Kind.UNSIGN.value: "sign-off withdrawn",
}  # fmt: skip


def done(state: State, window: Window) -> Told:
    """Ticks, skips and the like, the newest MOST. Raises SourceError."""
    query = (
        select(EventRow, RunRow.title, RunRow.items)
        .join(RunRow, RunRow.id == EventRow.run_id)
        .where(EventRow.at >= window.start, EventRow.at < window.end, EventRow.kind.in_(_WORDS))
        .order_by(EventRow.id.desc())
        .limit(MOST)
    )
    with state.reading(SOURCE) as session:
        return [(row.at, _event(row, title, items), row.who) for row, title, items in session.execute(query)]


def _event(row: EventRow, title: str, items: Sequence[Mapping[str, Any]]) -> str:
    named = next((str(one.get("title", row.item)) for one in items if one.get("key") == row.item), row.item)
    seen = str((row.evidence or {}).get("value", "")) if row.kind == Kind.TICK.value else ""
    seen = "" if seen == NONE else seen
    what = f"{_WORDS[row.kind]}: {named or title}" + (f" ({seen})" if seen else "")
    return what + (f" – {row.words}" if row.words else "")


def missed(state: State, window: Window) -> Told:
    """Runs that ended in the window with something left undone, and what. Raises SourceError."""
    ended = (RunState.PARTIAL.value, RunState.MISSED.value)
    query = select(RunRow).where(RunRow.ends_at >= window.start, RunRow.ends_at < window.end, RunRow.state.in_(ended))
    with state.reading(SOURCE) as session:
        return [(row.ends_at, _missed(session, row), "") for row in session.scalars(query).all()]


def _missed(session: Session, row: RunRow) -> str:
    told = f"missed: {row.missed} of {row.total} items of {row.title}"
    if row.missed == row.total:
        return told
    return f"{told} ({', '.join(one.item.title for one in _open(session, row))})"


def overdue(state: State, window: Window) -> Told:
    """What should have been done by the window's end, in runs that go on: at its due time, or at the window's start where it
    was due before that. Raises SourceError."""
    query = select(RunRow).where(RunRow.state == RunState.OPEN.value, RunRow.starts_at < window.end)
    with state.reading(SOURCE) as session:
        return [
            (max(one.due_at, window.start), _overdue(one, row.title), "")
            for row in session.scalars(query).all()
            for one in _open(session, row)
            if one.due_at < min(window.end, row.ends_at)
        ]


def _overdue(one: RunItem, title: str) -> str:
    return f"overdue: {one.item.title} of {title}" + (f", for {one.assignee}" if one.assignee else "")


def _open(session: Session, row: RunRow) -> Iterator[RunItem]:
    """The items of a run that are neither done nor skipped."""
    items = fold.run_items(row.items, events_of(session, row.id), {}, closed=False)
    return (one for one in items if one.state is ItemState.OPEN)
