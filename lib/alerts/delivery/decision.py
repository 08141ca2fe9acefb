"""Whether a channel is told about a group of alerts now, and why: pure, with the clock as an argument.

The order of questions is Alertmanager's (notify: DedupStage.needsUpdate); cooldown, group wait and new episodes are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from lib.alerts.model import Alert, AlertState, Kind

CLOCK_SLACK = timedelta(seconds=60)
"""A record dated further ahead than this was written before the clock was put back."""

LONGEST_WAIT = timedelta(seconds=30)


class Why(StrEnum):
    """Why a notice leaves, or does not."""

    FIRST = "first"  # nothing of the group was told yet
    NEW = "new"  # an alert of the group fires that was not told
    EPISODE = "episode"  # it was told, ended and fires again, and the end was never told
    RESOLVED = "resolved"  # all that was told has ended
    SOME_RESOLVED = "some resolved"  # a part of it has
    REPEAT = "repeat"  # nothing changed for so long that it is said again
    CLOCK = "clock"  # the last notice is dated in the future: the clock was put back, so it counts as long ago
    CLEARED = "cleared"  # all has ended and this rule does not announce that: only noted
    COOLDOWN = "cooldown"  # told of this alert less than 5 minutes ago
    WAITING = "waiting"  # for more alerts of the group
    MUTED = "muted"  # silenced or inhibited
    KNOWN = "known"  # the channel was told and nothing changed
    UNSEEN = "unseen"  # it has ended before anybody was told
    NOTHING = "nothing"  # there is nothing to tell


SENDS = frozenset({Why.FIRST, Why.NEW, Why.EPISODE, Why.RESOLVED, Why.SOME_RESOLVED, Why.REPEAT, Why.CLOCK})
_ABOUT_ALL = frozenset({Why.REPEAT, Why.CLOCK})


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel was last told about a group, and when: the fingerprints that fired and that had ended."""

    firing: frozenset[str]
    resolved: frozenset[str]
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Cooling:
    """When a channel was last told that an alert fires, and in which episode."""

    episode: int
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Policy:
    """How a rule wants to be told. `group_wait` is at most 30 s; `repeat` is never shorter than `cooldown`."""

    cooldown: timedelta = timedelta(minutes=5)
    repeat: timedelta = timedelta(hours=4)
    group_wait: timedelta = timedelta(0)
    send_resolved: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "repeat", max(self.repeat, self.cooldown))
        object.__setattr__(self, "group_wait", min(max(self.group_wait, timedelta(0)), LONGEST_WAIT))


@dataclass(frozen=True, slots=True)
class Reason:
    """What becomes of one alert now; `until` is when the question is asked again, None where no time is known."""

    why: Why
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a group on a channel.

    `send`: a notice of `kind` about `firing` and `resolved`, told first: `fresh` (fingerprints not told before). `why` is
    CLEARED: nothing is sent, and the record is still to be replaced by `told`. `keep` are muted alerts that stay told.
    `reasons` hold one per alert; `ask_again_at` is when the answer may change by time alone, None: never.
    """

    send: bool
    why: Why
    kind: Kind | None = None
    firing: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    fresh: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()
    reasons: Mapping[str, Reason] = field(default_factory=dict)
    ask_again_at: datetime | None = None

    def told(self, now: datetime) -> Told:
        """What the channel knows once it has accepted this."""
        firing = frozenset(alert.fingerprint for alert in self.firing)
        return Told(firing | self.keep, frozenset(alert.fingerprint for alert in self.resolved), now)

    def cooling(self, now: datetime) -> dict[str, Cooling]:
        """The cooldowns that its acceptance begins: of what was told anew, and of everything in a repeat."""
        about = self.firing if self.why in _ABOUT_ALL else [a for a in self.firing if a.fingerprint in self.fresh]
        return {alert.fingerprint: Cooling(episode_of(alert), now) for alert in about}


def episode_of(alert: Alert) -> int:
    """A number that tells an episode of an alert from its other ones."""
    return alert.id or int(alert.active_at.timestamp())


def elapsed(since: datetime, wanted: timedelta, now: datetime) -> bool:
    """Whether more than `wanted` has passed; a time in the future by more than a minute counts as long ago."""
    age = now - since
    return age < -CLOCK_SLACK or age > wanted


def needs_update(
    told: Told | None, firing: AbstractSet[str], resolved: AbstractSet[str], policy: Policy, now: datetime
) -> Why | None:
    """Alertmanager's decision, in its order: a reason of SENDS, CLEARED (to note only) or None."""
    if told is None:
        return Why.FIRST if firing else None
    if not firing <= told.firing:
        return Why.NEW if told.firing else Why.FIRST
    if not firing:
        ended = Why.RESOLVED if policy.send_resolved else Why.CLEARED
        return ended if told.firing else None
    if policy.send_resolved and not resolved <= told.resolved:
        return Why.SOME_RESOLVED
    if elapsed(told.sent_at, policy.repeat, now):
        return Why.CLOCK if told.sent_at > now else Why.REPEAT
    return None


def decide(
    told: Told | None,
    alerts: Sequence[Alert],
    muted: AbstractSet[str],
    cooldowns: Mapping[str, Cooling],
    *,
    policy: Policy,
    now: datetime,
) -> Decision:
    """The decision for one group on one channel.

    `alerts` are its firing alerts and those that have ended and were told of; pending ones are ignored. `muted` and the
    keys of `cooldowns` are fingerprints. An alert that is muted now is out of the question on either side: what was told
    of it stays told, so that its end is announced when the mute is over.
    """
    case = _Case(told, alerts, muted, cooldowns, policy=policy, now=now)
    shown, gone = case.shown(), case.gone()
    known = None if told is None else Told(case.seen - case.reborn, told.resolved, told.sent_at)
    why = needs_update(known, shown.keys(), gone.keys(), policy, now)
    if why in (Why.FIRST, Why.NEW) and shown.keys() <= case.seen:
        why = Why.EPISODE
    if why in (Why.RESOLVED, Why.CLEARED) and not gone:
        why = None  # what was told of is not there any more, in no state: there is nothing to say
    return case.decision(why, shown, gone)


