"""A notice in words, state first: the same sentences for every channel, and foreign text made safe to be read."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from lib.alerts.model import Alert, Kind, Measure, Notice, Origin
from lib.redact import redact_text

TEST_MARK = "[TEST]"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_PUSHED = (Origin.API, Origin.ALERTMANAGER)
_RANK = {"critical": 0, "warning": 1, "info": 2}
_HIDDEN = ("alertname", "severity")
_SIGNS = {"critical": "🚨", "warning": "⚠️", "info": "ℹ️"}
_OTHER_SIGN, _OVER_SIGN = "🔔", "✅"


def clean(text: object, limit: int = 1000) -> str:
    """Foreign text for people: no credential, no control or direction character (they show as U+202E), cut to `limit`."""
    shown = _SURROGATE.sub("�", str(text))
    shown = _CONTROL.sub(lambda found: f"U+{ord(found[0]):04X}", redact_text(shown.replace("\r\n", "\n"))[0])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def line(text: object, limit: int = 200) -> str:
    """The same on one line."""
    return clean(" ".join(str(text).split()), limit)


def lasting(age: timedelta) -> str:
    """A length of time by its two largest units: "8 s", "12 min", "3 h 12 min", "2 d 4 h"."""
    seconds = max(0, int(age.total_seconds()))
    units = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
    for at, (unit, size) in enumerate(units):
        if seconds >= size:
            rest = seconds % size // units[at + 1][1] if unit in ("d", "h") else 0
            return f"{seconds // size} {unit}" + (f" {rest} {units[at + 1][0]}" if rest else "")
    return "0 s"


def number(value: float) -> str:
    """Three significant digits, more for large numbers, thousands apart: "0.0042", "7.25", "12,431"."""
    if not math.isfinite(value):
        return "no number" if math.isnan(value) else "∞" if value > 0 else "-∞"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def amount(value: float, measure: Measure) -> str:
    """A value in the unit that its rule is shown in: "7.2 %", "6,200 ms"."""
    if measure.unit == "ratio":
        return f"{number(value * 100)} %"
    return f"{number(value * measure.factor)} {measure.unit}".strip()


def measured(alert: Alert, measure: Measure | None) -> str:
    """The value against its threshold: "7.2 % (limit > 5 %)"; "" where the alert has no value."""
    if alert.value is None:
        return ""
    measure = measure or Measure()
    told = amount(alert.value, measure)
    if measure.limit is not None:
        told += f" (limit {measure.operator} {amount(measure.limit, measure)})"
    return line(told, 200)


def scope(alert: Alert) -> str:
    """What it is about: every label but its name and severity, on one line."""
    pairs = (f"{name}={value}" for name, value in sorted(alert.labels.items()) if name not in _HIDDEN)
    return line(", ".join(pairs), 300)


def description(alert: Alert) -> str:
    """What the rule says about it: its description, else its summary."""
    told = alert.annotations
    return clean(told.get("description") or told.get("summary") or told.get("message") or "", 2000)


def summary(alert: Alert) -> str:
    """The rule's short sentence, where it has one that is not the description."""
    told = alert.annotations
    return line(told.get("summary", "") if told.get("description") else "", 300)


def started(alert: Alert) -> datetime:
    """When it began to fire."""
    return alert.fired_at or alert.active_at


def severity(notice: Notice) -> str:
    """The worst of what it is about: of what fires, else of what has ended."""
    about = notice.firing or notice.resolved
    return line(min((alert.severity for alert in about), key=lambda one: _RANK.get(one, 3), default="") or "none", 40)


def state(notice: Notice) -> str:
    """FIRING, STILL FIRING 3 h, RESOLVED after 12 min."""
    if notice.firing and notice.kind is not Kind.REPEAT:
        return "FIRING"
    if notice.firing:
        return f"STILL FIRING {lasting(notice.at - min(map(started, notice.firing)))}"
    if notice.resolved:
        ended = [(alert.resolved_at or notice.at) - started(alert) for alert in notice.resolved]
        return f"RESOLVED after {lasting(max(ended))}"
    return "TEST"


def name(notice: Notice) -> str:
    """What it is about: the rule, or how many groups."""
    if notice.groups > 1:
        return f"{notice.groups} groups of alerts"
    names = {alert.name for alert in (*notice.firing, *notice.resolved)}
    return line(notice.group.get("alertname") or " and ".join(sorted(names)) or "alert", 120)


