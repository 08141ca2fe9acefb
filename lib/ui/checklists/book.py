"""What the Checklists page asks, and where the address says which checklist, which day and which view."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import streamlit as st

from lib.checklists import evidence, questions, versions
from lib.checklists.evidence import Around
from lib.checklists.gather import Found, Gatherer
from lib.checklists.model import Checklist, Run, RunItem
from lib.checklists.versions import History
from lib.errors import SourceUnavailable
from lib.state.database import State
from lib.ui import clock, runtime

LIST, VIEW, DAY = "list", "view", "day"
RUN, CALENDAR, ITEMS, EDIT = "This run", "Calendar", "Items", "Edit"
_gatherers: dict[int, Gatherer] = {}


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


def run_of(checklist: str) -> Run | None:
    """The run that the address asks for. Raises SourceError."""
    chosen = day()
    if chosen is None:
        return questions.newest(state(), checklist, clock.now())
    return questions.on_day(state(), checklist, chosen)


def found(run: Run, item: RunItem) -> Found | None:
    """The newest evidence of an item of a run that goes on; None while the first is still being collected."""
    around = Around(runtime.current().settings, state(), runtime.current().status(), clock.now())
    key = item.item.evidence
    limits, window, stores = dict(item.item.limits), run.window, runtime.current().stores
    question = (run.id, item.item.key, key, tuple(sorted(limits.items())), item.previous and item.previous.at)
    return _gatherer().latest(
        question, lambda: evidence.collect(key, stores, window, item.previous, limits, around=around)
    )


def _gatherer() -> Gatherer:
    """That of the stores that this process has now."""
    stores = id(runtime.current().stores)
    if stores not in _gatherers:
        _gatherers.clear()
        _gatherers[stores] = Gatherer()
    return _gatherers[stores]


def is_over(run: Run, now: datetime) -> bool:
    """Whether nothing can be done in it any more."""
    return now >= run.ends_at
