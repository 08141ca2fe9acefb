"""What the alert rules say about a signal: the same expression and the same limit, in the unit of the pages."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pandas as pd

from lib.alerts.rules import Rule, Threshold, threshold
from lib.metrics.base import Labels
from lib.metrics.selector import told_apart
from lib.signals.base import RATE_RANGE, by_label, empty_if_unknown, metric_step, tidy, trend
from lib.signals.looks import Looks, looks
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

MOST_SERIES = 50
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


def rule_series(
    stores: Stores, window: Window, rule: str, alerts: tuple[tuple[tuple[str, str], ...], ...] = ()
) -> pd.DataFrame:
    """The rule's expression over time, each series apart: index `ts`, a float column per series, in the unit of UNITS.

    Of each step the value nearest to firing (lib.signals.looks), so that what the rule fired on is there.
    `alerts` are label sets (sorted pairs): a column "0", "1", … per one whose series there is, so that none is taken for
    another. Without any: the MOST_SERIES worst, named by the labels that tell them apart ("queue_name=leads"; "value" without any).
    """
    found = _find(stores, rule)
    if found is None:
        return pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC", name="ts"))
    limit = found[1]
    seen = looks(stores, window, limit.expression, limit.operator, limit.value)
    rows = _rows_of(seen.labels, alerts) if alerts else _nearest(seen)
    shown = seen.values * UNITS.get(rule, ("", 1.0))[1]
    return empty_if_unknown(tidy(pd.DataFrame({name: shown[row] for name, row in rows.items()}, index=seen.index)))


def rule_measured(
    stores: Stores,
    window: Window,
    *,
    expression: str,
    operator: str = "",
    limit: float = math.nan,
    most: int = MOST_SERIES,
) -> dict[str, Any]:
    """What a rule that need not be saved measures: `frame` (index `ts`, a float column per series, of each step the value
    nearest to firing; NaN = no sample), `series` (how many there are; None without any), `step_s`, `look_s` and `warnings`.

    Of more than `most` series those that came nearest to the limit are in the frame. Raises QueryError, SourceError.
    """
    seen = looks(stores, window, expression, operator, limit)
    frame = pd.DataFrame({name: seen.values[row] for name, row in _nearest(seen, most).items()}, index=seen.index)
    return {
        "frame": frame, "series": len(seen.labels) or None, "step_s": seen.step.total_seconds(),
        "look_s": seen.look.total_seconds(), "warnings": seen.warnings,
    }  # fmt: skip


def _rows_of(series: Sequence[Labels], alerts: tuple[tuple[tuple[str, str], ...], ...]) -> dict[str, int]:
    """Which series each alert comes from: the one all of whose labels the alert has, too."""
    rows = {}
    for place, pairs in enumerate(alerts):
        own = dict(pairs)
        fits = (
            row
            for row, labels in enumerate(series)
            if all(own.get(name) == labels[name] for name in labels if name != "__name__")
        )
        if (row := next(fits, None)) is not None:
            rows[str(place)] = row
    return rows


def _nearest(seen: Looks, most: int = MOST_SERIES) -> dict[str, int]:
    """The series that come nearest to the limit or are furthest over it, by the labels that tell them apart."""
    order = seen.order[:most]
    return dict(zip(told_apart([seen.labels[row] for row in order]), order, strict=True))


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
    for entry in (*stores.rules, *stores.own_rules):
        limit = threshold(entry) if entry.name == name else None
        if limit is not None:
            return entry, limit
    return None
