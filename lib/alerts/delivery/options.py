"""What a rule says about being told, in its annotations or labels, and how its value reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from lib.alerts.delivery.decision import Policy
from lib.alerts.model import Alert, Measure
from lib.alerts.rules import Rule, threshold
from lib.signals.rulebook import UNITS

GROUP_BY, GROUP_WAIT, REPEAT, SEND_RESOLVED, UNIT = (
    "group_by", "group_wait", "repeat_interval", "send_resolved", "unit",
)  # fmt: skip
"""The annotations (or labels) that are read: Alertmanager's own words."""

_PART = re.compile(r"(\d+)(ms|s|m|h|d)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_NO = ("false", "no", "off", "0")


def option(alert: Alert, name: str) -> str:
    """An option of the alert's rule; "" where it has none."""
    return (alert.annotations.get(name) or alert.labels.get(name) or "").strip()


def policy_of(alert: Alert, default: Policy) -> Policy:
    """How this alert wants to be told; what cannot be read counts as not said."""
    wait, repeat = _duration(option(alert, GROUP_WAIT)), _duration(option(alert, REPEAT))
    resolved = option(alert, SEND_RESOLVED).lower()
    return Policy(
        default.cooldown,
        default.repeat if repeat is None else repeat,
        default.group_wait if wait is None else wait,
        resolved not in _NO if resolved else default.send_resolved,
    )


def _duration(text: str) -> timedelta | None:
    parts = _PART.findall(text)
    if not parts or "".join(count + unit for count, unit in parts) != text:
        return None
    seconds = sum(int(count) * _UNIT_S[unit] for count, unit in parts if len(count) < 9)
    return timedelta(seconds=min(seconds, 366 * 86_400))


def group_of(alert: Alert) -> dict[str, str]:
    """The labels that it is grouped by: alertname, unless its rule says otherwise."""
    names = [name.strip() for name in option(alert, GROUP_BY).split(",") if name.strip()] or ["alertname"]
    return {name: alert.labels.get(name, "") for name in sorted(set(names))}


def group_key(group: Mapping[str, str]) -> str:
    """A short text that tells the group from every other: the start of its alertname and a digest."""
    told = "\xff".join(f"{name}\xfe{value}" for name, value in sorted(group.items()))
    digest = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    name = re.sub(r"[^A-Za-z0-9_-]", "", group.get("alertname", ""))[:60]
    return f"{name}#{digest}"


def measures(rules: Sequence[Rule]) -> dict[str, Measure]:
    """Per rule name how its value reads, and against which limit."""
    found = {}
    for rule in rules:
        limit = threshold(rule)
        unit, factor = UNITS.get(rule.name, (rule.annotations.get(UNIT, ""), 1.0))
        found[rule.name] = Measure(unit, factor, limit.operator, limit.value) if limit else Measure(unit, factor)
    return found
