"""Figures of latency: bands and the heatmap of the service's own histogram."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.ui.charts.base import MUTED, Figure, layout, plain, series_colour, time_axis
from lib.window import Window


def bands(frame: pd.DataFrame) -> Figure:
    """Requests per latency band: `band`, `requests`, `share`."""
    words = [
        f"{share:.1%}" if requests else "" for requests, share in zip(frame["requests"], frame["share"], strict=True)
    ]
    bar = {
        "type": "bar", "x": frame["band"].tolist(), "y": frame["requests"].to_numpy("float32"), "text": words,
        "textposition": "outside", "cliponaxis": False, "marker": {"color": series_colour(0)}, "textfont": {"color": MUTED},
    }  # fmt: skip
    shape = layout(legend=False)
    shape["xaxis"] |= {"type": "category"}
    return {"data": [bar], "layout": shape}


def heatmap(frame: pd.DataFrame, window: Window) -> Figure:
    """Requests by time (index `ts`) and latency band (columns, fastest first); the darker, the more. Logarithmic."""
    counts = frame.to_numpy("float32", na_value=np.nan).T
    shades = [[0, f"{series_colour(0)}/0.05"], [1, series_colour(0)]]
    data = {
        "type": "heatmap", **time_axis(pd.DatetimeIndex(frame.index), window.zone),
        "y": [plain(str(c)) for c in frame.columns], "z": np.log10(1 + np.where(counts > 0, counts, np.nan)),
        "customdata": np.round(counts, 1), "colorscale": shades, "showscale": False, "xgap": 0, "ygap": 1,
        "hovertemplate": "%{x}<br>%{y}: %{customdata} requests<extra></extra>", "hoverongaps": False,
    }  # fmt: skip
    shape = layout(window, legend=False)
    shape["hovermode"] = "closest"
    shape["yaxis"] |= {"type": "category", "showgrid": False, "nticks": len(frame.columns) + 1, "dtick": 1}
    return {"data": [data], "layout": shape}
