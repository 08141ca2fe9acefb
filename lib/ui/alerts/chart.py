"""A rule's own expression over time with its limit, and when its alerts fired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from lib.signals.rulebook import UNITS
from lib.ui import cache, text
from lib.ui.alerts import marks, words
from lib.ui.charts import base as charts
from lib.ui.live_chart import live_chart
from lib.ui.panel import nothing_in_range
from lib.ui.time_range import time_window

MOST_LINES = 8
_AXIS = {"ratio": ("%", 100.0)}


def factor(rule: str) -> float:
    """From the unit of the rule's expression to the one that pages show."""
    return UNITS.get(rule, ("", 1.0))[1]


def mini(rule: str, alerts: pd.DataFrame, limit: Mapping[str, Any], *, key: str, height: int = 130) -> None:
    """What the rule measures, one line per alert's scope, and its limit."""
    window = time_window()
    found = cache.frame("rule_trend", window, rule=rule, label=_telling(alerts))
    if found.empty or not found.shape[1]:
        nothing_in_range(f"No sample of {rule}")
        return
    unit, scale = _AXIS.get(str(limit["unit"]), (str(limit["unit"]), 1.0))
    worst = found.max().sort_values(ascending=limit["operator"].startswith("<")).index[:MOST_LINES]
    figure = charts.lines(found[list(worst)] * scale, window, unit=unit)
    figure["layout"]["showlegend"] = figure["layout"]["showlegend"] and height > 200
    charts.threshold(figure, limit["value"] * scale, words.limited(limit), str(limit["severity"]))
    marks.mark(figure, window, rules=(rule,), worded=height > 200)
    live_chart(figure, key=key, alt=f"{rule} over time, with its limit {words.limited(limit)}", height=height)
    if len(found.columns) > MOST_LINES:
        st.caption(f"The {MOST_LINES} worst of {text.number(len(found.columns))} series.")


def _telling(alerts: pd.DataFrame) -> str:
    """The label that tells the rule's alerts apart best: the one with the most values; "" for none."""
    values: dict[str, set[str]] = {}
    for labels in alerts["labels"].head(200):
        for name, value in labels.items():
            if name not in ("alertname", "severity", "job"):
                values.setdefault(name, set()).add(value)
    return max(sorted(values), key=lambda name: len(values[name]), default="")
