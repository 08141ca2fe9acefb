"""What the dispatcher decides on: the open alerts in their groups, what each channel was told, what waits, who is quiet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lib.alerts import silences
from lib.alerts.delivery.decision import Cooling, Policy, Told
from lib.alerts.delivery.options import group_key, group_of, policy_of
from lib.alerts.delivery.routes import Inhibition, Route, channels_of, inhibited
from lib.alerts.model import Alert, AlertState, Origin
from lib.alerts.silences import Silence
from lib.alerts.tables import AlertRow, ChannelRow, CooldownRow, NoticeLogRow, OutboxRow, SilenceRow

WAITING, SENDING, SENT, FAILED, SUPERSEDED = "waiting", "sending", "sent", "failed", "superseded"
_AT_ONCE = 400
_WHOLE = (
    AlertRow.id, AlertRow.origin, AlertRow.labels, AlertRow.state, AlertRow.active_at, AlertRow.annotations, AlertRow.value,
    AlertRow.fired_at, AlertRow.keep_since, AlertRow.resolved_at, AlertRow.resolved_why, AlertRow.last_seen,
)  # fmt: skip
_LIGHT = (
    AlertRow.id, AlertRow.fingerprint, AlertRow.state, AlertRow.active_at, AlertRow.fired_at, AlertRow.resolved_at,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """An alert that is firing or was told of, with what never changes about it."""

    alert: Alert
    fingerprint: str
    group: Mapping[str, str]
    key: str
    policy: Policy
    channels: tuple[str, ...] = ()


@dataclass(slots=True)
class Group:
    """The alerts that are told together."""

    labels: Mapping[str, str]
    policy: Policy
    facts: list[Fact] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Mute:
    """Why nobody is told: by a silence, or by an alert that inhibits."""

    words: str
    by_silence: bool


class Reader:
    """Reads the state for a dispatcher. What never changes about an alert is read once."""

    def __init__(
        self, channels: Sequence[str], routes: Sequence[Route], inhibitions: Sequence[Inhibition], policy: Policy
    ) -> None:
        self._channels, self._routes, self._inhibitions, self._policy = channels, routes, inhibitions, policy
        self._facts: dict[int, Fact] = {}

    def facts(self, session: Session, told: Iterable[str]) -> list[Fact]:
        """The firing alerts, and for the fingerprints in `told` that fire no more their newest ended episode."""
        rows = list(session.execute(select(*_LIGHT).where(AlertRow.state == AlertState.FIRING.value)).all())
        self._learn(session, rows)
        firing = {self._facts[row.id].fingerprint for row in rows}
        ended = _newest_ended(session, sorted(set(told) - firing))
        self._learn(session, ended)
        current = [_now_is(self._facts[row.id], row) for row in (*rows, *ended)]
        self._facts = {fact.alert.id: fact for fact in current}
        return current

    def _learn(self, session: Session, rows: Sequence[Any]) -> None:
        """Reads what is new. A number may come again after a transaction that was undone: the fingerprint tells."""
        known = self._facts
        new = [row.id for row in rows if row.id not in known or known[row.id].fingerprint != row.fingerprint]
        alerts: list[Alert] = []
        for at in range(0, len(new), _AT_ONCE):
            asked = select(*_WHOLE).where(AlertRow.id.in_(new[at : at + _AT_ONCE]))
            alerts += [alert_of(row) for row in session.execute(asked)]
        for alert, channels in zip(alerts, channels_of(alerts, self._routes, self._channels), strict=True):
            group = group_of(alert)
            self._facts[alert.id] = Fact(
                alert, alert.fingerprint, group, group_key(group), policy_of(alert, self._policy), channels
            )

    def muted(self, session: Session, facts: Sequence[Fact], now: datetime) -> dict[str, Mute]:
        """Per fingerprint that nobody is told of now, why."""
        found: dict[str, Mute] = {}
        if active := silences.active(session, now):
            hits = silences.muting(active, [fact.alert.labels for fact in facts])
            found = {fact.fingerprint: _by(one) for fact, one in zip(facts, hits, strict=True) if one}
        if self._inhibitions:
            alerts = [fact.alert for fact in facts]
            firing = [alert for alert in alerts if alert.state is AlertState.FIRING]
            for fingerprint, source in inhibited(self._inhibitions, firing, alerts).items():
                found.setdefault(
                    fingerprint, Mute(f"kept quiet by {source.name} ({source.severity}), which fires", False)
                )
        return found


def alert_of(row: Any) -> Alert:
    """A row of the alerts, as a model or as its columns, as a plain value."""
    return Alert(
        Origin(row.origin), row.labels, AlertState(row.state), row.active_at, row.annotations, row.value, row.fired_at,
        row.keep_since, row.resolved_at, row.resolved_why or "", row.last_seen, row.id,
    )  # fmt: skip


def _now_is(fact: Fact, row: Any) -> Fact:
    before, state = fact.alert, AlertState(row.state)
    if before.state is state and before.fired_at == row.fired_at and before.resolved_at == row.resolved_at:
        return fact
    alert = replace(before, state=state, fired_at=row.fired_at, resolved_at=row.resolved_at, active_at=row.active_at)
    return replace(fact, alert=alert)


def _newest_ended(session: Session, fingerprints: Sequence[str]) -> list[Any]:
    found: dict[str, Any] = {}
    for at in range(0, len(fingerprints), _AT_ONCE):
        asked = select(*_LIGHT).where(
            AlertRow.fingerprint.in_(fingerprints[at : at + _AT_ONCE]), AlertRow.state == AlertState.RESOLVED.value
        )
        found |= {row.fingerprint: row for row in session.execute(asked.order_by(AlertRow.id))}
    return list(found.values())


def _by(silence: Silence) -> Mute:
    return Mute(f"silenced by {silence.who} until {silence.ends_at:%Y-%m-%d %H:%M:%S} UTC: {silence.reason}", True)


def grouped(facts: Iterable[Fact], channel: str) -> dict[str, Group]:
    """The groups of a channel, by key; a rule's own options count as the first of its alerts has them."""
    found: dict[str, Group] = {}
    for fact in facts:
        if channel in fact.channels:
            found.setdefault(fact.key, Group(fact.group, fact.policy)).facts.append(fact)
    return found


