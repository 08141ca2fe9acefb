"""Figures of leads: the funnel and the value ranges."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pandas as pd

from lib.ui.charts.base import Figure, layout, plain, series_colour


def funnel(stages: Sequence[tuple[str, float]]) -> Figure:
    """Stages from the widest to the narrowest, with each one's share of the stage before."""
    shares = [f" · {now / past:.0%} of {name.lower()}" if past else "" for (name, past), (_, now) in pairwise(stages)]
    bar = {
        "type": "bar", "orientation": "h", "y": [plain(name) for name, _ in stages], "x": [count for _, count in stages],
        "text": [f"{count:,.0f}{share}" for (_, count), share in zip(stages, ["", *shares], strict=True)],
        "textposition": "auto", "marker": {"color": [series_colour(i) for i in range(len(stages))]},
        "hoverinfo": "skip",
    }  # fmt: skip
    shape = layout(legend=False)
    shape["yaxis"] |= {"autorange": "reversed", "type": "category", "showgrid": False}
    shape["xaxis"] |= {"showticklabels": False}
    return {"data": [bar], "layout": shape}


def value_ranges(frame: pd.DataFrame) -> Figure:
    """Opportunities by value: `value_range`, `count`."""
    bar = {
        "type": "bar", "x": [plain(r) for r in frame["value_range"]], "y": frame["count"].round(1).to_numpy("float32"),
        "marker": {"color": series_colour(2)},
    }  # fmt: skip
    shape = layout(legend=False)
    shape["xaxis"] |= {"type": "category"}
    return {"data": [bar], "layout": shape}
