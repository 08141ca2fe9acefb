"""What a page is put together from: a chart of a signal, a table, a row of figures, a link to another page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd
import streamlit as st

from lib.errors import SourceError
from lib.ui import cache, text, time_range
from lib.ui import panel as states
from lib.ui.alerts import marks
from lib.ui.charts import base as charts
from lib.ui.live_chart import live_chart
from lib.ui.table import FEW_ROWS, localised, table
from lib.window import Window

__all__ = ["FEW_ROWS", "before", "figures", "localised", "percent", "table", "trend"]

Build = Callable[..., charts.Figure]


def trend(
    signal: str, *, key: str, alt: str, unit: str = "", rule: str = "", metric: str = "", quiet: str = "Nothing",
    build: Build = charts.lines, names: Mapping[str, str] | None = None, colours: Mapping[str, str] | None = None,
    height: int = 240, alerts: Sequence[str] = (),
) -> None:  # fmt: skip
    """A signal over time with the rule's limit, deploys, alerts, and the period before where the viewer compares.

    `metric` is what the signal is made of, for telling "none in this range" from "never exported"; `quiet` is what there
    was none of. Shaded is when the rule fired, and every rule that reads the metric or is named in `alerts`.
    """
    window = time_range.time_window()
    frame = cache.frame(signal, window)
    if frame.empty or not frame.shape[1]:
        _no_rows(window, metric, quiet)
        return
    figure = build(frame, window, unit=unit, names=names, colours=colours)
    before = time_range.compare_window()
    if before is not None:
        past = cache.frame(signal, before)
        moved = past.set_axis(past.index + window.length)
        charts.overlay_previous(figure, build(moved, window, unit=unit, names=names, colours=colours))
    named = _limit(figure, window, rule, unit)
    charts.markers(figure, _deploys(window), window)
    rules = {rule, *marks.rules_of(metric), *alerts} - {""}
    live_chart(figure, key=key, alt=alt, height=height, rules=rules, named=named)


def _no_rows(window: Window, metric: str, quiet: str) -> None:
    if metric and not cache.frame("metric_seen", window, metric=metric)["seen"]:
        states.never_seen(metric)
    else:
        states.nothing_in_range(quiet)


def _limit(figure: charts.Figure, window: Window, rule: str, unit: str) -> tuple[str, ...]:
    """Draws the rule's limit; the names of the rules that stand at a line."""
    limit = cache.frame("rule_limit", window, rule=rule) if rule else {}
    if not limit:
        return ()
    scale = 100 if unit == "%" else 1
    words = f"{rule} {limit['operator']} {text.number(limit['value'] * scale)}{unit and ' ' + unit}"
    charts.threshold(figure, limit["value"] * scale, words, limit["severity"])
    return (rule,)


def _deploys(window: Window) -> list[tuple[Any, str]]:
    try:
        found = cache.frame("version_changes", window)
    except SourceError:
        return []  # the chart has a source of its own; its markers may fail alone
    return [(row.ts.to_pydatetime(), f"v{row.version}") for row in found.itertuples()]


def percent(frame: pd.DataFrame, window: Window, **more: Any) -> charts.Figure:
    """Lines of ratios (0–1), drawn as percentages."""
    return charts.lines(frame * 100, window, **{**more, "unit": "%"})


def figures(items: Sequence[tuple[str, str, str, str]]) -> None:
    """A row of numbers: (label, value, change, help). Wraps on a narrow screen."""
    # Stretched, each is as high as all lines together where the row wraps in a card that is stretched itself.
    height: Literal["stretch", "content"] = "stretch" if any(change for _, _, change, _ in items) else "content"
    with st.container(horizontal=True, gap="small"):
        for label, shown, change, explained in items:
            st.metric(
                label, shown, change or None, delta_color="off", delta_arrow="off", border=True, help=explained or None,
                height=height,
            )  # fmt: skip


def before(value: float | None, shown: str) -> str:
    """The words under a number that compare it with the period before; none where that is unknown."""
    return "" if value is None or pd.isna(value) else f"before: {shown}"
