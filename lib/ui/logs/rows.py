"""The table of records: a page of them, their columns, a click, and what can be taken away as a file."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
import pandas as pd
import streamlit as st

from lib import signals
from lib.errors import SourceError
from lib.signals.logs import MOST_EXPORTED
from lib.ui import address, cache, cards, clock, runtime, text
from lib.ui.logs import search, state
from lib.ui.logs.fields import inside
from lib.ui.panel import filtered_out, nothing_in_range
from lib.ui.severity import look
from lib.ui.steps import steps
from lib.ui.table import edition, go_to
from lib.window import Window

ERRORS = ("FATAL", "CRITICAL", "ERROR")
_CONFIG: dict[str, Any] = {
    "ts": st.column_config.DatetimeColumn("When", format="D MMM HH:mm:ss.SSS", width=150),
    "level": st.column_config.TextColumn("Level", width=85),
    "message": st.column_config.TextColumn("Message", help="With the error, where there is one", width=420),
    "error": st.column_config.TextColumn("Error", width="large"),
    "stack": st.column_config.TextColumn("Stack", width="large"),
    "service": st.column_config.TextColumn("Service", width=120),
    "operation": st.column_config.TextColumn("Operation", width=130),
    "status": st.column_config.NumberColumn("Status", width=65, format="%d"),
    "duration_ms": st.column_config.NumberColumn("Took (ms)", width=85, format="%.1f"),
    "route": st.column_config.TextColumn("Route", width=150), "request_id": "Request", "lead_id": "Lead", "pattern_id": "Pattern",
}  # fmt: skip


def records(window: Window, filters: dict[str, Any]) -> None:
    """One page of records."""
    counts = cache.frame("log_counts", window, **filters)
    if not counts["found"]:
        if counts["every"]:
            filtered_out(counts["every"], state.clear)
        else:
            nothing_in_range("No log record")
        return
    number, found = _page(window, filters)
    _bar(window, filters, counts["found"], number, len(found))
    if found.empty:
        st.caption("There is no such page any more.")
        return
    _table(found, window, filters)


def _page(window: Window, filters: dict[str, Any]) -> tuple[int, pd.DataFrame]:
    """The chosen page; each begins after the last record of the one before, so that none is skipped or repeated."""
    number, before = 1, None
    while True:
        found = search.page_of_records(window, filters, before)
        if number >= state.page() or len(found) < state.ROWS:
            return number, found
        number, before = number + 1, (found["ts"].iloc[-1].to_pydatetime(), str(found["id"].iloc[-1]))


def _bar(window: Window, filters: dict[str, Any], total: int, number: int, shown: int) -> None:
    first = (number - 1) * state.ROWS
    which = f"{text.number(first + 1)}–{text.number(first + shown)}" if first else text.number(shown)
    more = first + shown < total
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"Showing {which} of {text.number(total)}", width="content")
        st.button("Newer", icon=":material/chevron_left:", key="newer", disabled=number <= 1, type="tertiary",
                  on_click=state.go_to_page, args=(number - 1,))  # fmt: skip
        st.button("Older", icon=":material/chevron_right:", key="older", type="tertiary",
                  disabled=not more or number >= state.LAST_PAGE, on_click=state.go_to_page, args=(number + 1,))  # fmt: skip
        if more and number >= state.LAST_PAGE:
            st.caption("Older ones: narrow the search or the range.")
        _columns(window, filters)
        _downloads(window, filters, total)


def _columns(window: Window, filters: dict[str, Any]) -> None:
    with st.popover("Columns", icon=":material/view_column:", key="columns_popover"):
        names = [*search.field_names(window, filters), *state.several(state.COLUMNS)]
        st.multiselect("Columns", list(dict.fromkeys(names)), list(search.DEFAULT_COLUMNS), key=state.COLUMNS,
                       bind="query-params", label_visibility="collapsed")  # fmt: skip


def _table(found: pd.DataFrame, window: Window, filters: dict[str, Any]) -> None:
    columns = search.shown_columns()
    shown = pd.DataFrame({"ts": cards.localised(found)["ts"]} | {name: _column(found, name) for name in columns})
    ids, chosen = found["id"].tolist(), address.value(state.RECORD)
    key = f"rows_{hash((tuple(ids), columns, edition(state.RECORD)))}"
    if key not in st.session_state and chosen in ids:
        more: dict[str, Any] = {"selection_default": {"selection": {"rows": [ids.index(chosen)]}}}
    else:
        more = {}
    held = address.value(state.RECORD) or state.page() > 1
    still = " The list stands still while a record or an older page is open." if held else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"Tick a row to open it.{still}", width="content")
        steps(partial(_step, window, filters, found))
    st.dataframe(
        shown, key=key, hide_index=True, column_config={name: _CONFIG.get(name, name) for name in map(str, shown.columns)},
        on_select=lambda: _open(key, ids), selection_mode="single-row", height=420 if len(shown) > 10 else "content",
        placeholder=text.NONE, alt="Log records, newest first", **more,
    )  # fmt: skip


def _step(window: Window, filters: dict[str, Any], shown: pd.DataFrame, by: int) -> None:
    """Opens the error before (-1) or after (1) the open record, wherever in the list it is; says so where there is none."""
    levels = tuple(one for one in ERRORS if not filters["levels"] or one in filters["levels"])
    try:
        found = (
            cache.frame("log_records", window, **{**filters, "levels": levels}, limit=state.ROWS, columns=())
            if levels
            else shown[:0]
        )
    except SourceError as error:
        st.toast(text.esc_md(error), icon=":material/error:")
        return
    to = _place(found, shown) + by
    to = math.ceil(to) if by < 0 else math.floor(to)
    if 0 <= to < len(found):
        go_to(state.RECORD, str(found["id"].iloc[to]))
    else:
        st.toast("No newer error." if by < 0 else "No older error in this range and filter.", icon=":material/info:")


def _place(errors: pd.DataFrame, shown: pd.DataFrame) -> float:
    """Where the open record is among the errors, newest first: between two where it is none, before all where none is open."""
    held = address.value(state.RECORD)
    if held in set(errors["id"]):
        return float(errors["id"].tolist().index(held))
    here = shown.loc[shown["id"] == held, "ts"]
    return float((errors["ts"] > here.iloc[0]).sum()) - 0.5 if len(here) else -1.0


def _open(key: str, ids: list[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    state.open_record(ids[rows[0]] if rows and rows[0] < len(ids) else "")


def _column(found: pd.DataFrame, name: str) -> Any:
    if name == "level":
        return [level_label(level) for level in found["level"]]
    if name == "message":
        return [
            f"{message}: {error}" if error else message
            for message, error in zip(found["message"], found["error"], strict=True)
        ]
    if name in found:
        return found[name]
    return [inside(fields).get(name, "") for fields in found["fields"]]


def level_label(level: str) -> str:
    """Shape and level."""
    return f"{look(level).glyph} {level}" if level else text.NONE


def _downloads(window: Window, filters: dict[str, Any], total: int) -> None:
    held = min(total, MOST_EXPORTED)
    capped = f"The newest {text.number(held)} of {text.number(total)} records" if total > held else "All records found"
    for label, name, kind, form in (
        ("CSV", "csv", "text/csv", partial(as_csv, zone=clock.display_zone())),
        ("JSON lines", "jsonl", "application/x-ndjson", as_lines),
    ):
        st.download_button(
            f"{label}, {text.rows(held)}", partial(_file, form, window, filters),
            text.csv_name("logs", window).removesuffix("csv") + name, kind, key=f"export_{name}", type="tertiary",
            icon=":material/download:", on_click="ignore", help=f"{capped}, personal data hidden",
        )  # fmt: skip


def _exported(window: Window, filters: dict[str, Any]) -> pd.DataFrame:
    """Asked when the file is wanted, not shared: ten thousand records are too many to keep for others."""
    found: pd.DataFrame = signals.SIGNALS["log_export"](runtime.current().stores, window, **filters)
    return found


def _file(form: Callable[[pd.DataFrame], bytes], window: Window, filters: dict[str, Any]) -> bytes:
    return form(_exported(window, filters))


def as_csv(found: pd.DataFrame, zone: str) -> bytes:
    """The records as CSV, times on the clock of the zone, formulas made harmless."""
    return text.csv_bytes(cards.localised(found, zone))


def as_lines(found: pd.DataFrame) -> bytes:
    """One JSON object per record: `ts` in UTC, every column that has a value, `fields` as an object."""
    lines = []
    for row in found.to_dict("records"):
        held = {str(name): value for name, value in row.items() if not (pd.isna(value) or value == "")}
        held["ts"] = row["ts"].isoformat()
        try:
            held["fields"] = orjson.loads(row["fields"])
        except orjson.JSONDecodeError:
            held["fields"] = row["fields"]
        lines.append(orjson.dumps(held, option=orjson.OPT_SERIALIZE_NUMPY, default=str))
    return b"\n".join([*lines, b""])
