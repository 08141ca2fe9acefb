"""What the Checklists page asks, and where the address says which checklist, which day and which view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from hashlib import blake2s

import streamlit as st

from lib.checklists import evidence, questions, versions
from lib.checklists.evidence import Around
from lib.checklists.gather import Found, Gatherer
from lib.checklists.model import Checklist, Event, Evidence, ItemState, Kind, Previous, Run, RunItem
from lib.checklists.versions import History
from lib.errors import SourceUnavailable
from lib.state.database import State
from lib.ui import cache, clock, runtime

LIST, VIEW, DAY = "list", "view", "day"
RUN, CALENDAR, ITEMS, EDIT = "This run", "Calendar", "Items", "Edit"
BEFORE_FRESH, MARK_FRESH, MOST_KEPT = timedelta(seconds=30), timedelta(seconds=1), 200


@dataclass(frozen=True, slots=True)
class _Kept:
    """What viewers share: the evidence, what was seen before each run, and how each stands."""

    state: State | None
    gatherer: Gatherer = field(default_factory=Gatherer)
    before: dict[int, tuple[datetime, dict[str, Previous]]] = field(default_factory=dict)
    marks: dict[int, tuple[datetime, str]] = field(default_factory=dict)


_held: list[_Kept] = []


def state() -> State:
    """The database of what people do. Raises SourceUnavailable where this process has none."""
    found = runtime.current().state
    if found is None:
        raise SourceUnavailable("this process has no state database", versions.SOURCE)
    return found


def shipped() -> Mapping[str, Checklist]:
    """The checklists of the files."""
    folder = runtime.current().checklists
    return folder.checklists() if folder is not None else versions.Folder().checklists()


def history() -> History:
    """Every version of every checklist. Raises SourceError."""
    return versions.history(state(), shipped())


def day() -> date | None:
    """The day in the address; None: the run that goes on."""
    try:
        return date.fromisoformat(str(st.query_params.get(DAY, "")))
    except ValueError:
        return None


def open_day(chosen: date | None) -> None:
    """Shows the run of a day, or the one that goes on. For callbacks."""
    if chosen is None:
        st.query_params.pop(DAY, None)
    else:
        st.query_params[DAY] = chosen.isoformat()
    st.session_state[VIEW] = RUN


def show(view: str) -> None:
    """Shows another view of the checklist. For callbacks."""
    if view in (RUN, CALENDAR, ITEMS):
        st.session_state[VIEW] = view


def run_of(checklist: str) -> Run | None:
    """The run that the address asks for. Raises SourceError."""
    chosen = day()
    if chosen is None:
        return questions.newest(state(), checklist, clock.now())
    return questions.on_day(state(), checklist, chosen)


def items(run_id: int) -> tuple[Run, list[RunItem]]:
    """A run as it stands now, with its items. Raises SourceError; KeyError where there is no such run."""
    return questions.items(state(), run_id, clock.now(), _before(run_id))


def item(run_id: int, key: str) -> tuple[Run, RunItem]:
    """A run and one item of it. Raises SourceError; KeyError where there is no such run or item."""
    run, found = items(run_id)
    return run, {one.item.key: one for one in found}[key]


def as_seen(one: RunItem, seen: int) -> RunItem:
    """The item as it was when it was clicked: what happened since is then told instead of done over."""
    if one.seen == seen:
        return one
    last = Event(seen, one.item.key, Kind.NOTE, one.due_at, "") if seen else None
    return replace(one, last=last)


def mark(run_id: int) -> str:
    """Changes when anything does that the run's page shows. Viewers share it for a second. Raises as `items`."""
    known, now = _kept().marks, clock.now()
    if run_id not in known or abs(now - known[run_id][0]) > MARK_FRESH:
        if len(known) >= MOST_KEPT:
            known.clear()
        known[run_id] = now, mark_of(*items(run_id))
    return known[run_id][1]


def mark_of(run: Run, found: list[RunItem]) -> str:
    """The mark of a run as it was read, with what is overdue and what is seen at this moment."""
    now = clock.now()
    seen = [(one.overdue(now), evidence_of(run, one) if kept(one) is None else None) for one in found]
    return blake2s(repr((run, found, seen)).encode(), digest_size=8).hexdigest()


def _before(run_id: int) -> dict[str, Previous]:
    """What was seen in earlier runs hardly ever changes while this one goes on: not asked at every click."""
    known, now = _kept().before, clock.now()
    if run_id not in known or abs(now - known[run_id][0]) > BEFORE_FRESH:
        if len(known) >= MOST_KEPT:
            known.clear()
        known[run_id] = now, questions.previous(state(), run_id)
    return known[run_id][1]


def found(run: Run, item: RunItem) -> Found | None:
    """The newest evidence of an item of a run that goes on; None while the first is still being collected."""
    around = Around(runtime.current().settings, state(), runtime.current().status(), clock.now())
    key = item.item.evidence
    limits, window, stores = dict(item.item.limits), run.window, runtime.current().stores
    question = (run.id, item.item.key, key, tuple(sorted(limits.items())), item.previous and item.previous.at)
    return _gatherer().latest(
        question, lambda: evidence.collect(key, stores, window, item.previous, limits, around=around)
    )


def evidence_of(run: Run, item: RunItem) -> Evidence | None:
    """What is seen of an item now; None where nothing is (yet), or its run is over."""
    newest = _newest(run, item)
    return newest.evidence if newest is not None else None


def asked(run: Run, item: RunItem) -> list[cache.Asked]:
    """How the evidence that is seen now was asked for; none where nothing is seen (yet), or its run is over."""
    newest = _newest(run, item)
    if newest is None:
        return []
    took_ms = sum(question.took_ms for question in newest.questions)
    return [cache.Asked(item.item.evidence, run.window, newest.at, took_ms, questions=newest.questions)]


def _newest(run: Run, item: RunItem) -> Found | None:
    return None if not item.item.evidence or is_over(run, clock.now()) else found(run, item)


def kept(item: RunItem) -> Evidence | None:
    """What was seen when it was done; None where it was not, or nothing had been collected at that moment."""
    done = item.last is not None and item.state in (ItemState.DONE, ItemState.SKIPPED)
    return item.last.evidence if done and item.last is not None else None


def _gatherer() -> Gatherer:
    return _kept().gatherer


def _kept() -> _Kept:
    """What belongs to the database that this process has now."""
    if not _held or _held[0].state is not runtime.current().state:
        _held[:] = [_Kept(runtime.current().state)]
    return _held[0]


def _forget() -> None:
    _held.clear()


cache.others.append(_forget)


def is_over(run: Run, now: datetime) -> bool:
    """Whether nothing can be done in it any more."""
    return now >= run.ends_at
