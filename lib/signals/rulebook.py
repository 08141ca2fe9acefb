"""What the alert rules say about a signal: the same expression and the same limit, in the unit of the pages."""

from __future__ import annotations

import re
from datetime import timedelta

import pandas as pd

from lib.alerts.rules import Rule, Threshold, threshold
from lib.signals.base import RATE_RANGE, by_label, metric_step, trend
from lib.stores import Stores
from lib.window import Window

UNITS: dict[str, tuple[str, float]] = {
    "HighErrorRate": ("ratio", 1.0),
    "SlowResponseTime": ("ms", 1000.0),
    "DBConnectionPoolExhausted": ("ratio", 1.0),
    "QueueBacklog": ("items", 1.0),
    "LeadSyncFailures": ("per min", 1.0),
}
"""The unit that pages show a rule's value in, and the factor from the expression's own."""

SEVERITIES = ("critical", "warning", "info")
"""What pages can show; a rule of another severity, or of none, is shown as a warning."""

_RANGE = re.compile(r"\[5m\]")


def rule_limit(stores: Stores, window: Window, rule: str) -> dict[str, str | float]:
    """The limit of a rule: `rule`, `severity` (critical, warning or info), `operator`, `value`, `unit` (of UNITS), `for_s`.

    Empty where the rule file has no such rule, or one without a plain limit. Asks no store.
    """
    found = _find(stores, rule)
    if found is None:
        return {}
    entry, limit = found
    unit, factor = UNITS.get(rule, (entry.annotations.get("unit", ""), 1.0))
    severity = entry.severity if entry.severity in SEVERITIES else "warning"
    return {
        "rule": rule, "severity": severity, "operator": limit.operator, "value": limit.value * factor,
        "unit": unit, "for_s": entry.for_s,
    }  # fmt: skip


def rule_trend(stores: Stores, window: Window, rule: str, label: str = "") -> pd.DataFrame:
    """The rule's own expression over time: index `ts`, a column per value of `label` (or `value`), in the unit of UNITS.

    Where points are further apart than 5 minutes, its 5-minute rates span the step, so that no sample is skipped.
    No rows where there is no sample or no such rule. Raises SourceError.
    """
    found = _find(stores, rule)
    if found is None:
        return pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC", name="ts"))
    expression = widened(found[1].expression, metric_step(window))
    return trend(stores, window, expression, label, scale=UNITS.get(rule, ("", 1.0))[1])


def rule_values(stores: Stores, window: Window, rule: str, label: str = "") -> dict[str, float]:
    """The rule's expression at the window's end per value of `label`, in the unit of UNITS; {} without a sample."""
    found = _find(stores, rule)
    if found is None:
        return {}
    factor = UNITS.get(rule, ("", 1.0))[1]
    return {name: number * factor for name, number in by_label(stores, window, found[1].expression, label).items()}


def widened(expression: str, step: timedelta) -> str:
    """The expression with its 5-minute ranges as long as the step, where that is longer."""
    return expression if step <= RATE_RANGE else _RANGE.sub(f"[{int(step.total_seconds())}s]", expression)


def _find(stores: Stores, name: str) -> tuple[Rule, Threshold] | None:
    for entry in stores.rules:
        limit = threshold(entry) if entry.name == name else None
        if limit is not None:
            return entry, limit
    return None
