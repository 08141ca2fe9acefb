"""What would have left during a replay: the real decision, on a simulated clock, with every notice accepted at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from lib.alerts import silences as quiet
from lib.alerts.delivery.decision import Cooling, Decision, Policy, Told, Why, decide
from lib.alerts.delivery.dispatch import Plan as Telling
from lib.alerts.delivery.options import group_key, group_of, policy_of
from lib.alerts.delivery.routes import channels_of
from lib.alerts.engine.state import Change
from lib.alerts.model import Alert, AlertState, Kind
from lib.alerts.rules import Rule
from lib.alerts.silences import Silence

MOST_SENT = 20_000
TICK = timedelta(seconds=1)
"""How often it is decided anew while nothing changes, as live."""

NO_ROUTE = "no route"
_HELD = frozenset({Why.MUTED, Why.COOLDOWN, Why.UNSEEN})
_TELLS = frozenset({"firing", "resolved"})


@dataclass(frozen=True, slots=True)
class Sent:
    """A notice that would have left: of how many firing and ended alerts, and why."""

    at: datetime
    channel: str
    kind: Kind
    why: str
    name: str
    firing: int
    resolved: int


class _Fact(NamedTuple):
    """What never changes about an alert: where it goes, with which others, and how."""

    channels: tuple[str, ...]
    key: str
    policy: Policy


class Notices:
    """Every channel's side of one rule's past. `sent` is what would have left, `held` what was kept back, in episodes."""

    def __init__(self, rule: Rule, telling: Telling, silences: Sequence[Silence]) -> None:
        self._rule, self._telling = rule, telling
        self._silences = silences
        self._edges = sorted({edge for one in silences for edge in (one.starts_at, one.ends_at)})
        self._told: dict[tuple[str, str], Told] = {}
        self._cooling: dict[str, dict[str, Cooling]] = {name: {} for name in telling.channels}
        self._alerts: dict[str, Alert] = {}
        self._counted: set[tuple[str, str, datetime, str]] = set()
        self._facts: dict[str, _Fact] = {}
        self._wake: datetime | None = None
        self.sent: list[Sent] = []
        self.held: Counter[str] = Counter()

    def until(self, at: datetime) -> None:
        """Decides at every moment before `at` at which time alone changes an answer."""
        while (wake := self._earliest()) is not None and wake < at:
            self._decide(wake)

    def look(self, changes: Sequence[Change], at: datetime) -> None:
        """Decides after an evaluation, where it changed what could be told or it is time."""
        told = [change.episode for change in changes if change.kind in _TELLS and change.episode is not None]
        for episode in told:
            self._alerts[episode.fingerprint] = episode.alert(self._rule)
        wake = self._earliest()
        if told or (wake is not None and wake <= at):
            self._decide(at)

    def _earliest(self) -> datetime | None:
        edge = self._edges[0] if self._edges else None
        times = [moment for moment in (self._wake, edge) if moment is not None]
        return min(times, default=None)

    def _decide(self, at: datetime) -> None:
        while self._edges and self._edges[0] <= at:
            self._edges.pop(0)
        self._wake = None
        if not self._alerts:
            return
        muted = self._muted(at)
        for (channel, key), alerts in self._groups().items():
            self._ask(channel, key, alerts, muted, at)
        known = {fp for told in self._told.values() for fp in told.firing}
        ended = [fp for fp, one in self._alerts.items() if one.state is AlertState.RESOLVED and fp not in known]
        for fingerprint in ended:
            del self._alerts[fingerprint]

    def _muted(self, at: datetime) -> frozenset[str]:
        active = [one for one in self._silences if one.holds(at)]
        if not active:
            return frozenset()
        hits = quiet.muting(active, [alert.labels for alert in self._alerts.values()])
        return frozenset(fp for fp, hit in zip(self._alerts, hits, strict=True) if hit is not None)

    def _groups(self) -> Mapping[tuple[str, str], list[tuple[str, Alert]]]:
        found: dict[tuple[str, str], list[tuple[str, Alert]]] = {}
        for fingerprint, alert in self._alerts.items():
            fact = self._facts.get(fingerprint) or self._learnt(fingerprint, alert)
            if not fact.channels and alert.state is AlertState.FIRING:
                self._count(NO_ROUTE, fingerprint, alert, "")
            for channel in fact.channels:
                found.setdefault((channel, fact.key), []).append((fingerprint, alert))
        return found

    def _learnt(self, fingerprint: str, alert: Alert) -> _Fact:
        channels = channels_of([alert], self._telling.routes, self._telling.channels)[0]
        fact = _Fact(channels, group_key(group_of(alert)), policy_of(alert, self._telling.policy))
        self._facts[fingerprint] = fact
        return fact

    def _ask(self, channel: str, key: str, group: list[tuple[str, Alert]], muted: frozenset[str], at: datetime) -> None:
        policy, alerts = self._facts[group[0][0]].policy, [alert for _, alert in group]
        told = self._told.get((channel, key))
        decision = decide(told, alerts, muted, self._cooling[channel], policy=policy, now=at)
        if decision.send:
            self._send(channel, key, decision, at)
            if decision.firing:
                self._sooner(at + policy.repeat, at)
        elif decision.why is Why.CLEARED:
            self._told[channel, key] = decision.told(at)
        for fingerprint, alert in group:
            reason = decision.reasons.get(fingerprint)
            if reason is not None and reason.why in _HELD:
                self._count(reason.why.value, fingerprint, alert, channel)
        if decision.ask_again_at is not None:
            self._sooner(decision.ask_again_at, at)

    def _sooner(self, again: datetime, at: datetime) -> None:
        """The first whole second, as live, at which it is asked again."""
        second = datetime.fromtimestamp(math.ceil(again.timestamp()), UTC)
        wake = second if second > at else at.replace(microsecond=0) + TICK
        self._wake = wake if self._wake is None else min(self._wake, wake)

    def _send(self, channel: str, key: str, decision: Decision, at: datetime) -> None:
        assert decision.kind is not None, "what is sent has a kind"
        self._told[channel, key] = decision.told(at)
        self._cooling[channel] |= decision.cooling(at)
        if len(self.sent) < MOST_SENT:
            name = (decision.firing or decision.resolved)[0].name
            self.sent.append(
                Sent(at, channel, decision.kind, decision.why.value, name, len(decision.firing), len(decision.resolved))
            )

    def _count(self, why: str, fingerprint: str, alert: Alert, channel: str) -> None:
        key = (why, fingerprint, alert.active_at, channel)
        if key not in self._counted:
            self._counted.add(key)
            self.held[why] += 1
