"""Logs: find records, see what they have in common, follow a request or a lead."""

from typing import Any

import streamlit as st

from lib.ui import address, cache, cards, text
from lib.ui.charts import base as charts
from lib.ui.charts.logs import level_colour
from lib.ui.live import live
from lib.ui.live_chart import live_chart
from lib.ui.logs import search, state
from lib.ui.logs.detail import detail, followed
from lib.ui.logs.rows import level_label, records
from lib.ui.panel import nothing_in_range, panel
from lib.window import Window


def volume(window: Window, filters: dict[str, Any]) -> None:
    """How many records when, by level; a drag is the page's range."""
    found = cache.frame("log_levels", window, **filters)
    if found.empty:
        nothing_in_range("No log record")
        return
    colours = {name: level_colour(name) for name in found.columns}
    figure = charts.stacked_bars(found, window, colours=colours)
    live_chart(figure, key="volume", alt="Log records per bucket over time, stacked by level", height=150)


def top_values(window: Window, filters: dict[str, Any]) -> None:
    """The most frequent values of one field; a click filters for one."""
    names = list(dict.fromkeys([*search.field_names(window, filters), *filter(None, [address.value(state.TOP)])]))
    field = st.selectbox("Field", names, index=names.index("route"), key=state.TOP, bind="query-params",
                         label_visibility="collapsed")  # fmt: skip
    found = cache.frame("log_top_values", window, **filters, field=field)
    if found.empty:
        nothing_in_range("No log record")
        return
    columns = {
        "value": st.column_config.TextColumn("Value", width=150),
        "records": st.column_config.NumberColumn("Records", width=60),
        "share": st.column_config.ProgressColumn("Share", format="percent", min_value=0, max_value=1, width=85),
    }
    shown = found.assign(value=[value or text.NONE for value in found["value"]])
    chosen = cards.table(shown, key=f"top_{field}", topic=f"top {field}", columns=columns, select=True,
                         height=250 if len(found) > 6 else None)  # fmt: skip
    if chosen is not None:
        value = str(found["value"].loc[chosen.name])
        usable = state.can_filter(field, value)
        with st.container(horizontal=True):
            st.button("Filter for", icon=":material/add:", disabled=not usable, on_click=state.add, args=(field, value))
            st.button("Filter out", icon=":material/remove:", disabled=not usable, on_click=state.add,
                      args=(field, value), kwargs={"negated": True})  # fmt: skip


def patterns(window: Window, filters: dict[str, Any]) -> None:
    """The records found as normalised texts; a click filters for one."""
    found = cache.frame("log_patterns", window, **filters)
    if found.empty:
        nothing_in_range("No log record")
        return
    columns = {
        "pattern_id": None,
        "level": st.column_config.TextColumn("Level", width=85),
        "pattern": st.column_config.TextColumn("Pattern", width=280),
        "records": st.column_config.NumberColumn("Records", width=70),
        "share": st.column_config.ProgressColumn("Share", format="percent", min_value=0, max_value=1, width=90),
        "last_seen": st.column_config.DatetimeColumn("Last seen", format="D MMM HH:mm", width=100),
        "trend": st.column_config.BarChartColumn("Trend", y_min=0, width=110),
    }
    shown = found.assign(level=[level_label(level) for level in found["level"]])
    chosen = cards.table(shown, key="patterns", topic="log patterns", columns=columns, select=True,
                         height=250 if len(found) > 6 else None)  # fmt: skip
    if chosen is not None:
        st.button("Filter for this pattern", icon=":material/add:", on_click=state.add,
                  args=("pattern_id", str(chosen["pattern_id"])))  # fmt: skip


def body() -> None:
    state.drawn_unseen()
    search.search_row()
    filters = search.asked()
    if filters is None:
        return
    window = state.steady_window()
    with panel(
        "Records by level", height=150, help="The range goes by whole minutes on this page: ts:[… TO …] is finer."
    ):
        volume(window, filters)
    opened = address.value(state.RECORD)
    with panel("Records", height=420):
        records(window, filters)
    if opened:
        with panel("Record", height=300):
            detail(window, opened)
    if address.value(state.FOLLOW):
        with panel("Followed", height=300):
            followed(window)
    left, right = st.columns([1, 2])
    with left, panel("Top values", height=250, help="Of the records found"):
        top_values(window, filters)
    with (
        right,
        panel("Patterns", height=250, help="Texts of the records found, with ids, numbers and quotes taken out."),
    ):
        patterns(window, filters)


st.title("Logs", anchor=False)
live(body)
