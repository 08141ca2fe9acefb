"""The Logs page's search box, level pills and columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from lib.errors import QueryError, SourceError
from lib.logs.answers import SEARCH_DTYPES
from lib.logs.lucene_parse import MOST_CHARACTERS, parse
from lib.ui import address, cache
from lib.ui.logs import state
from lib.ui.logs.fields import names_inside
from lib.ui.query_error import query_error
from lib.window import Window

LEVELS = ("FATAL", "ERROR", "WARN", "INFO", "HTTP", "DEBUG", "UNPARSED")
DEFAULT_COLUMNS = ("level", "message", "operation", "route", "status", "duration_ms", "service")
COLUMNS = (
    *DEFAULT_COLUMNS, "error", "event", "source", "method", "url", "request_id", "lead_id", "version", "pattern_id",
    "reason",
)  # fmt: skip
HELP = """
| type | to find |
|---|---|
| `timeout "gave up"` | both, anywhere in message, error or stack |
| `level:error -source:apollo` | that level, not that source |
| `status:5xx duration:>=500` | a class of answers; numbers |
| `operation:halo* _exists_:email` | begins with; has a value |
| `a OR (b AND NOT c)` | words side by side must all hold |
| `ts:[2026-03-02T10:00 TO *]` | times, in UTC |

Fields are the columns and the record's own names, such as `requestId` or `context.leadId`. Long texts are found by
their parts whatever the case; every other field by its whole value.
"""


def search_row() -> None:
    """One row: what to look for, its help, and which columns to show."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input(
            "Search the logs", key=state.QUERY, bind="query-params", type="search", max_chars=MOST_CHARACTERS,
            placeholder="timeout level:error status:5xx   ( / )", label_visibility="collapsed",
            icon=":material/search:", on_change=state.first_page,
        )  # fmt: skip
        with st.popover("", icon=":material/help:", help="How to ask", key="query_help"):
            st.markdown(HELP)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.pills(
            "Levels", LEVELS, selection_mode="multi", key=state.LEVELS, bind="query-params",
            label_visibility="collapsed", on_change=state.first_page,
        )  # fmt: skip
        _clear()


def _clear() -> None:
    if address.value(state.QUERY) or state.several(state.LEVELS):
        st.button("Clear", icon=":material/close:", type="tertiary", key="clear_filters", on_click=state.clear)


def asked() -> dict[str, Any] | None:
    """The filter as signals take it; None, with the reason drawn, where the query cannot be asked."""
    query = address.value(state.QUERY).strip()
    try:
        parse(query)
    except QueryError as error:
        query_error(query, error)
        return None
    return {"lucene": query, "levels": tuple(name for name in state.several(state.LEVELS) if name in LEVELS)}


def shown_columns() -> tuple[str, ...]:
    """The columns of the table, beside the time: of the record, or names of its other fields."""
    return state.several(state.COLUMNS) or DEFAULT_COLUMNS


def columns_read(shown: Sequence[str]) -> tuple[str, ...]:
    """What the store must give for these columns of the table and for the names of all other fields.

    A message is shown with its error; a name that is no column stands in `fields`.
    """
    wanted = {*shown, "fields"} | ({"error"} if "message" in shown else set())
    return tuple(sorted(wanted & set(SEARCH_DTYPES)))


def page_of_records(
    window: Window, filters: dict[str, Any], before: tuple[datetime, str] | None = None
) -> pd.DataFrame:
    """The records after `before`, in the columns that are shown: each that is not spares the store work. Raises SourceError."""
    columns = columns_read(shown_columns())
    found: pd.DataFrame = cache.frame(
        "log_records", window, **filters, limit=state.ROWS, before=before, columns=columns
    )
    return found


def field_names(window: Window, filters: dict[str, Any]) -> list[str]:
    """Every column, and the names inside `fields` of the newest records found."""
    try:
        found = page_of_records(window, filters)
    except SourceError:
        return list(COLUMNS)
    return list(dict.fromkeys([*COLUMNS, *names_inside(found["fields"])]))
