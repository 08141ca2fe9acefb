"""An alert in words: its scope, its value against the limit, how long, and what is special about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from lib.alerts.acts import PUSHED
from lib.alerts.book import is_test
from lib.alerts.model import AlertState, Origin
from lib.ui import clock, text
from lib.ui.severity import Look, Status, look, status_of

_OWN_LABELS = frozenset({"alertname", "severity"})
_OPERATORS = {">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}
_PAGES = {
    "HighErrorRate": "errors", "SlowResponseTime": "performance", "DBConnectionPoolExhausted": "system",
    "QueueBacklog": "queues", "LeadSyncFailures": "queues", "UnhandledException": "errors",
}  # fmt: skip
_OUR_RUNBOOKS = frozenset({"UnhandledException"})
"""Alerts that programs push by our own library: their runbook is ours, whatever address they bring along."""

_OURSELVES = ("job", "halo-ops")
"""What all figures of the dashboard about itself carry."""

_ABOUT_RULES = frozenset({"NoData", "RuleError", "RuleLimit"})
_SAID_BY_RULE = frozenset({"group", "rule_severity"})
"""An alert about a rule says which; that tells these as well, and they would stand before it."""

_ORIGINS = {Origin.API: "a program", Origin.ALERTMANAGER: "Alertmanager", Origin.PROMETHEUS: "Prometheus"}
_UTC = re.compile(r"(?:(\d{4}-\d\d-\d\d) )?(\d\d:\d\d:\d\d) UTC\b")
_SCOPE_CHARS = 160


def each(found: pd.DataFrame) -> Iterable[Any]:
    """The rows, whose fields are read by name."""
    return found.itertuples()


def shape(severity: str) -> Look:
    """Colour, shape and word of an alert's severity; one that we do not know is shown as a warning."""
    status = status_of(severity)
    return look(status if status in (Status.CRITICAL, Status.WARNING, Status.INFO) else Status.WARNING)


def badge(severity: str) -> str:
    """A severity as a markdown badge; the word is the alert's own where it is not one of ours."""
    found = shape(severity)
    word = found.word if status_of(severity) is not Status.NO_DATA or not severity else severity.capitalize()[:20]
    return f":{found.badge}-badge[{found.glyph} {text.esc_md(word)}]"


def scope(labels: Mapping[str, str], shared: Mapping[str, str] | None = None) -> str:
    """What the alert is about, without what all alerts of its rule share: "queue_name=leads, instance=a:3000". "" where
    nothing tells it from others."""
    own = {name: value for name, value in labels.items() if name not in _OWN_LABELS and name not in (shared or {})}
    words = ", ".join(f"{name}={value}" for name, value in sorted(own.items()))
    return words if len(words) <= _SCOPE_CHARS else f"{words[:_SCOPE_CHARS]}…"


def about(alert: Any, shared: Mapping[str, str] | None = None) -> str:
    """What an alert is about, as briefly as it can be said: what tells it from others of its rule, else its own words.

    What a program pushed says so in words; its labels are a program's. On one line; "" where there is nothing to say.
    A row of the history has no annotations: it is its labels.
    """
    labels = dict(alert.labels)
    if labels.get(_OURSELVES[0]) == _OURSELVES[1]:
        labels = {name: value for name, value in labels.items() if name not in (_OURSELVES[0], "instance")}
    if alert.name in _ABOUT_RULES and "rule" in labels:
        labels = {name: value for name, value in labels.items() if name not in _SAID_BY_RULE}
    if alert.origin == Origin.API and len(labels) > len(_OWN_LABELS) + 1:
        labels.pop("key", None)  # it repeats the others
    said = " ".join(spoken(getattr(alert, "annotations", {})).split())[:_SCOPE_CHARS]
    found = scope(labels, shared)
    return (said or found) if alert.origin in PUSHED else (found or said)


def spoken(annotations: Mapping[str, str]) -> str:
    """The short sentence that an alert says about itself; "" where it has none."""
    return annotations.get("summary") or annotations.get("description", "").strip().partition("\n")[0]


