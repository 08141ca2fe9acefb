"""A rule's own expression over time with its limit, and when its alerts fired."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from lib.signals.rulebook import UNITS
from lib.ui import cache, clock, text
from lib.ui.alerts import words
from lib.ui.charts import base as charts
from lib.ui.live_chart import live_chart
from lib.ui.panel import not_yet, nothing_in_range
from lib.ui.time_range import time_window

MOST_LINES = 8
JUST_BEGAN, LATEST = timedelta(minutes=3), timedelta(minutes=6)
"""Answers are shared for a minute, and a long range ends up to five minutes ago."""

_AXIS = {"ratio": ("%", 100.0)}


def factor(rule: str) -> float:
    """From the unit of the rule's expression to the one that pages show."""
    return UNITS.get(rule, ("", 1.0))[1]


def of_alerts(rule: str, alerts: pd.DataFrame, limit: Mapping[str, Any], *, key: str, height: int = 130) -> None:
    """What the rule measures for each of these alerts, and its limit."""
    shown = alerts.head(MOST_LINES)
    asked_for = tuple(tuple(sorted(labels.items())) for labels in shown["labels"])
    found = cache.frame("rule_series", time_window(), rule=rule, alerts=asked_for)
    names = {str(place): words.scope(labels) or rule for place, labels in enumerate(shown["labels"])}
    if found.empty and _just_began(alerts):
        not_yet(f"{rule} came true a moment ago: the first point of its chart is on its way")
        return
    _drawn(rule, found.rename(columns=names), limit, key=key, height=height)


def _just_began(alerts: pd.DataFrame) -> bool:
    """Whether the alerts are younger than a point of the chart may be: "no sample in this range" would not be true."""
    window, moment = time_window(), clock.now()
    return moment - alerts["active_at"].min() < JUST_BEGAN and moment - window.end < LATEST


def of_rule(rule: str, limit: Mapping[str, Any], *, key: str, height: int = 230) -> None:
    """The series that come nearest to the rule's limit, or are furthest over it."""
    found = cache.frame("rule_series", time_window(), rule=rule)
    _drawn(rule, found.iloc[:, :MOST_LINES], limit, key=key, height=height)
    if len(found.columns) > MOST_LINES:
        st.caption(f"The {MOST_LINES} worst of {text.number(len(found.columns))} series.")


def _drawn(rule: str, found: pd.DataFrame, limit: Mapping[str, Any], *, key: str, height: int) -> None:
    if found.empty or not found.shape[1]:
        nothing_in_range(f"No sample of {rule}")
        return
    window, large = time_window(), height > 200
    unit, scale = _AXIS.get(str(limit["unit"]), (str(limit["unit"]), 1.0))
    figure = charts.lines(found * scale, window, unit=unit)
    figure["layout"]["showlegend"] = large and len(found.columns) > 1
    charts.threshold(figure, limit["value"] * scale, words.limited(limit), str(limit["severity"]))
    alt = f"{rule} over time, with its limit {words.limited(limit)}"
    live_chart(figure, key=key, alt=alt, height=height, rules=(rule,), named=(rule,))
