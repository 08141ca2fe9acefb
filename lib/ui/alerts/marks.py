"""Alerts on time charts: a shaded span for as long as one fired, where the chart's topic is the rule's."""

from __future__ import annotations

import re
from collections.abc import Collection

import pandas as pd

from lib.errors import SourceError
from lib.ui import runtime
from lib.ui.alerts import asked, words
from lib.ui.charts import base as charts
from lib.ui.severity import status_of
from lib.window import Window

MOST_SPANS = 30
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def rules_of(metric: str) -> tuple[str, ...]:
    """The rules whose expression reads this metric: their alerts belong on its charts."""
    if not metric:
        return ()
    base = metric.removesuffix("_bucket")
    return tuple(
        rule.name
        for rule in runtime.current().stores.rules
        if any(word.removesuffix("_bucket") == base for word in _WORD.findall(rule.expression))
    )


def mark(figure: charts.Figure, window: Window, *, rules: Collection[str], worded: bool = True) -> None:
    """Shades when alerts of these rules fired. While the state database does not answer, the chart stays as it is."""
    if not rules or runtime.current().state is None:
        return
    try:
        found = asked.history(window)
    except SourceError:
        return
    own = found[found["name"].isin(rules)]
    for (name, severity), part in own.groupby(["name", "severity"], sort=False):
        spans = merged(part, window)[-MOST_SPANS:]
        status = words.shape(str(severity)).word.lower()
        charts.spans(figure, spans, window, str(name) if worded else "", status_of(status))


def merged(found: pd.DataFrame, window: Window) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """The times in which at least one of these episodes fired, cut to the window, in order."""
    start, end = pd.Timestamp(window.start), pd.Timestamp(window.end)
    spans: list[tuple[pd.Timestamp, pd.Timestamp]] = []
    for row in words.each(found.sort_values("fired_at")):
        first, last = max(row.fired_at, start), end if pd.isna(row.resolved_at) else min(row.resolved_at, end)
        if first > last:
            continue
        if spans and first <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], last))
        else:
            spans.append((first, last))
    return spans
