"""What would have left during a replay: the real decision, on a simulated clock, with every notice accepted at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lib.alerts import silences as quiet
from lib.alerts.delivery.decision import Cooling, Decision, Told, Why, decide
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
        self._routes: dict[str, tuple[str, ...]] = {}
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

    def _groups(self) -> Mapping[tuple[str, str], list[Alert]]:
        found: dict[tuple[str, str], list[Alert]] = {}
        for fingerprint, alert in self._alerts.items():
            if fingerprint not in self._routes:
                self._routes[fingerprint] = channels_of([alert], self._telling.routes, self._telling.channels)[0]
            channels = self._routes[fingerprint]
            if not channels and alert.state is AlertState.FIRING:
                self._count(NO_ROUTE, alert, "")
            key = group_key(group_of(alert))
            for channel in channels:
                found.setdefault((channel, key), []).append(alert)
        return found

    def _ask(self, channel: str, key: str, alerts: list[Alert], muted: frozenset[str], at: datetime) -> None:
        policy = policy_of(alerts[0], self._telling.policy)
        decision = decide(self._told.get((channel, key)), alerts, muted, self._cooling[channel], policy=policy, now=at)
        again = decision.ask_again_at
        if decision.send:
            self._send(channel, key, decision, at)
            after = decide(self._told[channel, key], alerts, muted, self._cooling[channel], policy=policy, now=at)
            again = after.ask_again_at  # as the next round of the dispatcher
        elif decision.why is Why.CLEARED:
            self._told[channel, key] = decision.told(at)
        for alert in alerts:
            reason = decision.reasons.get(alert.fingerprint)
            if reason is not None and reason.why in _HELD:
                self._count(reason.why.value, alert, channel)
        if again is not None:
            self._sooner(again, at)

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

    def _count(self, why: str, alert: Alert, channel: str) -> None:
        key = (why, alert.fingerprint, alert.active_at, channel)
        if key not in self._counted:
            self._counted.add(key)
            self.held[why] += 1