def told_of(session: Session) -> dict[tuple[str, str], Told]:
    """What each channel was last told, per (group key, channel)."""
    columns = (
        NoticeLogRow.group_key,
        NoticeLogRow.channel,
        NoticeLogRow.firing,
        NoticeLogRow.resolved,
        NoticeLogRow.sent_at,
    )
    return {
        (row.group_key, row.channel): Told(frozenset(row.firing), frozenset(row.resolved), row.sent_at)
        for row in session.execute(select(*columns))
    }


def cooldowns(session: Session) -> dict[str, dict[str, Cooling]]:
    """Per channel and fingerprint when it was last told that the alert fires."""
    found: dict[str, dict[str, Cooling]] = {}
    columns = (CooldownRow.channel, CooldownRow.fingerprint, CooldownRow.episode, CooldownRow.sent_at)
    for channel, fingerprint, episode, sent_at in session.execute(select(*columns)):
        found.setdefault(channel, {})[fingerprint] = Cooling(episode, sent_at)
    return found


def unsent(session: Session) -> list[OutboxRow]:
    """The notices about alerts that wait or are on their way, oldest first."""
    asked = select(OutboxRow).where(OutboxRow.state.in_([WAITING, SENDING]), OutboxRow.test.is_(False))
    return list(session.scalars(asked.order_by(OutboxRow.id)))


def signature(session: Session, now: datetime) -> tuple[Any, ...]:
    """Changes whenever a decision may have changed for another reason than time; cheap to ask."""
    firing = session.execute(
        select(func.count(), func.max(AlertRow.id), func.max(AlertRow.fired_at)).where(AlertRow.state == "firing")
    ).one()
    ended = session.scalar(select(func.max(AlertRow.resolved_at)))
    quiet = session.execute(
        select(SilenceRow.id, SilenceRow.version).where(SilenceRow.starts_at <= now, SilenceRow.ends_at > now)
    ).all()
    outbox = session.execute(
        select(OutboxRow.state, func.count(), func.max(OutboxRow.id), func.sum(OutboxRow.token))
        .where(OutboxRow.test.is_(False), OutboxRow.state.in_([WAITING, SENDING]))
        .group_by(OutboxRow.state).order_by(OutboxRow.state)
    ).all()  # fmt: skip
    log = session.execute(select(func.count(), func.max(NoticeLogRow.sent_at))).one()
    broken = session.execute(select(ChannelRow.name).where(ChannelRow.broken_since.is_not(None))).scalars().all()
    return (tuple(firing), ended, *map(tuple, quiet), *map(tuple, outbox), tuple(log), *sorted(broken))
