"""What a person does in a run: each in one transaction with its line in the audit, refused where it would be on stale facts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from lib.checklists import fold
from lib.checklists.model import Event, Evidence, ItemState, Kind, Run, RunItem, Stale
from lib.checklists.tables import EventRow, RunRow
from lib.collect.cadence import Clock, utc_now
from lib.identity.roles import Action, Actor
from lib.state.audit import Deed
from lib.state.written import by_hand

LONGEST = 2000
"""Characters of a note or a reason; the rest is cut off."""

Check = Callable[[RunRow, list[Event]], None]


class What(NamedTuple):
    """What somebody does: the words and the evidence that are kept with it."""

    kind: Kind
    words: str = ""
    evidence: Evidence | None = None


_TOLD = {Kind.TICK: "ticked it", Kind.SKIP: "skipped it", Kind.UNDO: "took that back"}


def tick(run: Run, item: RunItem, evidence: Evidence | None, note: str = "", *, clock: Clock = utc_now) -> Deed:
    """It was looked at, and this is what was seen. `item` is as the person saw it; the deed raises Stale where it changed."""
    return _move(run, item, What(Kind.TICK, _cleaned(note), evidence), clock)


def skip(run: Run, item: RunItem, reason: str, evidence: Evidence | None = None, *, clock: Clock = utc_now) -> Deed:
    """It will not be done in this run. Raises Stale without a reason; the deed as `tick`'s does."""
    if not _cleaned(reason):
        raise Stale("write why")
    return _move(run, item, What(Kind.SKIP, _cleaned(reason), evidence), clock)


def undo(run: Run, item: RunItem, *, clock: Clock = utc_now) -> Deed:
    """Takes back the tick or the skip, which stays on record. The deed raises Stale as `tick`'s does."""
    return _move(run, item, What(Kind.UNDO), clock)


def note(run: Run, item: RunItem, words: str, *, clock: Clock = utc_now) -> Deed:
    """Adds a note, whoever else did. Raises Stale without words; the deed where the run is closed or signed off."""
    if not _cleaned(words):
        raise Stale("write something")
    return _deed(run, item, What(Kind.NOTE, _cleaned(words)), lambda row, events: None, clock)


def assign(run: Run, item: RunItem, to: str, *, clock: Clock = utc_now) -> Deed:
    """Gives the item to somebody; "" back to nobody. The deed raises Stale where somebody else gave it away since."""

    def check(row: RunRow, events: list[Event]) -> None:
        has = fold.assignee(events, item.item.key, item.item.owner)
        if has != item.assignee:
            raise Stale(f"{has or 'nobody'} has it by now")

    return _deed(run, item, What(Kind.ASSIGN, _cleaned(to)[:120]), check, clock)


def sign_off(run: Run, words: str = "", *, clock: Clock = utc_now) -> Deed:
    """Says that the run is as it should be. The deed raises Stale unless every item is done or skipped."""

    def change(session: Session, actor: Actor) -> None:
        row, now = _row(session, run), clock()
        if row.signed_by:
            raise Stale(f"{row.signed_by} signed it off at {_at(row, row.signed_at or now)}")
        left = row.total - row.done - row.skipped
        if left:
            raise Stale(f"{left} of {row.total} items {'are' if left > 1 else 'is'} not done")
        row.signed_by, row.signed_at = actor.name[:255], now
        _add(session, row, "", What(Kind.SIGN, _cleaned(words)), actor, now)

    return Deed(Action.SIGN_OFF, subject(run), details={"note": _cleaned(words)}, named=change)


def withdraw(run: Run, reason: str, *, clock: Clock = utc_now) -> Deed:
    """Takes the sign-off back, so that the run can be changed while its period lasts. Raises Stale without a reason."""
    if not _cleaned(reason):
        raise Stale("write why")

    def change(session: Session, actor: Actor) -> None:
        row = _row(session, run)
        if not row.signed_by:
            raise Stale("it is not signed off")
        row.signed_by, row.signed_at = "", None
        _add(session, row, "", What(Kind.UNSIGN, _cleaned(reason)), actor, clock())

    details = {"withdrawn": True, "reason": _cleaned(reason)}
    return Deed(Action.SIGN_OFF, subject(run), details=details, named=change)


def subject(run: Run, item: RunItem | None = None) -> str:
    """How the audit names it: "daily 2026-03-29: Verify backup completion"."""
    return f"{run.checklist} {run.first_day}" + (f": {item.item.title}" if item is not None else "")


def _move(run: Run, item: RunItem, what: What, clock: Clock) -> Deed:
    """A tick, a skip or an undo: only what the person has seen last may be changed by it."""

    def check(row: RunRow, events: list[Event]) -> None:
        last = fold.last_move(events, item.item.key)
        if (last.id if last is not None else 0) != item.seen:
            raise Stale(f"{_told(row, last) if last is not None else 'it changed meanwhile'}")
        before, after = fold.state_after(last), fold.STATES[what.kind]
        if (before is ItemState.OPEN) is (after is ItemState.OPEN):
            raise Stale(f"{_told(row, last) if last is not None else 'there is nothing to take back'}")
        row.done += (after is ItemState.DONE) - (before is ItemState.DONE)
        row.skipped += (after is ItemState.SKIPPED) - (before is ItemState.SKIPPED)

    return _deed(run, item, what, check, clock)


def _deed(run: Run, item: RunItem, what: What, check: Check, clock: Clock) -> Deed:
    key = item.item.key

    def change(session: Session, actor: Actor) -> None:
        row, now = _row(session, run), clock()
        if fold.is_closed(row, now):
            raise Stale(f"this run is closed since {_at(row, row.ends_at)}: nothing can be changed in it")
        if row.signed_by:
            raise Stale(f"{row.signed_by} signed this run off at {_at(row, row.signed_at or now)}: withdraw that first")
        if key not in {one["key"] for one in row.items}:
            raise Stale("this run has no such item")
        mine = select(EventRow).where(EventRow.run_id == row.id, EventRow.item == key).order_by(EventRow.id)
        check(row, [fold.event(one) for one in session.scalars(mine)])
        _add(session, row, key, what, actor, now)

    seen = what.evidence.value if what.evidence is not None else ""
    details = {"what": what.kind.value, "words": what.words, "evidence": seen}
    return Deed(Action.TICK, subject(run, item), details=details, named=change)


def _row(session: Session, run: Run) -> RunRow:
    """The run, for nobody else to change until this transaction is over."""
    row = session.get(RunRow, run.id, with_for_update=True)
    if row is None:
        raise Stale("this run is not there any more")
    return row


def _add(session: Session, row: RunRow, item: str, what: What, actor: Actor, at: datetime) -> None:  # noqa: PLR0917
    session.add(
        EventRow(
            run_id=row.id, checklist=row.checklist, item=item, kind=what.kind.value, at=at, who=actor.name[:255],
            words=what.words, evidence=what.evidence.as_json() if what.evidence is not None else None,
        )
    )  # fmt: skip


def _told(row: RunRow, last: Event) -> str:
    words = f" ({last.words})" if last.words else ""
    return f"{last.who} {_TOLD[last.kind]} at {_at(row, last.at)}{words}"


def _at(row: RunRow, moment: datetime) -> str:
    """On the clock of the run's zone, with the day where it is not one of a day's run."""
    local = moment.astimezone(ZoneInfo(row.zone))
    return f"{local:%H:%M}" if row.first_day == row.last_day == local.date() else f"{local:%d %b %H:%M}"


def _cleaned(words: str) -> str:
    return by_hand(words, LONGEST)
