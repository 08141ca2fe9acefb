"""Explore: ask the metrics anything, in PromQL."""

from typing import Any

import streamlit as st

from lib.signals.explore import MOST_SERIES
from lib.ui import cache, cards, text
from lib.ui.charts import base as charts
from lib.ui.live import live
from lib.ui.live_chart import live_chart
from lib.ui.panel import nothing_in_range, panel
from lib.ui.promql_help import EXPRESSION, expression_box, promql_help
from lib.ui.time_range import time_window
from lib.window import Window

EXAMPLE = "sum by (status_code) (rate(http_requests_total[5m]))"


def question() -> str:
    """The expression, with help to type it."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        expression_box(EXAMPLE)
        with st.popover("Insert", icon=":material/add:", key="promql_help"):
            promql_help(time_window())
    return str(st.session_state.get(EXPRESSION) or "").strip()


def over_time(window: Window, expression: str) -> None:
    """The expression over the range."""
    found = cache.frame("explore_range", window, expression=expression)
    frame = found["frame"]
    if frame.empty or not frame.shape[1]:
        nothing_in_range("No sample")
        return
    drawn = f"{text.number(frame.shape[1])} of {text.number(found['series'])} series"
    why = f", those with the highest last value (at most {MOST_SERIES})" if found["series"] > frame.shape[1] else ""
    st.caption(f"{drawn}{why} · one value every {text.span(found['step_s'])} · {text.number(len(frame))} points")
    warned(found["warnings"])
    live_chart(charts.lines(frame, window), key="explored", height=340,
               alt=f"The expression over time, {frame.shape[1]} series")  # fmt: skip


def at_the_end(window: Window, expression: str) -> None:
    """The expression at the end of the range."""
    found = cache.frame("explore_instant", window, expression=expression)
    if found["frame"].empty:
        nothing_in_range("No sample")
        return
    if found["series"] > len(found["frame"]):
        st.caption(
            f"Showing {text.number(len(found['frame']))} of {text.number(found['series'])} series, highest first"
        )
    columns: dict[str, Any] = {name: st.column_config.TextColumn(name) for name in found["frame"]}
    columns["value"] = st.column_config.NumberColumn("Value", format="%.6g")
    cards.table(
        found["frame"],
        key="explored_now",
        topic="promql",
        columns=columns,
        height=300 if len(found["frame"]) > 10 else None,
    )


def warned(warnings: tuple[str, ...]) -> None:
    """What the store said about the answer's honesty."""
    for warning in warnings[:3]:
        st.caption(f":orange-badge[◆ Note] {text.esc_md(warning)}")


def body() -> None:
    expression = question()
    if not expression:
        st.caption(
            "Type an expression, or put one together under Insert. The address of the page is a link to its answer."
        )
        return
    window = time_window()
    answered = False
    with panel("Over time", height=340, query=expression):
        over_time(window, expression)
        answered = True
    if answered:
        with panel("At the end of the range", height=200, query=expression):
            at_the_end(window, expression)


st.title("Explore", anchor=False)
live(body, analysis=True)
