"""What a page is put together from: a chart of a signal, a table, a row of figures, a link to another page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.errors import SourceError
from lib.ui import cache, clock, text, time_range
from lib.ui import panel as states
from lib.ui.alerts import marks
from lib.ui.charts import base as charts
from lib.ui.live_chart import live_chart
from lib.window import Window

Build = Callable[..., charts.Figure]
FEW_ROWS = 20
"""So many rows are shown whole; a longer table scrolls."""


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


def table(
    frame: pd.DataFrame, *, key: str, topic: str, columns: Mapping[str, Any] | None = None, select: bool = False,
    height: int | None = None,
) -> pd.Series[Any] | None:  # fmt: skip
    """Rows to sort and search, times on the viewer's clock, with a CSV of all of them. Gives the row chosen by a click.

    The columns that `columns` names come first, in its order. `height` (px) is for a table of more rows than that holds.
    """
    shown = _visible(localised(frame))
    named = [name for name in columns or () if name in shown]
    order = [*named, *(name for name in shown.columns if name not in named)]
    more: dict[str, Any] = (
        {"height": "content"} if len(frame) <= FEW_ROWS and not height else {"height": height or "auto"}
    )
    if select:
        more |= {"on_select": "rerun", "selection_mode": "single-row"}
    event = st.dataframe(
        shown, key=key, hide_index=True, column_order=order, column_config=dict(columns or {}), width="stretch",
        placeholder=text.NONE, **more,
    )  # fmt: skip
    window = time_range.time_window()
    st.download_button(
        f"CSV, {text.rows(len(frame))}", lambda: text.csv_bytes(shown), text.csv_name(topic, window), "text/csv",
        key=f"csv_{key}", type="tertiary", icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    rows = event["selection"]["rows"] if select else []
    return frame.iloc[rows[0]] if rows and rows[0] < len(frame) else None


def localised(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its UTC times on the viewer's clock."""
    zone = clock.display_zone()
    times = {c: frame[c].dt.tz_convert(zone) for c in frame.columns if isinstance(frame[c].dtype, pd.DatetimeTZDtype)}
    return frame.assign(**times)


def _visible(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with what could steer or reorder its foreign texts made visible."""
    texts = [c for c in frame.columns if pd.api.types.is_object_dtype(frame[c]) or frame[c].dtype == "str"]
    return frame.assign(**{c: frame[c].map(lambda v: text.visible(v) if isinstance(v, str) else v) for c in texts})


def figures(items: Sequence[tuple[str, str, str, str]]) -> None:
    """A row of numbers: (label, value, change, help). Wraps on a narrow screen."""
    with st.container(horizontal=True, gap="small"):
        for label, shown, change, explained in items:
            st.metric(
                label, shown, change or None, delta_color="off", delta_arrow="off", border=True, help=explained or None,
                height="stretch",
            )  # fmt: skip


def before(value: float | None, shown: str) -> str:
    """The words under a number that compare it with the period before; none where that is unknown."""
    return "" if value is None or pd.isna(value) else f"before: {shown}"
