"""Draws a figure so that a refresh keeps the viewer's zoom and legend, and a drag sets the page's time range."""

from __future__ import annotations

import base64
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import streamlit as st

from lib.http import PLOTLY_URL
from lib.ui import time_range
from lib.ui.alerts import maintenance, marks
from lib.ui.charts.base import Figure, local_text, tokens
from lib.ui.clock import display_zone
from lib.window import Window

STRIP_FROM = 150
"""A lower chart (px) has no room for a strip of the alerts of others."""

_COMPONENT = st.components.v2.component(
    "live_chart",
    html="<div class='live-chart'></div>",
    js=(Path(__file__).parent / "live_chart_stub.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def live_chart(
    figure: Figure, *, key: str, alt: str, height: int = 260, rules: Collection[str] = (), named: Collection[str] = (),
    window: Window | None = None, marked: bool = True,
) -> None:  # fmt: skip
    """Draws a figure of lib.ui.charts. `alt` says in words what it shows; `key` is unique on the page.

    On a time axis, a drag sets the page's range and a double click goes back to the range before, and alerts are marked:
    shaded while one of `rules` fired (by name unless it is in `named`) or was silenced, a strip at the foot for every other.
    `window` is for an axis without a range of its own; a figure that is not about what really happened is not `marked`.
    """
    zoomable = figure["layout"].get("xaxis", {}).get("type") == "date"
    shown = (window or _shown(figure)) if zoomable and marked else None
    if shown is not None:
        maintenance.mark(figure, shown, rules=rules)
    if shown is not None and (
        fired := marks.mark(figure, shown, rules=rules, named=named, others=height >= STRIP_FROM)
    ):
        alt = f"{alt}. {fired}"
    _COMPONENT(
        data={
            "figure": encoded(figure),
            "alt": alt,
            "height": height,
            "plotly": PLOTLY_URL,
            "tokens": tokens(),
            "view": st.session_state.get(time_range.RANGE) or "",
            "zoomable": zoomable,
        },
        key=key,
        on_range_change=lambda: _take_range(key),
        on_back_change=time_range.back,
        height=height,
    )


def _shown(figure: Figure) -> Window | None:
    """The range of its time axis; None where that has none."""
    ends = figure["layout"]["xaxis"].get("range")
    if not ends:
        return None
    page = time_range.time_window()
    if ends == [local_text(moment, page.zone) for moment in (page.start, page.end)]:
        return page  # exact, where the clock is put back as well
    return Window(_moment(ends[0]), _moment(ends[1]), display_zone())


def _take_range(key: str) -> None:
    dragged = st.session_state[key].get("range")
    try:
        start, end = (_moment(value) for value in dragged)
    except (TypeError, ValueError, OverflowError):  # sent by the browser: anything can come
        return
    if start < end:
        time_range.set_absolute(start, end)


def _moment(value: Any) -> datetime:
    """A time on the viewer's clock, as the chart gives it: "2026-03-29 09:00:00.1234"."""
    naive = datetime.fromisoformat(str(value)[:19]).replace(tzinfo=None)
    return naive.replace(tzinfo=ZoneInfo(display_zone())).astimezone(UTC)


def encoded(part: Any) -> Any:
    """The figure as JSON values: a float array as base64 float32, which Plotly reads and which is half the size of digits."""
    if isinstance(part, dict):
        return {name: encoded(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [encoded(value) for value in part]
    if isinstance(part, np.ndarray):
        return _array(part)
    return part.item() if isinstance(part, np.generic) else part


def _array(values: np.ndarray[Any, Any]) -> Any:
    if values.dtype.kind not in "iuf":
        return [encoded(value) for value in values.tolist()]
    kind = "f8" if values.dtype.itemsize == 8 and values.size and np.nanmax(np.abs(values), initial=0) > 1e7 else "f4"
    packed = np.ascontiguousarray(values, dtype=f"<{kind}")
    shape = {} if values.ndim == 1 else {"shape": ", ".join(map(str, values.shape))}
    return {"dtype": kind, "bdata": base64.b64encode(packed.tobytes()).decode("ascii"), **shape}