class _Case:
    """The sets that the decision is made of."""

    def __init__(
        self, told: Told | None, alerts: Iterable[Alert], muted: AbstractSet[str], cooldowns: Mapping[str, Cooling],
        *, policy: Policy, now: datetime,
    ) -> None:  # fmt: skip
        every = [(alert.fingerprint, alert) for alert in alerts]
        self.policy, self.now, self.cooldowns = policy, now, cooldowns
        self.muted = muted
        self.told = told
        self.firing = {fp: alert for fp, alert in every if alert.state is AlertState.FIRING}
        self.ended = {fp: alert for fp, alert in every if alert.state is AlertState.RESOLVED and fp not in self.firing}
        all_told = told.firing if told else frozenset()
        self.keep = all_told & muted
        self.seen = all_told - muted
        self.open = {fp: alert for fp, alert in self.firing.items() if fp not in muted}
        again = {fp for fp in self.open if fp in self.seen and self._other_episode(fp)}
        self.cooling = {
            fp: until for fp in self.open if (fp not in self.seen or fp in again) and (until := self._cooling_until(fp))
        }
        new = {fp for fp in self.open if fp not in self.seen}
        self.waiting = self._waiting((new | again) - self.cooling.keys())
        self.reborn = frozenset(again - self.cooling.keys() - self.waiting.keys())
        self.fresh = new | self.reborn

    def _other_episode(self, fp: str) -> bool:
        cooldown = self.cooldowns.get(fp)
        return cooldown is not None and cooldown.episode != episode_of(self.open[fp])

    def _cooling_until(self, fp: str) -> datetime | None:
        cooldown = self.cooldowns.get(fp)
        if cooldown is None or elapsed(cooldown.sent_at, self.policy.cooldown, self.now):
            return None
        until = cooldown.sent_at + self.policy.cooldown
        return until if until > self.now else None

    def _waiting(self, ready: AbstractSet[str]) -> dict[str, datetime]:
        """New alerts wait together, from when the first of them fired; what is older than that flushes at once."""
        if not ready or not self.policy.group_wait:
            return {}
        first = min(self.open[fp].fired_at or self.open[fp].active_at for fp in ready)
        until = first + self.policy.group_wait
        over = until <= self.now or first - self.now > CLOCK_SLACK
        return {} if over else dict.fromkeys(ready, until)

    def shown(self) -> dict[str, Alert]:
        """What fires as far as the channel may know now."""
        held = (self.cooling.keys() - self.seen) | (self.waiting.keys() - self.seen)
        return {fp: alert for fp, alert in self.open.items() if fp not in held}

    def gone(self) -> dict[str, Alert]:
        """What has ended of that which the channel was told."""
        return {fp: alert for fp, alert in self.ended.items() if fp in self.seen}

    def decision(self, why: Why | None, shown: dict[str, Alert], gone: dict[str, Alert]) -> Decision:
        """The answer, with the reason for each alert."""
        reasons = dict(self._reasons(why, gone))
        send = why in SENDS
        sent = why is not None
        return Decision(
            send=send,
            why=why or self._quiet(),
            kind=_kind(why) if send else None,
            firing=tuple(shown.values()) if sent else (),
            resolved=tuple(gone.values()) if sent else (),
            fresh=frozenset(self.fresh & shown.keys()) if send else frozenset(),
            keep=self.keep,
            reasons=reasons,
            ask_again_at=self._ask_again(send),
        )

    def _reasons(self, why: Why | None, gone: dict[str, Alert]) -> Iterable[tuple[str, Reason]]:
        for fp in (*self.firing, *self.ended):
            if fp in self.muted:
                yield fp, Reason(Why.MUTED)
            elif fp in self.cooling:
                yield fp, Reason(Why.COOLDOWN, self.cooling[fp])
            elif fp in self.waiting:
                yield fp, Reason(Why.WAITING, self.waiting[fp])
            elif fp in self.ended and fp not in self.seen:
                yield fp, Reason(Why.UNSEEN)
            elif fp in self.fresh:
                yield fp, Reason(Why.EPISODE if fp in self.reborn else why or Why.NEW)
            elif fp in gone:
                yield fp, Reason(Why.RESOLVED if self.policy.send_resolved else Why.CLEARED)
            else:
                yield fp, Reason(why if why in _ABOUT_ALL and why else Why.KNOWN)

    def _quiet(self) -> Why:
        for why, there in (
            (Why.COOLDOWN, self.cooling), (Why.WAITING, self.waiting), (Why.MUTED, self.muted & self.firing.keys()),
            (Why.KNOWN, self.firing), (Why.UNSEEN, self.ended),
        ):  # fmt: skip
            if there:
                return why
        return Why.NOTHING

    def _ask_again(self, send: bool) -> datetime | None:
        times = [*self.cooling.values(), *self.waiting.values()]
        if not send and self.told is not None and self.open.keys() & self.seen:
            times.append(self.told.sent_at + self.policy.repeat)
        return min(times, default=None)


def _kind(why: Why | None) -> Kind:
    if why is Why.RESOLVED:
        return Kind.RESOLVED
    return Kind.FIRING if why in (Why.FIRST, Why.NEW, Why.EPISODE) else Kind.REPEAT
