"""Figures of health: one row of coloured parts per check."""

from __future__ import annotations

import pandas as pd

from lib.ui.charts.base import BACKGROUND, Figure, layout, plain, severity_colour
from lib.ui.severity import look

STATES = {"critical": 0.0, "warning": 1.0, "ok": 2.0}


def uptime(frame: pd.DataFrame) -> Figure:
    """Each check over time: `check`, `ts`, `uptime`, `status` (its worst instance). What nobody watched stays empty.

    What was down carries the shape of its status as well as the colour.
    """
    worst = (
        frame.assign(state=frame["status"].map(STATES))
        .groupby(["check", "ts"], observed=True)[["state", "uptime"]]
        .min()
    )
    states, ratios = worst["state"].unstack("ts"), worst["uptime"].unstack("ts")
    colours = [severity_colour(status) for status in STATES]
    shapes = {number: look(status).glyph for status, number in STATES.items() if status != "ok"}
    scale = [
        [0, colours[0]],
        [0.33, colours[0]],
        [0.33, colours[1]],
        [0.67, colours[1]],
        [0.67, colours[2]],
        [1, colours[2]],
    ]
    data = {
        "type": "heatmap", "x": [f"{ts:%Y-%m-%dT%H:%M:%S}" for ts in states.columns],
        "y": [plain(str(check)) for check in states.index], "z": states.to_numpy("float32"), "zmin": 0, "zmax": 2,
        "text": [[shapes.get(state, "") for state in row] for row in states.to_numpy()], "texttemplate": "%{text}",
        "textfont": {"color": BACKGROUND},
        "customdata": ratios.mul(100).round(2).to_numpy("float32"), "colorscale": scale, "showscale": False,
        "xgap": 2, "ygap": 4, "hoverongaps": False, "hovertemplate": "%{x}<br>%{y}: up %{customdata} %<extra></extra>",
    }  # fmt: skip
    shape = layout(legend=False)
    shape["xaxis"] |= {"type": "date"}
    shape["yaxis"] |= {"type": "category", "showgrid": False, "tickmode": "linear", "dtick": 1}
    return {"data": [data], "layout": shape}
