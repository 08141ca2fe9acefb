"""What pages ask about runs: one with its items, the one before, the calendar, the completion of each item, what is overdue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Select, and_, exists, select
from sqlalchemy.orm import Session, aliased

from lib.checklists import fold
from lib.checklists.model import Event, Evidence, ItemState, Kind, Previous, Run, RunItem, RunState
from lib.checklists.tables import EventRow, RunRow
from lib.checklists.versions import SOURCE
from lib.state.database import State

MOST_RUNS = 400
_BUT_ITEMS = tuple(column for column in RunRow.__table__.columns if column.name != "items")


def newest(state: State, checklist: str, now: datetime) -> Run | None:
    """The run that goes on, or else the last that there was; None where there never was one. Raises SourceError."""
    query = select(*_BUT_ITEMS).where(RunRow.checklist == checklist, RunRow.starts_at <= now)
    return _first(state, query.order_by(RunRow.first_day.desc()))


def on_day(state: State, checklist: str, day: date) -> Run | None:
    """The run of the period that the day is in; None where there is none. Raises SourceError."""
    return _first(
        state,
        select(*_BUT_ITEMS).where(RunRow.checklist == checklist, RunRow.first_day <= day, RunRow.last_day >= day),
    )


def _first(state: State, query: Select[Any]) -> Run | None:
    with state.reading(SOURCE) as session:
        row = session.execute(query.limit(1)).first()
    return fold.run(row) if row is not None else None


def items(
    state: State, run_id: int, now: datetime, before: Mapping[str, Previous] | None = None
) -> tuple[Run, list[RunItem]]:
    """A run as it stands at this moment, with each of its items. `before` is what `previous` said of it, asked here if left
    out. Raises SourceError; KeyError where there is no such run."""
    with state.reading(SOURCE) as session:
        row = session.get(RunRow, run_id)
        if row is None:
            raise KeyError(run_id)
        known = _all_previous(session, row) if before is None else before
        events = events_of(session, row.id)
        return fold.as_of(row, now), fold.run_items(row.items, events, known, closed=fold.is_closed(row, now))


def previous(state: State, run_id: int) -> dict[str, Previous]:
    """What was seen of each item, by key, when it was ticked in an earlier run. Raises SourceError; KeyError as `items`."""
    with state.reading(SOURCE) as session:
        row = session.get(RunRow, run_id)
        if row is None:
            raise KeyError(run_id)
        return _all_previous(session, row)


def _all_previous(session: Session, row: RunRow) -> dict[str, Previous]:
    found = {one["key"]: _previous(session, row, one["key"]) for one in row.items}
    return {key: seen for key, seen in found.items() if seen is not None}


def journal(state: State, run_id: int) -> list[Event]:
    """All that was done in a run, oldest first. Raises SourceError."""
    with state.reading(SOURCE) as session:
        return events_of(session, run_id)


def events_of(session: Session, run_id: int) -> list[Event]:
    """As `journal`, in a session that is open already."""
    rows = session.scalars(select(EventRow).where(EventRow.run_id == run_id).order_by(EventRow.id))
    return [fold.event(row) for row in rows]


def _previous(session: Session, run: RunRow, item: str) -> Previous | None:
    """What was seen at the last tick in an earlier run that nobody took back."""
    undone = aliased(EventRow)
    taken_back = exists().where(
        undone.run_id == EventRow.run_id, undone.item == item, undone.kind == Kind.UNDO.value, undone.id > EventRow.id
    )
    query = (
        select(EventRow.at, EventRow.evidence)
        .where(EventRow.checklist == run.checklist, EventRow.item == item, EventRow.kind == Kind.TICK.value)
        .where(EventRow.run_id.in_(select(RunRow.id).where(_earlier(run))), EventRow.evidence.is_not(None), ~taken_back)
        .order_by(EventRow.id.desc())
        .limit(1)
    )
    found = session.execute(query).first()
    return Previous(found.at, Evidence.from_json(found.evidence)) if found is not None else None


def _earlier(run: RunRow) -> Any:
    return and_(RunRow.checklist == run.checklist, RunRow.first_day < run.first_day)


def calendar(state: State, checklist: str, first_day: date, last_day: date) -> list[Run]:
    """The runs that begin in these days, oldest first, at most MOST_RUNS of the newest. Raises SourceError."""
    query = (
        select(*_BUT_ITEMS)
        .where(RunRow.checklist == checklist, RunRow.first_day >= first_day, RunRow.first_day <= last_day)
        .order_by(RunRow.first_day.desc())
        .limit(MOST_RUNS)
    )
    with state.reading(SOURCE) as session:
        return [fold.run(row) for row in session.execute(query)][::-1]


def completion(state: State, checklist: str, runs: int, now: datetime) -> pd.DataFrame:
    """What became of each item in the last `runs` runs: `first_day`, `key`, `title`, `state`, `at` (UTC, NaT: nothing was
    done), `who`, one row per run and item, oldest run first. An item of a run that is open may be open. Raises SourceError."""
    with state.reading(SOURCE) as session:
        query = select(RunRow).where(RunRow.checklist == checklist, RunRow.starts_at <= now)
        rows = list(session.scalars(query.order_by(RunRow.first_day.desc()).limit(min(runs, MOST_RUNS))))[::-1]
        wanted = select(EventRow).where(EventRow.run_id.in_([row.id for row in rows]), EventRow.kind.in_(_MOVES))
        moves: dict[tuple[int, str], Event] = {}
        for row in session.scalars(wanted.order_by(EventRow.id)):
            moves[row.run_id, row.item] = fold.event(row)
        told = [_became(row, one["key"], one["title"], moves, now) for row in rows for one in row.items]
    frame = pd.DataFrame(told, columns=["first_day", "key", "title", "state", "at", "who"])
    frame["at"] = pd.DatetimeIndex(pd.to_datetime(frame["at"], utc=True)).as_unit("ns")
    return frame


_MOVES = [kind.value for kind in fold.STATES]


def _became(row: RunRow, key: str, title: str, moves: dict[tuple[int, str], Event], now: datetime) -> tuple[Any, ...]:
    move = moves.get((row.id, key))
    state = fold.state_after(move)
    if state is ItemState.OPEN:
        return row.first_day, key, title, (ItemState.MISSED if fold.is_closed(row, now) else state).value, None, ""
    return row.first_day, key, title, state.value, move and move.at, move.who if move else ""


def item_history(state: State, checklist: str, item: str, most: int = 200) -> pd.DataFrame:
    """What was done to an item in all of its runs, newest first: `at` (UTC), `first_day`, `what`, `who`, `words`, `value`,
    `verdict`, `number` (NaN: none). Raises SourceError."""
    mine = select(EventRow.id).where(EventRow.checklist == checklist, EventRow.item == item)
    newest = mine.order_by(EventRow.id.desc()).limit(most)  # from the index alone: rows with their evidence are large
    query = (
        select(EventRow, RunRow.first_day)
        .join(RunRow, RunRow.id == EventRow.run_id)
        .where(EventRow.id.in_(newest))
        .order_by(EventRow.id.desc())
    )
    with state.reading(SOURCE) as session:
        told = [_line(fold.event(row), day) for row, day in session.execute(query)]
    columns = ["at", "first_day", "what", "who", "words", "value", "verdict", "number"]
    frame = pd.DataFrame(told, columns=columns).astype({"number": "float64"})
    frame["at"] = pd.DatetimeIndex(pd.to_datetime(frame["at"], utc=True)).as_unit("ns")
    return frame


def _line(event: Event, day: date) -> tuple[Any, ...]:
    seen = event.evidence
    value, verdict, number = (seen.value, seen.verdict.value, seen.number) if seen is not None else ("", "", None)
    return event.at, day, event.kind.value, event.who, event.words, value, verdict, number


def overdue(state: State, now: datetime) -> int:
    """How many items of the runs that go on should have been done by now. Raises SourceError."""
    with state.reading(SOURCE) as session:
        rows = list(session.scalars(select(RunRow).where(RunRow.state == RunState.OPEN.value, RunRow.ends_at > now)))
        return sum(_overdue(session, row, now) for row in rows)


def _overdue(session: Session, row: RunRow, now: datetime) -> int:
    due = [one["key"] for one in row.items if datetime.fromisoformat(one["due_at"]) <= now]
    if not due:
        return 0
    events = events_of(session, row.id)
    return sum(fold.state_after(fold.last_move(events, key)) is ItemState.OPEN for key in due)
