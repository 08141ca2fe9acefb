"""What every figure shares: its layout, its time axis, its colours, its threshold lines and its markers.

A figure is a dict in Plotly's JSON form whose arrays are numpy arrays. A colour is a token ("@critical", "@3", "@muted")
that the chart component replaces with the colour of the theme that is on, so that a figure is built once for all viewers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from lib.ui.severity import LOOKS, look
from lib.window import Window

Figure = dict[str, Any]
FEW = 6
"""Of so few values each is marked: a line through one value, or beside a hole, would not be seen."""

MUTED, TEXT, GRID, BACKGROUND = "@muted", "@text", "@grid", "@background"

STATUS_CLASSES = {"4xx": "@warning", "5xx": "@critical"}
"""Answers that say something went wrong, in the colours that say so everywhere."""

_OWN = {
    "average": 0, "p50": 1, "p95": 2, "p99": 3, "apollo": 0, "zoominfo": 1, "halopsa": 2, "database": 3, "queue": 4,
    "service": 5, "select": 0, "insert": 1, "update": 2, "delete": 3, "created": 0, "converted": 1, "opportunities": 2,
}  # fmt: skip
"""Names that come in several charts, not always beside the same others, and the place of each one's colour."""

_BEFORE = {"width": 1.2, "dash": "dot"}


def severity_colour(status: str) -> str:
    """The colour token of a status, a level or a health state."""
    word = look(status).word.lower()
    return f"@{word.replace(' ', '_')}"


def series_colour(position: int) -> str:
    """The colour token of the n-th series."""
    return f"@{position % 10}"


def series_colours(names: Sequence[str]) -> list[str]:
    """The colour tokens of the series of one chart: a name's own, so that it is the same on every chart, else the next
    that no other series there has."""
    lowered = [name.lower() for name in names]
    taken = {_OWN[name] for name in lowered if name in _OWN}
    free = [place for place in range(10) if place not in taken]
    others = [name for name in lowered if name not in _OWN]
    places = {name: free[number % len(free)] for number, name in enumerate(others)} | _OWN
    return [series_colour(places[name]) for name in lowered]


def tokens() -> dict[str, dict[str, str]]:
    """Severity colours per theme and token, for the chart component; the others come from the page's own style."""
    return {
        theme: {
            severity_colour(status) + ending: getattr(shape, theme + ending)
            for status, shape in LOOKS.items()
            for ending in ("", "_text")
        }
        for theme in ("light", "dark")
    }


def layout(window: Window | None = None, *, unit: str = "", legend: bool = True, **more: Any) -> dict[str, Any]:
    """The shared layout: the unit on the axis, no ornament; with a window, a time axis that spans all of it."""
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID, "tickfont": {"color": MUTED}}
    xaxis: dict[str, Any] = {**axis, "showgrid": False, "showline": True}
    if window is not None:
        span = [local_text(moment, window.zone) for moment in (window.start, window.end)]
        xaxis |= {"type": "date", "range": span, "hoverformat": "%d %b %H:%M:%S"}
    yaxis = {**axis, "rangemode": "tozero", "fixedrange": window is not None, "ticksuffix": _suffix(unit), "nticks": 6,
             "exponentformat": "none", "separatethousands": True}  # fmt: skip
    return {
        "xaxis": xaxis,
        "yaxis": yaxis,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "showlegend": legend,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 12}},
        "hovermode": "x unified" if window is not None else "closest",
        "hoverlabel": {"bgcolor": BACKGROUND, "bordercolor": GRID, "font": {"color": TEXT}},
        "dragmode": "zoom" if window is not None else False,
        "separators": ".\u202f",
        "shapes": [],
        "annotations": [],
        **more,
    }


def _suffix(unit: str) -> str:
    return f"\u202f{unit}" if unit else ""


def time_axis(index: pd.DatetimeIndex, zone: str) -> dict[str, Any]:
    """The x of a trace on the zone's clock: `x0` and `dx` (ms) for an even step, else every time. `index` is in UTC.

    Times are text without a zone: Plotly would move a number by the browser's own offset.
    """
    local = index.tz_convert(zone).tz_localize(None)
    steps = np.diff(local.as_unit("ms").asi8)
    if len(local) and (len(steps) == 0 or (steps == steps[0]).all()):
        return {"x0": local[0].isoformat(), "dx": int(steps[0]) if len(steps) else 1000}
    return {"x": [moment.isoformat() for moment in local]}