def sign(notice: Notice) -> str:
    """The picture before the headline, the same on every channel: how severe it is, and ✅ once all of it has ended."""
    return _OVER_SIGN if notice.resolved and not notice.firing else _SIGNS.get(severity(notice), _OTHER_SIGN)


def counted(notice: Notice) -> str:
    """The true numbers where there is more than one: "12 firing, 3 resolved"; "" else."""
    parts = [(notice.firing_total, "firing"), (notice.resolved_total, "resolved")]
    said = ", ".join(f"{number(count)} {what}" for count, what in parts if count)
    return said if notice.firing_total + notice.resolved_total > 1 else ""


def headline(notice: Notice) -> str:
    """One line, state first: "[TEST] FIRING: HighErrorRate (critical), 12 firing"."""
    count = counted(notice)
    told = f"{state(notice)}: {name(notice)} ({severity(notice)})" + (f", {count}" if count else "")
    return f"{TEST_MARK} {told}" if notice.test else told


def in_short(notice: Notice) -> str:
    """The headline and, of a single alert, what is wrong: all that a locked phone shows."""
    about = (*notice.firing, *notice.resolved)
    if len(about) != 1 or notice.firing_total + notice.resolved_total != 1:
        return headline(notice)
    told = line(summary(about[0]) or description(about[0]), 160)
    return f"{headline(notice)}{':' if notice.firing else ', it was:'} {told}" if told else headline(notice)


def footers(notice: Notice, shown: int) -> list[str]:
    """What else is to be said: alerts not listed, alerts held back, the key that marks a second copy as one."""
    hidden = notice.firing_total + notice.resolved_total - shown
    said = []
    if hidden > 0:
        said.append(f"and {number(hidden)} more alerts, not listed here")
    if notice.suppressed:
        times = "once" if notice.suppressed == 1 else f"{number(notice.suppressed)} times"
        said.append(f"fired {times} since the last notice without one of its own (cooldown)")
    if notice.test:
        said.append("this is a test: nothing is wrong")
    return [*said, f"key {line(notice.key)}"]


def moment(at: datetime, zone: str) -> str:
    """A time with its zone: "2026-03-02 12:00:00 Europe/London"."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {zone}"


def web_link(address: str) -> str:
    """An http(s) address fit to be a link, with everything odd in it escaped; "" for what is none."""
    try:
        parts = urlsplit(address.strip())
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    host = parts.netloc.removesuffix(port)
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or len(address) > 2000:
        return ""
    path, query, fragment = (quote(part, safe="/:@!$&'()*+,;=%~-._?") for part in parts[2:5])
    tail = f"{path}{'?' + query if query else ''}{'#' + fragment if fragment else ''}"
    return f"{parts.scheme}://{host}{port}" + tail.replace("'", "%27").replace("*", "%2A")


def digest(text: str) -> str:
    """32 hex digits that stand for a key where its text does not fit."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def runbook(alerts: Sequence[Alert], public_url: str = "") -> str:
    """The runbook as a link; one that begins with / is a page of the dashboard at `public_url`. What a program pushed may
    lead anywhere: its address is no link."""
    for alert in alerts:
        address = alert.annotations.get("runbook_url", "")
        if address.startswith("/"):
            address = f"{public_url}{address}" if public_url else ""
        if alert.origin not in _PUSHED and (found := web_link(address)):
            return found
    return ""


@dataclass(frozen=True, slots=True)
class Line:
    """One alert of a notice in words; "" for what there is not. `details` are all its labels, one a line."""

    state: str
    name: str
    severity: str
    scope: str
    value: str
    summary: str
    description: str
    since: str
    details: str


def lines(notice: Notice, zone: str, most: int) -> list[Line]:
    """The alerts of a notice, at most so many: what fires first."""
    alerts = [*notice.firing, *notice.resolved][:most]
    return [_line(notice, alert, zone) for alert in alerts]


def _line(notice: Notice, alert: Alert, zone: str) -> Line:
    over = alert in notice.resolved
    ended = alert.resolved_at or notice.at
    since = f"since {moment(started(alert), zone)}"
    if over:
        since = f"{moment(started(alert), zone)} to {moment(ended, zone)}"
    return Line(
        state=f"RESOLVED after {lasting(ended - started(alert))}" if over else "FIRING",
        name=line(alert.name or "alert", 120),
        severity=line(alert.severity or "none", 40),
        scope=scope(alert),
        value=measured(alert, notice.measures.get(alert.name)),
        summary=summary(alert),
        description=description(alert),
        since=since,
        details="\n".join(f"{line(label, 80)}: {line(value, 300)}" for label, value in sorted(alert.labels.items())),
    )
