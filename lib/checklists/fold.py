"""What the rows of a run add up to: the state of each item, its notes, and who has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from lib.checklists.model import Event, Evidence, Item, ItemState, Kind, Period, Previous, Run, RunItem, RunState
from lib.checklists.tables import EventRow, RunRow

STATES = {Kind.TICK: ItemState.DONE, Kind.SKIP: ItemState.SKIPPED, Kind.UNDO: ItemState.OPEN}


def event(row: EventRow) -> Event:
    """The row as a value."""
    evidence = Evidence.from_json(row.evidence) if row.evidence is not None else None
    return Event(row.id, row.item, Kind(row.kind), row.at, row.who, row.words, evidence)


def run(row: Any) -> Run:
    """A run's row, or a row of its columns without the items, as a value."""
    return Run(
        row.id, row.checklist, row.title, Period(row.period), row.version, row.zone, row.first_day, row.last_day,
        row.starts_at, row.ends_at, RunState(row.state), row.total, row.done, row.skipped, row.missed, row.signed_by,
        row.signed_at,
    )  # fmt: skip


def as_of(row: RunRow, now: datetime) -> Run:
    """The run as it is at this moment, also where its period is over and nobody closed it yet."""
    found = run(row)
    if found.state is not RunState.OPEN or now < found.ends_at:
        return found
    missed = found.total - found.settled
    return replace(found, state=ending(found.total, missed), missed=missed)


def ending(total: int, missed: int) -> RunState:
    """What a run of `total` items is when it is over."""
    return RunState.DONE if not missed else RunState.MISSED if missed == total else RunState.PARTIAL


def last_move(events: Iterable[Event], item: str) -> Event | None:
    """The newest tick, skip or undo of an item; None where there was none. `events` are oldest first."""
    moves = [one for one in events if one.item == item and one.kind in STATES]
    return moves[-1] if moves else None


def state_after(move: Event | None) -> ItemState:
    """The state that it left the item in."""
    return STATES[move.kind] if move is not None else ItemState.OPEN


def assignee(events: Iterable[Event], item: str, owner: str) -> str:
    """Who has it: who it was assigned to last, the owner until then."""
    found = [one.words for one in events if one.item == item and one.kind is Kind.ASSIGN]
    return found[-1] if found else owner


def run_items(
    frozen: Iterable[Mapping[str, Any]], events: Sequence[Event], previous: Mapping[str, Previous], *, closed: bool
) -> list[RunItem]:
    """Each item of a run, in its order, with all that happened to it; open ones of a closed run are missed."""
    return [_run_item(one, events, previous, closed=closed) for one in frozen]


def _run_item(
    one: Mapping[str, Any], events: Sequence[Event], previous: Mapping[str, Previous], *, closed: bool
) -> RunItem:
    item = frozen_item(one)
    last = last_move(events, item.key)
    state = state_after(last)
    return RunItem(
        item,
        datetime.fromisoformat(one["due_at"]),
        ItemState.MISSED if closed and state is ItemState.OPEN else state,
        last,
        tuple(e for e in events if e.item == item.key and e.kind is Kind.NOTE),
        assignee(events, item.key, item.owner),
        previous.get(item.key),
    )


def frozen_item(one: Mapping[str, Any]) -> Item:
    """An item as a run keeps it."""
    return Item(**{name: one[name] for name in Item.__slots__ if name in one})


def is_closed(row: RunRow, now: datetime) -> bool:
    """Whether its period is over, also where nobody closed it yet."""
    return row.closed_at is not None or now >= row.ends_at
