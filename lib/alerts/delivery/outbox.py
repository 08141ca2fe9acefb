"""Puts notices into the outbox: never more than ten a minute on a channel, the rest told together with true totals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lib.alerts import words
from lib.alerts.delivery.cover import Cover
from lib.alerts.delivery.decision import Decision, episode_of
from lib.alerts.delivery.options import measures
from lib.alerts.delivery.picture import SUPERSEDED, WAITING, Group, alert_of
from lib.alerts.delivery.stored import to_json
from lib.alerts.matchers import exactly, written
from lib.alerts.model import Alert, Kind, Links, Measure, Notice
from lib.alerts.rules import Rule
from lib.alerts.tables import AlertRow, CooldownRow, OutboxRow

MOST_SHOWN = 50
"""So many alerts of a notice are listed; the totals are true."""

SINGLE_A_MINUTE = 5
TOGETHER_EVERY = timedelta(seconds=15)
"""In one minute at most 5 notices about one group each and 5 about the rest."""

SEVERAL = "*"
_MINUTE = timedelta(minutes=1)
_AT_ONCE = 400
_RANK = {"critical": 0, "warning": 1}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A group that a channel is to be told about."""

    key: str
    group: Group
    decision: Decision
    cover: Cover


class Later(NamedTuple):
    """What has to wait until the minute has room again."""

    wanted: list[Wanted]
    until: datetime


class Outbox:
    """Writes the rows. `rules` gives the rules as they are now, for values against their limits."""

    def __init__(self, public_url: str, rules: Callable[[], Sequence[Rule]]) -> None:
        self._public_url = public_url
        self._rules = rules
        self._known: tuple[Sequence[Rule], dict[str, Measure]] = ((), {})

    def queue(
        self, session: Session, channel: str, wanted: Sequence[Wanted], replaced: Sequence[OutboxRow], now: datetime
    ) -> tuple[list[Wanted], Later | None]:
        """Queues what there is room for; what is queued, and what has to wait.

        A row that replaces unsent ones keeps their place in the retries: a channel that fails is not asked more often
        because alerts change.
        """
        if not wanted:
            return [], None
        urgent = sorted(wanted, key=_urgency)
        session.flush()
        single, together = self._recent(session, channel, now)
        room = max(0, SINGLE_A_MINUTE - single)
        alone, rest = urgent[:room], urgent[room:]
        queued = list(alone)
        for one in alone:
            self._add(session, channel, [one], replaced, now)
        if not rest:
            return queued, None
        if together is not None and timedelta(0) <= now - together < TOGETHER_EVERY:
            return queued, Later(rest, together + TOGETHER_EVERY)
        self._add(session, channel, rest, replaced, now)
        return [*queued, *rest], None

    def _recent(self, session: Session, channel: str, now: datetime) -> tuple[int, datetime | None]:
        """Notices about one group in the last minute, and when the last one about the rest was queued."""
        asked = select(OutboxRow.group_key, func.count(), func.max(OutboxRow.created_at)).where(
            OutboxRow.channel == channel, OutboxRow.test.is_(False), OutboxRow.state != SUPERSEDED,
            OutboxRow.created_at > now - _MINUTE, OutboxRow.created_at <= now,
        )  # fmt: skip
        rows = session.execute(asked.group_by(OutboxRow.group_key)).all()
        single = sum(count for key, count, _ in rows if not key.startswith(SEVERAL))
        return single, max((at for key, _, at in rows if key.startswith(SEVERAL)), default=None)

    def _add(
        self, session: Session, channel: str, wanted: Sequence[Wanted], replaced: Sequence[OutboxRow], now: datetime
    ) -> None:
        keys = {one.key for one in wanted}
        before = [row for row in replaced if any(cover["key"] in keys for cover in row.notice["covers"])]
        number = (session.scalar(select(func.max(OutboxRow.id))) or 0) + 1
        kind = _kind(wanted)
        group = wanted[0].key if len(wanted) == 1 else SEVERAL
        key = f"{group}/{channel}/{_episode(wanted)}/{kind.value}/{number}"
        notice = self._notice(session, channel, key, wanted, now)
        # Told with others counts as such for the minute, also where only one group was left over.
        place = group if len(wanted) == 1 and self._recent(session, channel, now)[0] < SINGLE_A_MINUTE else SEVERAL
        session.add(
            OutboxRow(
                key=key, channel=channel, group_key=place, kind=kind.value, state=WAITING, created_at=now,
                notice={"notice": to_json(notice), "covers": [one.cover.as_json() for one in wanted]},
                due_at=max([row.due_at for row in before if row.attempts], default=now),
                attempts=max((row.attempts for row in before), default=0), token=0, test=False,
            )
        )  # fmt: skip
        session.flush()

    def _notice(self, session: Session, channel: str, key: str, wanted: Sequence[Wanted], now: datetime) -> Notice:
        decisions = [one.decision for one in wanted]
        fresh = frozenset().union(*(decision.fresh for decision in decisions))
        firing = _newest([alert for one in decisions for alert in one.firing], fresh)
        resolved = _newest([alert for one in decisions for alert in one.resolved], fresh)
        shown = _whole(session, firing[:MOST_SHOWN]), _whole(session, resolved[: max(0, MOST_SHOWN - len(firing))])
        group = dict(wanted[0].group.labels) if len(wanted) == 1 else {}
        names = {alert.name for alerts in shown for alert in alerts}
        return Notice(
            key=key, group=group, kind=_kind(wanted), at=now, firing=shown[0], resolved=shown[1], firing_total=len(firing),
            resolved_total=len(resolved), suppressed=_suppressed(session, channel, wanted),
            links=self._links(group, shown[0] or shown[1], len(firing) + len(resolved)), groups=len(wanted),
            measures={name: one for name, one in self._measures().items() if name in names},
        )  # fmt: skip

    def _links(self, group: Mapping[str, str], alerts: Sequence[Alert], total: int) -> Links:
        return links(self._public_url, group, alerts, total)

    def _measures(self) -> dict[str, Measure]:
        rules = self._rules()
        if rules is not self._known[0]:
            self._known = (rules, measures(rules))
        return self._known[1]


