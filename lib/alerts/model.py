"""The words of alerting: an alert and its episode, a notice about alerts, and what a channel says about sending it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Origin(StrEnum):
    """Who says that the condition holds."""

    ENGINE = "engine"  # this product evaluated the rule
    PROMETHEUS = "prometheus"  # a Prometheus that evaluates already, asked for its alerts
    ALERTMANAGER = "alertmanager"  # its webhook told us
    API = "api"  # a program told us
    OWN = "own"  # this product about itself: a channel is broken


class AlertState(StrEnum):
    """Where an episode is. Muted (silenced, inhibited) is no state: it is a filter on sending."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One episode of one alert: from the moment its condition held until it did not.

    `labels` hold `alertname` and `severity`; `fingerprint` is theirs. `keep_since` is set while a firing alert is missing
    and kept ("recovering"). `value` is in the expression's own unit, None for what was pushed. `id` is 0 before it is kept.
    `mark` is the fingerprint where somebody knows it already.
    """

    origin: Origin
    labels: Mapping[str, str]
    state: AlertState
    active_at: datetime
    annotations: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    fired_at: datetime | None = None
    keep_since: datetime | None = None
    resolved_at: datetime | None = None
    resolved_why: str = ""
    last_seen: datetime | None = None
    id: int = 0
    mark: str = field(default="", compare=False, repr=False)

    @property
    def name(self) -> str:
        """Its rule."""
        return self.labels.get("alertname", "")

    @property
    def severity(self) -> str:
        """critical, warning, info or what the rule says."""
        return self.labels.get("severity", "")

    @property
    def fingerprint(self) -> str:
        """What tells this alert from every other, in every episode."""
        return self.mark or fingerprint(self.labels)


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hex digits of the sorted labels; an empty label is an absent one."""
    told = "\xff".join(f"{name}\xfe{value}" for name, value in sorted(labels.items()) if value)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Kind(StrEnum):
    """What a notice says, state first."""

    FIRING = "firing"
    REPEAT = "repeat"  # still firing
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Links:
    """Where a notice leads: the exact view, a silence filled in, the runbook. "" where there is none."""

    view: str = ""
    silence: str = ""
    runbook: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a rule measures: a value times `factor` is in `unit` ("ratio" is shown as %), and `operator` `limit` (in the
    expression's own unit) is what it must not be. `limit` None where the rule has no plain one."""

    unit: str = ""
    factor: float = 1.0
    operator: str = ""
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told to one channel about one group of alerts.

    `firing` and `resolved` are the newest alerts shown, `firing_total` and `resolved_total` the true numbers; `suppressed`
    counts what was held back since the last notice. `key` makes a re-send recognisable. `test` marks what is no alert.
    `measures` says per alertname how its value reads. Without `group` it is about several groups at once, `groups` of them.
    """

    key: str
    group: Mapping[str, str]
    kind: Kind
    at: datetime
    firing: Sequence[Alert] = ()
    resolved: Sequence[Alert] = ()
    firing_total: int = 0
    resolved_total: int = 0
    suppressed: int = 0
    links: Links = Links()
    test: bool = False
    measures: Mapping[str, Measure] = field(default_factory=dict)
    groups: int = 1


@dataclass(frozen=True, slots=True)
class Rendered:
    """A notice in a channel's own form, exactly as it will leave: `body` is the JSON text or the whole mail.

    `preview` is for people: Slack's JSON pretty-printed, the mail's HTML part. No secret is in either. `key` is the
    notice's; `to` narrows the recipients of a mail (all of them where empty).
    """

    body: bytes
    content_type: str
    preview: str
    subject: str = ""
    key: str = ""
    to: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the other side answered: `code` its HTTP or SMTP code, `reply` its raw words (redacted, at most 2,000).

    Some recipients may have been refused: those in `later` for now only, so they are tried again by themselves.
    """

    code: int
    reply: str
    took_ms: float
    later: Sequence[str] = ()


class Channel(Protocol):
    """One way to tell people. `name` is the one in routes and in the registry."""

    name: str

    def render(self, notice: Notice) -> Rendered:
        """The notice in the channel's form; never raises for any text in it."""

    def send(self, rendered: Rendered) -> Receipt:
        """Hands it over. Raises DeliveryError, permanent or not; `retry_after_s` on it where the other side said so."""

    def hint(self, code: int, reply: str) -> str:
        """What a person can do about that answer; "" where it needs nothing. `code` 0: none came."""
