"""Draws a figure so that a refresh keeps the viewer's zoom and legend, and a drag sets the page's time range."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import streamlit as st

from lib.http import PLOTLY_URL
from lib.ui import time_range
from lib.ui.charts.base import Figure, tokens
from lib.ui.clock import display_zone

_COMPONENT = st.components.v2.component(
    "live_chart",
    html="<div class='live-chart'></div>",
    js=(Path(__file__).parent / "live_chart_stub.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def live_chart(figure: Figure, *, key: str, alt: str, height: int = 260) -> None:
    """Draws a figure of lib.ui.charts. `alt` says in words what it shows; `key` is unique on the page.

    On a time axis, a drag sets the page's range and a double click goes back to the range before.
    """
    zoomable = figure["layout"].get("xaxis", {}).get("type") == "date"
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
