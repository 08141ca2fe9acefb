"""The page's controls, and the view that the address asks for."""

from __future__ import annotations

import streamlit as st

from lib.checklists.model import Checklist, Period
from lib.identity.roles import Role
from lib.ui.checklists import acts, book, edit, past, report, run
from lib.ui.identity import actor


def draw() -> None:
    """The chosen checklist in the chosen view. Raises SourceError."""
    history = book.history()
    current = history.current()
    views = (book.RUN, book.CALENDAR, book.ITEMS, *((book.EDIT,) if actor().role.covers(Role.ADMIN) else ()))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        chosen = _which(current)
        view = st.segmented_control(
            "View", views, default=book.RUN, key=book.VIEW, bind="query-params", required=True,
            label_visibility="collapsed",
        )  # fmt: skip
    if view == book.EDIT:
        edit.draw(history, chosen)
    elif chosen is None:
        st.markdown("○ There is no checklist. An admin can make one under Edit.")
    else:
        {book.RUN: _run, book.CALENDAR: past.calendar, book.ITEMS: past.items}[str(view)](chosen)


def _which(current: dict[str, Checklist]) -> Checklist | None:
    if not current:
        return None
    names = list(current)
    name = st.segmented_control(
        "Checklist", names, default=names[0], key=book.LIST, bind="query-params", required=True,
        format_func=str.capitalize, label_visibility="collapsed", on_change=book.open_day, args=(None,),
    )  # fmt: skip
    return current.get(str(name), current[names[0]])


def _run(checklist: Checklist) -> None:
    found = book.run_of(checklist.name)
    if found is None:
        word = {Period.DAY: "day", Period.WEEK: "week", Period.MONTH: "month"}[checklist.period]
        st.markdown(f"○ There is no run of this {word} yet: one is opened within seconds while the collection runs.")
        return
    if book.day() is not None:
        st.button("Back to the current run", on_click=book.open_day, args=(None,), icon=":material/arrow_back:")
    acts.dialogs(found.id)
    run.board(found.id)
    report.buttons(found)