def lines(
    frame: pd.DataFrame, window: Window, *, unit: str = "", colours: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None, filled: bool = False,
) -> Figure:  # fmt: skip
    """One line per float column of a frame indexed by `ts` (UTC); NaN leaves a hole. `names` are the legend's words."""
    axis = time_axis(pd.DatetimeIndex(frame.index), window.zone)
    data, shown = [], [(names or {}).get(str(column), str(column)) for column in frame.columns]
    for column, name, own in zip(frame.columns, shown, series_colours(shown), strict=True):
        colour = (colours or {}).get(str(column), own)
        values = frame[column].to_numpy("float32", na_value=np.nan)
        trace = {
            "type": "scatter",
            "mode": "lines" if np.isfinite(values).sum() > FEW else "lines+markers",
            "marker": {"color": colour, "size": 4},
            "name": plain(name),
            **axis,
            "y": values,
            "line": {"color": colour, "width": 1.6},
            "connectgaps": False,
        }
        data.append(trace | ({"fill": "tozeroy", "fillcolor": f"{colour}/0.15"} if filled else {}))
    return {"data": data, "layout": layout(window, unit=unit, legend=len(data) > 1)}


def stacked_bars(
    frame: pd.DataFrame, window: Window, *, unit: str = "", colours: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> Figure:  # fmt: skip
    """Bars per bucket stacked by column, for counts: a frame of numbers indexed by `ts` (UTC bucket starts).

    The last bucket is marked while it still fills.
    """
    axis = time_axis(pd.DatetimeIndex(frame.index), window.zone)
    data = [
        {
            "type": "bar",
            "name": plain((names or {}).get(str(column), str(column))),
            **axis,
            "y": frame[column].to_numpy("float32", na_value=np.nan),
            "marker": {
                "color": (colours or {}).get(str(column), own),
                "line": {"width": 0},
            },
            **({"offset": 0, "width": axis["dx"]} if "dx" in axis else {}),
        }
        for column, own in zip(frame.columns, series_colours([str(c) for c in frame.columns]), strict=True)
    ]
    figure = {"data": data, "layout": layout(window, unit=unit, barmode="stack", bargap=0)}
    return _still_filling(figure, pd.DatetimeIndex(frame.index), window)


def counted_lines(frame: pd.DataFrame, window: Window, **more: Any) -> Figure:
    """`lines` of counts per bucket, whose last bucket is marked while it still fills."""
    return _still_filling(lines(frame, window, **more), pd.DatetimeIndex(frame.index), window)


def _still_filling(figure: Figure, index: pd.DatetimeIndex, window: Window) -> Figure:
    """A shade and a word over the last bucket, unless the window holds all of it: its count can only grow."""
    if len(index) < 2 or index[-1] + (index[-1] - index[-2]) <= pd.Timestamp(window.end):
        return figure
    start, end = (local_text(moment, window.zone) for moment in (index[-1].to_pydatetime(), window.end))
    shade = {"type": "rect", "xref": "x", "yref": "paper", "x0": start, "x1": end, "y0": 0, "y1": 1, "layer": "below"}
    figure["layout"]["shapes"].append({**shade, "fillcolor": f"{MUTED}/0.25", "line": {"width": 0}})
    word = {"text": "so far", "showarrow": False, "xref": "x", "x": end, "xanchor": "right", "yref": "paper", "y": 1}
    on_bars = {"bgcolor": f"{BACKGROUND}/0.8", "font": {"color": MUTED, "size": 11}}
    figure["layout"]["annotations"].append({**word, "yanchor": "top", **on_bars})
    return figure


def overlay_previous(figure: Figure, past: Figure) -> Figure:
    """Adds the figure of the preceding period, whose times were moved onto this one, as dotted lines in the same colours.

    Over stacked bars a line runs where the past bar's top would be.
    """
    top: Any = 0.0
    for trace in past["data"]:
        top = np.nan_to_num(trace["y"]) + top if trace["type"] == "bar" else trace["y"]
        known = np.where(np.isfinite(trace["y"]), top, np.nan).astype("float32")
        line = {
            "type": "scatter",
            "mode": "lines",
            "name": f"{trace['name']}, before",
            "y": known,
            "connectgaps": False,
        }
        axis = {name: trace[name] for name in ("x0", "dx", "x") if name in trace}
        figure["data"].append({**line, **axis, "line": {**_BEFORE, "color": trace["marker"]["color"]}})
    figure["layout"]["showlegend"] = True
    return figure


def threshold(figure: Figure, value: float, words: str, status: str = "warning") -> Figure:
    """A labelled line at a rule's threshold, in the axis' unit."""
    ends = {"xref": "paper", "x0": 0, "x1": 1, "y0": value, "y1": value}
    _line(figure, ends, severity_colour(status), "dash")
    _words(figure, words, status, xref="paper", x=1, xanchor="right", y=value, yanchor="bottom")
    return figure


def markers(figure: Figure, moments: Sequence[tuple[datetime, str]], window: Window, status: str = "info") -> Figure:
    """An upright line with words at each moment (a deploy, a restart, a maintenance): aware datetimes."""
    for moment, words in moments:
        x = local_text(moment, window.zone)
        _line(figure, {"yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x}, severity_colour(status), "dot")
        _words(figure, words, status, yref="paper", y=1, yanchor="top", x=x, xanchor="left")
    return figure


def spans(
    figure: Figure, found: Sequence[tuple[datetime, datetime]], window: Window, words: str = "", status: str = "critical"
) -> Figure:  # fmt: skip
    """A shade over each stretch of time (an alert that fired); the words stand at the newest one's beginning.

    All shades are one path, and all their beginnings another: a shape for each would cost a refresh ten times as much.
    """
    if not found:
        return figure
    colour, times = severity_colour(status), [(_in_path(start, window), _in_path(end, window)) for start, end in found]
    path = {"type": "path", "xref": "x", "yref": "paper"}
    filled = "".join(f"M{start},0V1H{end}V0Z" for start, end in times)
    edges = "".join(f"M{start},0V1" for start, _ in times)
    figure["layout"]["shapes"] += [
        {**path, "path": filled, "layer": "below", "fillcolor": f"{colour}/0.14", "line": {"width": 0}},
        {**path, "path": edges, "line": {"color": colour, "width": 1.2}},
    ]
    if words:
        start = found[-1][0]
        anchor = "left" if start - window.start < 0.6 * window.length else "right"  # else it would leave the chart
        place = {"x": local_text(start, window.zone), "xanchor": anchor}
        _words(figure, words, status, yref="paper", y=0, yanchor="bottom", **place)
    return figure


def strip(
    figure: Figure, found: Sequence[tuple[datetime, datetime, str]], window: Window, status: str = "warning"
) -> Figure:  # fmt: skip
    """A thin line along the foot of the chart for each stretch of time, whose ends say their words to the pointer."""
    if not found:
        return figure
    shape, colour = look(status), severity_colour(status)
    x: list[str | None] = []
    words: list[str] = []
    for start, end, said in found:
        x += [local_text(start, window.zone), local_text(end, window.zone), None]
        words += [f"{shape.glyph} {plain(said)}"] * 2 + [""]
    figure["layout"]["yaxis2"] = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    figure["data"].append(
        {
            "type": "scatter", "mode": "lines+markers", "name": shape.word, "yaxis": "y2", "x": x, "text": words,
            "y": [None if at is None else 0 for at in x], "line": {"color": colour, "width": 4}, "cliponaxis": False,
            "marker": {"color": colour, "size": 7, "symbol": shape.symbol}, "showlegend": False,
            "hovertemplate": "%{text}<extra></extra>",
        }
    )  # fmt: skip
    return figure


def _in_path(moment: datetime, window: Window) -> str:
    """A time as Plotly's paths take it: a T would be one of their commands."""
    return local_text(moment, window.zone).replace("T", "_")


def _line(figure: Figure, ends: dict[str, Any], colour: str, dash: str) -> None:
    figure["layout"]["shapes"].append({"type": "line", **ends, "line": {"color": colour, "width": 1.2, "dash": dash}})


def _words(figure: Figure, words: str, status: str, **place: Any) -> None:
    label = {"text": f"{look(status).glyph} {plain(words)}", "showarrow": False, "bgcolor": f"{BACKGROUND}/0.7"}
    font = {"color": f"{severity_colour(status)}_text", "size": 11}
    figure["layout"]["annotations"].append({**label, **place, "font": font})


def plain(words: str) -> str:
    """Foreign text for a chart: Plotly reads a little HTML, links among it, in every name and label."""
    return str(words).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")[:120]


def local_text(moment: datetime, zone: str) -> str:
    """An aware moment on the zone's clock, as charts take it: "2026-03-29T09:00:00"."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M:%S}"
