"""What would have left during a replay: the real decision, on a simulated clock, with every notice accepted at once."""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from lib.alerts import silences as quiet
from lib.alerts.delivery.decision import Cooling, Decision, Policy, Told, Why, decide
from lib.alerts.delivery.dispatch import Plan as Telling
from lib.alerts.delivery.options import group_key, group_of, policy_of
from lib.alerts.delivery.routes import channels_of
from lib.alerts.engine.state import Change, Episode
from lib.alerts.model import Alert, AlertState, Kind
from lib.alerts.rules import Rule
from lib.alerts.silences import Silence

MOST_SENT = 20_000
"""So many notices are listed one by one, the newest; the totals are true."""

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


@dataclass(slots=True, eq=False)
class _Group:
    """Alerts that are told together, on channels that are always told the same. It is asked about again at `due`, where
    live would notice that at `wake`."""

    channels: tuple[str, ...]
    policy: Policy
    alerts: dict[str, Alert] = field(default_factory=dict)
    told: Told | None = None
    cooling: dict[str, Cooling] = field(default_factory=dict)
    due: datetime | None = None
    wake: datetime | None = None


class Notices:
    """Every channel's side of one rule's past. `sent` are the newest notices that would have left, `told` the number of all
    of them by channel and kind, `held` what was kept back, in episodes."""

    def __init__(self, rule: Rule, telling: Telling, silences: Sequence[Silence]) -> None:
        self._rule, self._telling = rule, telling
        self._alike = _alike(telling)
        self._silences = silences
        self._edges = sorted({edge for one in silences for edge in (one.starts_at, one.ends_at)})
        self._groups: dict[tuple[tuple[str, ...], str], _Group] = {}
        self._of: dict[str, tuple[_Group, ...]] = {}
        self._wakes: list[tuple[datetime, int, _Group]] = []
        self._order = count()
        self._counted: set[tuple[str, str, datetime, tuple[str, ...]]] = set()
        self.sent: deque[Sent] = deque(maxlen=MOST_SENT)
        self.told: Counter[tuple[str, str]] = Counter()
        self.held: Counter[str] = Counter()

    def until(self, at: datetime) -> None:
        """Decides at every moment before `at` at which time alone changes an answer."""
        while (wake := self._earliest()) is not None and wake < at:
            self._decide((), wake)

    def look(self, changes: Sequence[Change], at: datetime) -> None:
        """Decides after an evaluation, where it changed what could be told or it is time."""
        touched: dict[_Group, None] = {}
        for change in changes:
            if change.kind in _TELLS and change.episode is not None:
                touched |= dict.fromkeys(self._take(change.episode))
        wake = self._earliest()
        if touched or (wake is not None and wake <= at):
            self._decide(touched, at)

    def _take(self, episode: Episode) -> tuple[_Group, ...]:
        """The groups of an alert that fires or has ended, with it as it is now."""
        mark = episode.fingerprint
        if mark not in self._of:
            self._of[mark] = self._groups_of(episode.alert(self._rule))
        groups, alert = self._of[mark], episode.alert(None)
        if not groups and alert.state is AlertState.FIRING:
            self._count(NO_ROUTE, alert, ("",))
        for group in groups:
            group.alerts[mark] = alert
        return groups

    def _groups_of(self, alert: Alert) -> tuple[_Group, ...]:
        """What never changes about an alert: where it goes, with which others, and how."""
        channels = frozenset(channels_of([alert], self._telling.routes, self._telling.channels)[0])
        key, policy = group_key(group_of(alert)), policy_of(alert, self._telling.policy)
        mine = [alike for alike in self._alike if channels.issuperset(alike)]
        return tuple(self._groups.setdefault((alike, key), _Group(alike, policy)) for alike in mine)

    def _earliest(self) -> datetime | None:
        while self._wakes and self._wakes[0][2].wake != self._wakes[0][0]:
            heapq.heappop(self._wakes)  # it was asked meanwhile
        times = [self._wakes[0][0]] if self._wakes else []
        return min([*times, *self._edges[:1]], default=None)

    def _decide(self, touched: Iterable[_Group], at: datetime) -> None:
        asked = dict.fromkeys(touched)
        if self._edges and self._edges[0] <= at:
            asked = dict.fromkeys(self._groups.values())
            while self._edges and self._edges[0] <= at:
                self._edges.pop(0)
        while self._wakes and (self._wakes[0][0] <= at or _over(self._wakes[0][2].due, at)):
            wake, _, group = heapq.heappop(self._wakes)
            if group.wake == wake:
                asked[group] = None
        active = [one for one in self._silences if one.holds(at)]
        for group in asked:
            self._ask(group, _muted(group, active), at)

    def _ask(self, group: _Group, muted: frozenset[str], at: datetime) -> None:
        group.due = group.wake = None
        if not group.alerts:
            return
        decision = decide(group.told, list(group.alerts.values()), muted, group.cooling, policy=group.policy, now=at)
        if decision.send:
            self._send(group, decision, at)
        elif decision.why is Why.CLEARED:
            group.told = decision.told(at)
        for mark, reason in decision.reasons.items():
            if reason.why in _HELD:
                self._count(reason.why.value, group.alerts[mark], group.channels)
        known = group.told.firing if group.told else frozenset()
        for mark in [mark for mark, one in group.alerts.items() if one.state is AlertState.RESOLVED]:
            if mark not in known:
                del group.alerts[mark]
        again = at + group.policy.repeat if decision.send and decision.firing else None
        self._wake(group, min((one for one in (again, decision.ask_again_at) if one), default=None), at)

    def _wake(self, group: _Group, due: datetime | None, at: datetime) -> None:
        """The first whole second, as live, at which it is asked again."""
        if due is None:
            return
        second = datetime.fromtimestamp(math.ceil(due.timestamp()), UTC)
        group.due, group.wake = due, second if second > at else at.replace(microsecond=0) + TICK
        heapq.heappush(self._wakes, (group.wake, next(self._order), group))

    def _send(self, group: _Group, decision: Decision, at: datetime) -> None:
        assert decision.kind is not None, "what is sent has a kind"
        group.told = decision.told(at)
        group.cooling |= decision.cooling(at)
        name = (decision.firing or decision.resolved)[0].name
        for channel in group.channels:
            self.told[channel, decision.kind.value] += 1
            self.sent.append(
                Sent(at, channel, decision.kind, decision.why.value, name, len(decision.firing), len(decision.resolved))
            )

    def _count(self, why: str, alert: Alert, channels: tuple[str, ...]) -> None:
        key = (why, alert.fingerprint, alert.active_at, channels)
        if key not in self._counted:
            self._counted.add(key)
            self.held[why] += len(channels)


def _alike(telling: Telling) -> list[tuple[str, ...]]:
    """The channels, together with those that every route treats the same: one decision is that of all of them."""
    found: dict[tuple[bool, ...], list[str]] = {}
    for channel in telling.channels:
        found.setdefault(tuple(channel in route.channels for route in telling.routes), []).append(channel)
    return [tuple(alike) for alike in found.values()]


def _muted(group: _Group, active: Sequence[Silence]) -> frozenset[str]:
    if not active:
        return frozenset()
    hits = quiet.muting(active, [alert.labels for alert in group.alerts.values()])
    return frozenset(mark for mark, hit in zip(group.alerts, hits, strict=True) if hit is not None)


def _over(moment: datetime | None, at: datetime) -> bool:
    return moment is not None and moment <= at