def on_clock(said: str, at: datetime) -> str:
    """A line of the story with its times, which are kept in UTC, on the viewer's clock. `at` is when it was said."""

    def local(found: re.Match[str]) -> str:
        try:
            moment = datetime.fromisoformat(f"{found[1] or f'{at:%Y-%m-%d}'}T{found[2]}").replace(tzinfo=UTC)
        except ValueError:
            return found[0]  # looks like a time and is none: foreign words
        if not found[1] and moment < at - timedelta(hours=12):
            moment += timedelta(days=1)  # "until 00:03", said before midnight
        return clock.stamp(moment, seconds=True) if found[1] else f"{clock.local(moment):%H:%M:%S}"

    return _UTC.sub(local, said)


def measured(value: float | None, unit: str) -> str:
    """A value in a unit of the pages: "12.3 %", "5 012 ms", "3 h 12 min", "2 412 items", "–" where there is none."""
    if unit == "ratio":
        return text.ratio(value)
    if unit == "ms":
        return text.duration_ms(value)
    if unit == "s":
        return text.span(value)
    shown = text.number(value)
    return f"{shown} {unit}" if unit and shown != text.NONE else shown


def against(value: float | None, limit: Mapping[str, Any], factor: float = 1.0) -> str:
    """A value, in the expression's own unit, beside the limit that it is over: "12.3 %, limit > 5 %"."""
    missing = value is None or pd.isna(value)
    unit = str(limit.get("unit", ""))
    shown = text.NONE if missing else measured(float(value or 0.0) * factor, unit)
    if not limit:
        return shown
    return f"{shown}, fires at {limited(limit)}"


def limited(limit: Mapping[str, Any]) -> str:
    """A rule's limit: "> 5 %"."""
    operator = str(limit["operator"])
    return f"{_OPERATORS.get(operator, operator)} {measured(float(limit['value']), str(limit['unit']))}"


def since(alert: Any, now: datetime, for_s: float = 0.0) -> str:
    """How long it is what it is: "firing 12 min", "pending 2 of 5 min", "resolved 3 h ago"."""
    if alert.state == AlertState.PENDING:
        waited = text.span(now - alert.active_at)
        return f"pending {waited} of {text.span(for_s)}" if for_s else f"pending {waited}"
    if alert.state == AlertState.FIRING:
        return f"firing {text.span(now - (alert.active_at if pd.isna(alert.fired_at) else alert.fired_at))}"
    return f"resolved {text.age(alert.resolved_at, now)}"


def flags(alert: Any) -> list[tuple[Status, str]]:
    """What else is to be known of an alert: kept though missing, unobserved for a time, told by others, a test."""
    found: list[tuple[Status, str]] = []
    if alert.acked_by:
        found.append((Status.OK, f"acknowledged by {alert.acked_by}"))
    if not pd.isna(alert.keep_since) and alert.state == AlertState.FIRING:
        found.append((Status.INFO, "recovering"))
    if alert.unobserved_s:
        found.append((Status.NO_DATA, f"unobserved {text.span(alert.unobserved_s)}"))
    if alert.origin not in (Origin.ENGINE, Origin.OWN):
        found.append((Status.NO_DATA, f"told by {_ORIGINS.get(alert.origin, alert.origin)}"))
    if is_test(alert.labels):
        found.append((Status.MAINTENANCE, "TEST"))
    return found


def page_of(rule: str, annotations: Mapping[str, str]) -> str:
    """The address of the page that shows more: the rule's own word for it, else the one of its topic; "" for none."""
    own = annotations.get("dashboard", "")
    return own.strip("/").partition("?")[0] if own.startswith("/") else _PAGES.get(rule, "")


def runbook(name: str, alert: Any) -> str:
    """The address of its runbook; "" where there is none, or where somebody else wrote it: that stays text."""
    if alert.origin in PUSHED and name in _OUR_RUNBOOKS:
        return f"/runbooks#{name.lower()}"
    address = str(alert.annotations.get("runbook_url", "") or alert.annotations.get("runbook", ""))
    if alert.origin not in PUSHED and address.startswith("/runbooks"):
        return address  # a page of our own
    if alert.origin in PUSHED or urlsplit(address).scheme not in ("http", "https"):
        return ""
    return address
