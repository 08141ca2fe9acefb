"""Alerts on time charts: a shade while a rule of the chart's topic fired, a strip along its foot while any other did."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta

import pandas as pd

from lib.errors import SourceError
from lib.ui import clock, runtime
from lib.ui.alerts import asked, words
from lib.ui.charts import base as charts
from lib.ui.severity import Status, status_of
from lib.window import Window

MOST_SPANS = 12
MOST_NAMED = 3
SEEN = 200
"""Two spans with less than this part of the window between them are drawn as one: nobody would see the gap. On a bad day it
is more, so that a refresh stays small and yet no alert is left out."""

_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_WORST_LAST = (Status.INFO, Status.WARNING, Status.CRITICAL)
Span = tuple[pd.Timestamp, pd.Timestamp]


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


def mark(
    figure: charts.Figure,
    window: Window,
    *,
    rules: Collection[str] = (),
    named: Collection[str] = (),
    others: bool = True,
) -> str:
    """Marks when alerts fired, and says in words which did: "Alerts: HighErrorRate 09:10-09:24"; "" for none.

    Those of `rules` shade the chart, by name unless they are in `named` (a limit line says it already); all `others` are
    the strip. While the state database does not answer, the chart stays as it is.
    """
    if runtime.current().state is None:
        return ""
    try:
        found = asked.history(window)
    except SourceError:
        return ""
    if found.empty:
        return ""
    status_by = {word: status_of(words.shape(str(word)).word) for word in found["severity"].unique()}
    found = found[["name", "severity", "fired_at", "resolved_at"]].assign(status=found["severity"].map(status_by))
    own = found["name"].isin(list(rules))
    for (name, status), part in found[own].groupby(["name", "status"], sort=False):
        said = "" if name in named else str(name)
        charts.spans(figure, merged(part, window), window, said, status_of(str(status)))
    for status in _WORST_LAST if others else ():
        charts.strip(figure, _named(found[~own & (found["status"] == status)], window), window, status)
    return _told(found, window)


def merged(found: pd.DataFrame, window: Window) -> list[Span]:
    """The times in which at least one of these episodes fired, cut to the window, in order; at most MOST_SPANS."""
    start, end = pd.Timestamp(window.start), pd.Timestamp(window.end)
    first, last = found["fired_at"], found["resolved_at"].fillna(end)
    first, last = first.where(first > start, start), last.where(last < end, end)
    there = (first <= last).to_numpy()
    gap = window.length / SEEN
    spans = _joined(first[there], last[there], gap)
    while len(spans) > MOST_SPANS:
        gap *= 2
        spans = _joined(first[there], last[there], gap)
    return spans


def _joined(first: pd.Series[pd.Timestamp], last: pd.Series[pd.Timestamp], gap: timedelta) -> list[Span]:
    """Without a loop over the episodes: after a storm there are thousands of them, for every chart of every viewer."""
    if first.empty:
        return []
    order = first.argsort()
    begun, ended = first.iloc[order].reset_index(drop=True), last.iloc[order].cummax().reset_index(drop=True)
    new = (begun - ended.shift()).fillna(gap) >= gap
    heads = new.to_numpy().nonzero()[0]
    tails = [*(heads[1:] - 1), len(begun) - 1]
    return [(begun[head], ended[tail]) for head, tail in zip(heads, tails, strict=True)]


def _named(found: pd.DataFrame, window: Window) -> list[tuple[pd.Timestamp, pd.Timestamp, str]]:
    """The merged times, each with the names of what fired in it."""
    return [(*span, _names(found, span)) for span in merged(found, window)]


def _names(found: pd.DataFrame, span: Span) -> str:
    there = found[(found["fired_at"] <= span[1]) & ~(found["resolved_at"] < span[0])]
    names = sorted(set(there["name"]))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"


def _told(found: pd.DataFrame, window: Window) -> str:
    """For those who do not see the chart: the newest times of each rule, in words."""
    parts = []
    for name, part in list(found.groupby("name", sort=False))[:MOST_NAMED]:
        if spans := merged(part, window):
            start, end = (clock.stamp(moment.to_pydatetime()) for moment in spans[-1])
            more = f" and {len(spans) - 1} times before" if len(spans) > 1 else ""
            parts.append(f"{name} {start} to {end}{more}")
    return f"Alerts: {'; '.join(parts)}" if parts else ""
