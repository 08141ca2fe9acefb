"""The page's controls, and the view that the address asks for."""

from __future__ import annotations

import streamlit as st

from lib.checklists.model import Checklist
from lib.checklists.versions import History
from lib.identity.roles import Role
from lib.ui.checklists import acts, book, edit, past, report, run
from lib.ui.how_asked import how_asked
from lib.ui.identity import actor


def draw() -> None:
    """The chosen checklist in the chosen view. Raises SourceError."""
    history = book.history()
    current = history.current()
    views = (book.RUN, book.CALENDAR, book.ITEMS, *((book.EDIT,) if actor().role.covers(Role.ADMIN) else ()))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        chosen = _which(history)
        view = st.segmented_control(
            "View", views, default=book.RUN, key=book.VIEW, bind="query-params", required=True,
            label_visibility="collapsed",
        )  # fmt: skip
    if view == book.EDIT:
        edit.draw(history, chosen if chosen is not None and chosen.name in current else None)
    elif chosen is None:
        st.markdown("○ There is no checklist. An admin can make one under Edit.")
    else:
        {book.RUN: _run, book.CALENDAR: past.calendar, book.ITEMS: past.items}[str(view)](chosen)


def _which(history: History) -> Checklist | None:
    """Those that were taken away stand last: their runs stay, and the one that goes on can still be worked through."""
    known, current = history.known(), history.current()
    if not known:
        return None
    names = list(known)
    name = st.segmented_control(
        "Checklist", names, default=names[0], key=book.LIST, bind="query-params", required=True,
        format_func=lambda name: name.capitalize() + ("" if name in current else " (ended)"),
        label_visibility="collapsed", on_change=book.open_day, args=(None,),
    )  # fmt: skip
    return known.get(str(name), known[names[0]])


def _run(checklist: Checklist) -> None:
    found = book.run_of(checklist.name)
    if found is None:
        one = str(checklist.period)
        st.markdown(
            f"○ There is no run of this {one}: the present {one}'s is opened within seconds while the collection runs."
        )
        return
    if book.day() is not None:
        st.button("Back to the current run", on_click=book.open_day, args=(None,), icon=":material/arrow_back:")
    acts.dialogs(found.id)
    with how_asked():
        run.board(found.id)
        report.buttons(found)
