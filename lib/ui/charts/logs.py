"""Figures of log records: counts per level, and one request's or lead's records on a time line."""

from __future__ import annotations

import pandas as pd

from lib.ui.charts.base import Figure, layout, plain, severity_colour
from lib.ui.severity import look

_OWN = {"INFO": "@0", "HTTP": "@5", "DEBUG": "@muted", "VERBOSE": "@muted"}


def level_colour(level: str) -> str:
    """A level's colour: problems in the colours that say so everywhere, the rest quiet."""
    return _OWN.get(level, severity_colour("warning" if level == "UNPARSED" else level))


def time_line(found: pd.DataFrame, zone: str) -> Figure:
    """A row per operation, a mark per record with the level's colour and shape; `found` as `LogStore.trace` gives it."""
    named = (
        found["operation"]
        .where(found["operation"] != "", found["event"])
        .where(lambda names: names != "", found["service"])
    )
    local = found["ts"].dt.tz_convert(zone).dt.tz_localize(None)
    data = []
    for level in dict.fromkeys(found["level"]):
        rows = found["level"] == level
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": plain(level or "(none)"),
                "x": [moment.isoformat() for moment in local[rows]], "y": [plain(name)[:40] for name in named[rows]],
                "text": [plain(words) for words in found.loc[rows, "message"]], "hovertemplate": "%{text}<br>%{x}<extra></extra>",
                "marker": {"size": 10, "symbol": look(level).symbol, "color": level_colour(level)},
            }
        )  # fmt: skip
    figure = layout(hovermode="closest")
    figure["xaxis"]["type"] = "date"
    figure["yaxis"] = {"type": "category", "gridcolor": "@grid", "tickfont": {"color": "@muted"}, "automargin": True}
    return {"data": data, "layout": figure | {"dragmode": False}}