def links(public_url: str, group: Mapping[str, str], alerts: Sequence[Alert], total: int) -> Links:
    """The view of one alert or of the group, a silence filled in, the runbook. "" where there is no address to lead to."""
    runbook = words.runbook(alerts, public_url)
    if not public_url:
        return Links(runbook=runbook)
    page = f"{public_url}/alerts"
    if total == 1 and alerts:
        view = f"{page}?alert={quote(alerts[0].fingerprint, safe='')}"
        return Links(view, _silence(page, alerts[0].labels), runbook)
    if not any(group.values()):
        return Links(page, "", runbook)
    return Links(f"{page}?alertname={quote(group.get('alertname', ''), safe='')}", _silence(page, group), runbook)


def _silence(page: str, labels: Mapping[str, str]) -> str:
    told = quote(written(exactly(labels)).encode("utf-8", "replace"), safe="")
    return f"{page}?silence={told}" if len(told) < 1500 else ""


def _urgency(one: Wanted) -> tuple[int, int]:
    severities = [_RANK.get(alert.severity, 2) for alert in (*one.decision.firing, *one.decision.resolved)]
    return (0 if one.decision.firing else 1, min(severities, default=3))


def _kind(wanted: Sequence[Wanted]) -> Kind:
    kinds = {one.decision.kind for one in wanted}
    return next((kind for kind in (Kind.FIRING, Kind.REPEAT) if kind in kinds), Kind.RESOLVED)


def _episode(wanted: Sequence[Wanted]) -> int:
    return max((episode_of(a) for one in wanted for a in (*one.decision.firing, *one.decision.resolved)), default=0)


def _newest(alerts: Sequence[Alert], fresh: frozenset[str]) -> list[Alert]:
    """What is told anew first, then the most severe, then the newest."""
    return sorted(
        alerts,
        key=lambda alert: (
            bool(fresh) and alert.fingerprint not in fresh, _RANK.get(alert.severity, 2), -words.started(alert).timestamp(),
        ),
    )  # fmt: skip


def _whole(session: Session, alerts: Sequence[Alert]) -> tuple[Alert, ...]:
    """The same alerts with the values and texts that they have now."""
    rows = session.scalars(select(AlertRow).where(AlertRow.id.in_([alert.id for alert in alerts])))
    found = {row.id: alert_of(row) for row in rows}
    return tuple(found.get(alert.id, alert) for alert in alerts)


def _suppressed(session: Session, channel: str, wanted: Sequence[Wanted]) -> int:
    about = sorted({fp for one in wanted for fp in (*one.cover.firing, *one.cover.resolved)})
    total = 0
    for at in range(0, len(about), _AT_ONCE):
        asked: Any = select(func.sum(CooldownRow.suppressed)).where(
            CooldownRow.channel == channel, CooldownRow.fingerprint.in_(about[at : at + _AT_ONCE])
        )
        total += int(session.scalar(asked) or 0)
    return total
