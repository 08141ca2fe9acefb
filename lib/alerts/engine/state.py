"""What is remembered of a rule between two evaluations, and what an evaluation changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from lib.alerts.engine.labels import Labelled
from lib.alerts.engine.templates import expand_all
from lib.alerts.model import Alert, AlertState, Origin, fingerprint
from lib.alerts.rules import Rule
from lib.metrics.base import Labels

_NOTHING: Mapping[str, str] = {}


class Health(StrEnum):
    """How the evaluation of a rule itself is."""

    UNKNOWN = "unknown"  # not evaluated yet
    OK = "ok"
    ERROR = "error"
    NO_DATA = "no-data"


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert of a rule from the moment its condition held. `series` are the labels that its texts may name.

    `keep_since` is the first evaluation that missed it while it is kept, `missed` those in a row without its series.
    `annotations` are those of a kept row, or of an alert about the rule itself; otherwise they are made when asked for.
    """

    fingerprint: str
    labels: Labels
    state: AlertState
    active_at: datetime
    value: float | None = None
    series: Labels | None = None
    fired_at: datetime | None = None
    keep_since: datetime | None = None
    resolved_at: datetime | None = None
    resolved_why: str = ""
    last_seen: datetime | None = None
    missed: int = 0
    unobserved: timedelta = timedelta(0)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def about(cls, labels: Labels, annotations: Mapping[str, str], at: datetime) -> Episode:
        """A pending alert about a rule itself."""
        told = {name: value for name, value in labels.items() if value}
        return cls(fingerprint(told), told, AlertState.PENDING, at, last_seen=at, annotations=annotations)

    @property
    def waited(self) -> timedelta:
        """How long it was pending before it fired; zero where it does not fire."""
        return self.fired_at - self.active_at if self.fired_at is not None else timedelta(0)

    def seen(self, item: Labelled, at: datetime) -> Episode:
        """The same episode, there again with a new value. Its start never moves."""
        return Episode(  # not `replace`: this is what a replay does most
            self.fingerprint, self.labels, self.state, self.active_at, item.value, item.series, self.fired_at, None,
            self.resolved_at, self.resolved_why, at, 0, self.unobserved, self.annotations,
        )  # fmt: skip

    def fired(self, at: datetime) -> Episode:
        """The same, firing since `at`."""
        return Episode(
            self.fingerprint, self.labels, AlertState.FIRING, self.active_at, self.value, self.series, at, self.keep_since,
            self.resolved_at, self.resolved_why, self.last_seen, self.missed, self.unobserved, self.annotations,
        )  # fmt: skip

    def ended(self, at: datetime, why: str) -> Episode:
        """The same, over since `at`."""
        return Episode(
            self.fingerprint, self.labels, AlertState.RESOLVED, self.active_at, self.value, self.series, self.fired_at,
            self.keep_since, at, why, self.last_seen, self.missed, self.unobserved, self.annotations,
        )  # fmt: skip

    def moved(self, by: timedelta) -> Episode:
        """What waits for a time, moved with a clock that was put back."""
        keep = self.keep_since + by if self.keep_since is not None else None
        begun = self.active_at + by if self.state is AlertState.PENDING else self.active_at
        return replace(self, active_at=begun, keep_since=keep)

    def told(self, rule: Rule) -> Mapping[str, str]:
        """Its annotations, with the newest value in them."""
        if self.series is None or self.value is None:
            return self.annotations
        return expand_all(rule.annotations, self.series, self.value)

    def alert(self, rule: Rule | None) -> Alert:
        """The same as the rest of the product knows it; without its texts where no rule is given."""
        return Alert(
            Origin.ENGINE, self.labels, self.state, self.active_at, self.told(rule) if rule else _NOTHING, self.value,
            self.fired_at, self.keep_since, self.resolved_at, self.resolved_why, self.last_seen, 0, self.fingerprint,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule between two evaluations: its open alerts by fingerprint, `troubles` the alerts about the rule by name.

    `errors` counts failed evaluations in a row; `ever_seen`: its metrics were there at least once.
    """

    open: Mapping[str, Episode] = field(default_factory=dict)
    troubles: Mapping[str, Episode] = field(default_factory=dict)
    health: Health = Health.UNKNOWN
    health_since: datetime | None = None
    reason: str = ""
    errors: int = 0
    ever_seen: bool = False
    last_eval: datetime | None = None

    def settled(self, there: bool) -> bool:
        """Whether a quiet answer changes nothing but the time."""
        return self.health is Health.OK and not self.reason and self.ever_seen and there

    def with_health(self, health: Health, reason: str, at: datetime) -> RuleState:
        """The same with this health, since `at` where it is another one."""
        since = self.health_since if health is self.health else at
        return replace(self, health=health, reason=reason, health_since=since)


class Change(NamedTuple):
    """What an evaluation changed. `kind` pending, firing, dropped (pending no more), resolved, kept (missing, still firing),
    recurred; or, for the rule as a whole and each of its open alerts, ok, error, no-data. `episode` None: the rule itself."""

    at: datetime
    kind: str
    episode: Episode | None
    words: str


class Turn(NamedTuple):
    """What an evaluation gave."""

    state: RuleState
    changes: tuple[Change, ...] = ()
