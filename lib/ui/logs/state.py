"""What the Logs page keeps in the address: the query, levels, columns, the open record, what is followed, which page."""

from __future__ import annotations

import streamlit as st

from lib.errors import QueryError
from lib.logs.lucene import clause
from lib.logs.lucene_parse import MOST_CHARACTERS, parse
from lib.personal import HIDDEN, hide_value
from lib.ui import address, clock, time_range
from lib.window import Window

QUERY, LEVELS, COLUMNS, RECORD, FOLLOW, PAGE, TOP, VIEW = (
    "q",
    "levels",
    "columns",
    "record",
    "follow",
    "page",
    "top",
    "view",
)
ROWS = 200
LAST_PAGE = 50
"""Older pages are not offered: ten thousand records are not read, they are narrowed down."""

LONGEST_VALUE = 120
_HELD = "_logs_window"


def drawn_unseen() -> None:
    """The controls that keep state in the address and that nobody types into."""
    address.unseen(RECORD, FOLLOW, PAGE)


def several(key: str) -> tuple[str, ...]:
    """The values of a control of several; before it is drawn for the first time, those in the address."""
    value = st.session_state[key] if key in st.session_state else st.query_params.get_all(key)
    return tuple(map(str, value or ()))


def page() -> int:
    """Which page of records, from 1."""
    number = address.value(PAGE)
    return min(max(int(number), 1), LAST_PAGE) if number.isascii() and number.isdigit() and len(number) < 6 else 1


def go_to_page(number: int) -> None:
    """Another page; the first has no place in the address."""
    st.session_state[PAGE] = str(number) if number > 1 else ""


def first_page() -> None:
    """After a change of what is looked for."""
    go_to_page(1)


def open_record(record_id: str) -> None:
    """Shows a record; "" closes it."""
    st.session_state[RECORD] = record_id


def follow(field: str = "", value: str = "") -> None:
    """Shows everything of a request or a lead; without a field, no longer."""
    st.session_state[FOLLOW] = f"{field}:{value}" if field else ""


def search_for(query: str) -> None:
    """Another query."""
    st.session_state[QUERY] = query
    first_page()


def clear() -> None:
    """Takes every filter away."""
    search_for("")
    st.session_state[LEVELS] = []


def add(field: str, value: str, *, negated: bool = False) -> None:
    """Narrows the query down to records with this value, or to those without it."""
    narrowed = narrower(address.value(QUERY), field, value, negated=negated)
    if narrowed is None:
        st.toast(f"The query would be longer than {MOST_CHARACTERS} characters.", icon=":material/edit:")
    else:
        search_for(narrowed)


def narrower(query: str, field: str, value: str, *, negated: bool = False) -> str | None:
    """The query and one condition more; None where that cannot be asked. What is wrong already is replaced."""
    query = query.strip()
    if query and not _valid(query):
        query = ""
    added = clause(field, value, negated=negated)
    if added in query:
        return query
    opposite = clause(field, value, negated=not negated)
    if query == opposite:
        query = ""
    kept = f"({query})" if " OR " in query else query
    narrowed = f"{kept} {added}".strip()
    return narrowed if _valid(narrowed) else None


def address_of_pattern(pattern_id: str) -> dict[str, str]:
    """What the address of this page needs to show one pattern's records, for links from other pages."""
    return {QUERY: clause("pattern_id", pattern_id)}


def _valid(query: str) -> bool:
    try:
        parse(query)
    except QueryError:
        return False
    return True


def can_filter(field: str, value: str) -> bool:
    """Whether a value can stand in a query: short, nothing that an address must not hold, of a field with a usable name."""
    return (
        len(value) <= LONGEST_VALUE
        and HIDDEN not in value
        and hide_value(field, value) == value
        and not set(field) & set("*?")
        and field not in ("", "ts")
    )


def steady_window() -> Window:
    """The page's range in whole minutes, or its cards would not count the same records; it stands still while a record
    is open or an older page is read, so that no row moves."""
    sign = (time_range.chosen(), clock.display_zone())
    window = _whole_minutes(time_range.time_window(), to_now="/" not in sign[0])
    held = st.session_state.get(_HELD)
    if (address.value(RECORD) or page() > 1) and held is not None and held[0] == sign:
        return Window(*held[1])
    st.session_state[_HELD] = (sign, (window.start, window.end, window.zone))
    return window


def _whole_minutes(window: Window, *, to_now: bool) -> Window:
    """Charts and patterns count whole minutes. One that ends now keeps its end: nothing is there after it, and the next
    refresh has to see more."""
    whole = window.whole_minutes()
    return Window(whole.start, window.end, window.zone) if to_now else whole
