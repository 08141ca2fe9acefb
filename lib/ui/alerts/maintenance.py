"""Maintenance on time charts: a shade while a rule of the chart's topic was silenced as a whole."""

from __future__ import annotations

from collections.abc import Collection

from lib.alerts.silences import muting
from lib.errors import SourceError
from lib.ui import runtime
from lib.ui.alerts import asked
from lib.ui.charts import base as charts
from lib.window import Window


def mark(figure: charts.Figure, window: Window, *, rules: Collection[str]) -> None:
    """Shades when these rules were silenced, of the last seven days and what is to come; a silence that names an instance
    or another part of them does not count. While the state database does not answer, the chart stays as it is.
    """
    labels = [{**one.labels, "alertname": one.name} for one in runtime.current().stores.rules if one.name in rules]
    if not labels or runtime.current().state is None:
        return
    try:
        silences = asked.silences()
    except SourceError:
        return
    found = sorted(
        (max(one.starts_at, window.start), min(one.ends_at, window.end))
        for one in silences
        if one.starts_at < window.end and one.ends_at > window.start and any(muting([one], labels))
    )
    charts.spans(figure, found, window, "silenced", "maintenance")
