"""What a person wants to try out: an invented alert, from a rule with the newest value that its question gives, or of free text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from lib.alerts.delivery.options import measures
from lib.alerts.delivery.outbox import links
from lib.alerts.delivery.trial import trial_notice
from lib.alerts.engine.templates import expand_all
from lib.alerts.model import Alert, AlertState, Measure, Notice, Origin
from lib.alerts.rules import Rule, threshold
from lib.metrics.base import Labels, MetricStore

SEVERITIES = ("critical", "warning", "info")
LONGEST_TITLE, LONGEST_TEXT = 120, 2000
LASTED = timedelta(minutes=12)
"""How long an alert of a preview has been firing when it ends."""

_DOWNWARD = ("<", "<=")


@dataclass(frozen=True, slots=True)
class Draft:
    """The alert of a test. `value` is in the rule's own unit, None where nothing is measured; `said` tells where it is from."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    measure: Measure | None = None
    said: str = ""

    def alert(self, now: datetime, *, resolved: bool = False) -> Alert:
        """The alert as it would fire now, or as it would end now."""
        began = now - LASTED if resolved else now
        state = AlertState.RESOLVED if resolved else AlertState.FIRING
        return Alert(
            Origin.ENGINE, self.labels, state, began, self.annotations, self.value, fired_at=began,
            resolved_at=now if resolved else None, last_seen=now,
        )  # fmt: skip


def free(title: str, severity: str, description: str) -> Draft:
    """Of a person's own words."""
    labels = {"alertname": title.strip()[:LONGEST_TITLE] or "Test", "severity": severity}
    return Draft(labels, {"description": description.strip()[:LONGEST_TEXT]} if description.strip() else {})


def of_rule(rule: Rule, severity: str, metrics: MetricStore, now: datetime) -> Draft:
    """As this rule would tell it of the series that is nearest to its limit, or furthest beyond. Raises OpsError."""
    limit = threshold(rule)
    result = metrics.instant(limit.expression if limit else rule.expression, now)
    there = [row for row in range(len(result.labels)) if result.present[row, 0] and np.isfinite(result.values[row, 0])]
    if not there:
        said = "it measures nothing right now, so there is no value, and its texts carry the limit"
        return without_value(rule, severity, said)
    down = limit is not None and limit.operator in _DOWNWARD
    best = min(there, key=lambda row: result.values[row, 0] * (1 if down else -1))
    said = f"{len(there)} series now; this is the one nearest to its limit or beyond"
    return _draft(rule, severity, result.labels[best], float(result.values[best, 0]), said)


def without_value(rule: Rule, severity: str, said: str) -> Draft:
    """As this rule would tell it of nothing measured; `said` is why."""
    return _draft(rule, severity, {}, None, said)


def _draft(rule: Rule, severity: str, series: Labels, value: float | None, said: str) -> Draft:
    limit = threshold(rule)
    shown = value if value is not None else limit.value if limit else 0.0
    own = {name: text for name, text in series.items() if name != "__name__"}
    told = {"alertname": rule.name, "severity": severity or rule.severity}
    labels = {**own, **expand_all(rule.labels, series, shown), **told}
    return Draft(labels, expand_all(rule.annotations, series, shown), value, measures([rule]).get(rule.name), said)


def notice(draft: Draft, now: datetime, public_url: str, *, resolved: bool = False) -> Notice:
    """The test notice about it, as every channel gets it. Its key is given when it is sent."""
    alert = draft.alert(now, resolved=resolved)
    leads = links(public_url, {"alertname": alert.name}, [alert], 1)
    return trial_notice(alert, now, links=leads, measure=draft.measure, key="test/preview")
