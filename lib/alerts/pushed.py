"""Alerts that others tell us: kept once, in whatever order and however often they are told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from lib.alerts.model import AlertState, Origin, fingerprint
from lib.alerts.tables import AlertRow, StoryRow

SAME_EPISODE = "told with another start: part of the episode that began before it"
TOLD_ANEW = "told anew with other labels"
NOT_RENEWED = "not told again in time"
LATE = timedelta(minutes=15)
"""A firing that comes later than this after the end was told is no late delivery: the sender says that it fires again."""

_LOOK_BACK = timedelta(days=2)
_OURS = 0x416C6572


@dataclass(frozen=True, slots=True)
class Told:
    """One alert as another system tells it: firing while `ends_at` is None. Times are aware UTC."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """What a program tells under a key of its own: that something is wrong, or (`firing` false) that it no longer is.

    `expires` ends it by itself where it is not told again in that time; None: only a resolve does.
    """

    key: str
    firing: bool
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    expires: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one delivery: episodes begun, ended, otherwise changed, and alerts that told nothing new."""

    begun: int = 0
    ended: int = 0
    changed: int = 0
    repeated: int = 0

    def plus(self, what: str) -> Taken:
        """One more of `what`."""
        return replace(self, **{what: getattr(self, what) + 1})


def take_in(session: Session, told: Sequence[Told], now: datetime) -> Taken:
    """Keeps what Alertmanager tells: the final state depends on what was told, not on its order nor on how often.

    An alert is known by its fingerprint and start. Its end stands once told, the latest of several. Episodes that
    overlap are one, which begins with the earliest. Annotations are those told last, an end's before a firing's.
    """
    _alone(session)
    groups = defaultdict(list)
    for one in told:
        groups[fingerprint(one.labels)].append(one)
    known, taken = _known(session, groups, told, now), Taken()
    for mark, ones in groups.items():
        rows = known[mark]
        for one in ones:
            taken = taken.plus(_merged(session, rows, mark, one, now))
    return taken


def _alone(session: Session) -> None:
    """Two deliveries at once would each miss the other's rows. SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_OURS)))


def _known(
    session: Session, marks: Mapping[str, object], told: Sequence[Told], now: datetime
) -> defaultdict[str, list[AlertRow]]:
    oldest = min([now - _LOOK_BACK, *(one.starts_at for one in told)])
    found = select(AlertRow).where(
        AlertRow.origin == Origin.ALERTMANAGER,
        AlertRow.fingerprint.in_(list(marks)),
        or_(AlertRow.active_at >= oldest, AlertRow.state != AlertState.RESOLVED),
    )
    known = defaultdict[str, list[AlertRow]](list)
    for row in session.scalars(found):
        known[row.fingerprint].append(row)
    return known


def _merged(session: Session, rows: list[AlertRow], mark: str, one: Told, now: datetime) -> str:
    row = next((row for row in rows if row.active_at == one.starts_at), None)
    if row is not None and _fires_again(rows, row, one, now):
        one, row = replace(one, starts_at=now), None
    before = {row.id: (row.state, row.resolved_at) for row in rows}
    if row is None:
        row = _row(one, mark, now)
        rows.append(row)
        session.add(row)
        news = True
    else:
        news = _updated(row, one, now)
    session.flush()
    _settle(rows)
    return _told_of(session, rows, before, news=news, now=now) if news else "repeated"


def _fires_again(rows: Sequence[AlertRow], row: AlertRow, one: Told, now: datetime) -> bool:
    over = all(other.state == AlertState.RESOLVED for other in rows)
    return one.ends_at is None and over and now - row.last_seen > LATE


def _row(one: Told, mark: str, now: datetime) -> AlertRow:
    name = one.labels.get("alertname", "")
    return AlertRow(
        origin=Origin.ALERTMANAGER, fingerprint=mark, rule=f"{Origin.ALERTMANAGER}/{name}"[:255], name=name[:255],
        severity=one.labels.get("severity", "")[:64], labels=dict(one.labels), annotations=dict(one.annotations),
        state=AlertState.FIRING, active_at=one.starts_at, fired_at=one.starts_at, last_seen=now, ends_at=one.ends_at,
        repeats=0, acked_by="", resolved_why="",
    )  # fmt: skip


def _updated(row: AlertRow, one: Told, now: datetime) -> bool:
    """Whether the row now says something else. `last_seen` of an ended one stays when its end was told."""
    ended = _end(row)
    rank, known = (one.ends_at is not None, one.ends_at or now), (ended is not None, ended or now)
    if row.state != AlertState.RESOLVED or rank > known:
        row.last_seen = now
    if rank > known:
        row.ends_at = one.ends_at
    other = rank >= known and dict(one.annotations) != row.annotations
    if other:
        row.annotations = dict(one.annotations)
    if rank <= known:
        row.repeats += 1
    return other or rank > known


def _end(row: AlertRow) -> datetime | None:
    """When it was told, or said by a person with a reason, to have ended; not what follows from other rows."""
    by_hand = row.state == AlertState.RESOLVED and row.resolved_why not in ("", SAME_EPISODE)
    return row.ends_at or (row.resolved_at if by_hand else None)


def _settle(rows: list[AlertRow]) -> None:
    """Gives each episode its state from everything told of this alert: a pure function of the set of rows."""
    rows.sort(key=lambda row: row.active_at)
    episodes: list[list[AlertRow]] = []
    for row in rows:
        end = _end_of(episodes[-1]) if episodes else datetime.min.replace(tzinfo=UTC)
        if end is None or row.active_at < end:
            episodes[-1].append(row)
        else:
            episodes.append([row])
    for first, *rest in episodes:
        _set(first, _end_of([first, *rest]), first.resolved_why.replace(SAME_EPISODE, ""))
        for row in rest:
            if row.acked_at and not first.acked_at:
                first.acked_at, first.acked_by, first.ack_note = row.acked_at, row.acked_by, row.ack_note
            _set(row, row.active_at, SAME_EPISODE)


def _end_of(episode: Sequence[AlertRow]) -> datetime | None:
    """The latest end told of any part of it; None while none was."""
    return max((end for row in episode if (end := _end(row)) is not None), default=None)


def _set(row: AlertRow, end: datetime | None, why: str) -> None:
    row.state = AlertState.FIRING if end is None else AlertState.RESOLVED
    row.resolved_at = None if end is None else max(end, row.active_at)
    row.resolved_why = why


def _told_of(
    session: Session,
    rows: Sequence[AlertRow],
    before: Mapping[int, tuple[str, datetime | None]],
    *,
    news: bool,
    now: datetime,
) -> str:
    """What the delivery did to the alert, with a line in its story where it began or ended."""
    for row in rows:
        was, is_now = before.get(row.id), (row.state, row.resolved_at)
        if row.resolved_why == SAME_EPISODE or was == is_now:
            continue
        if row.state == AlertState.FIRING and was is None:
            _tell(session, row, now, "Alertmanager told that it fires")
            return "begun"
        if row.state == AlertState.RESOLVED and row.resolved_at is not None:
            _tell(session, row, now, f"Alertmanager told that it ended at {row.resolved_at:%H:%M:%S} UTC")
            return "ended"
    return "changed" if news else "repeated"


def _tell(session: Session, row: AlertRow, now: datetime, words: str) -> None:
    session.add(StoryRow(at=now, fingerprint=row.fingerprint, alert_id=row.id, kind="pushed", channel="", words=words))


def signal(session: Session, one: Signal, now: datetime) -> Taken:
    """Keeps what a program tells under its key. Told again it is the same episode; other labels are another alert."""
    _alone(session)
    name = f"{Origin.API}/{one.key}"[:255]
    found = select(AlertRow).where(
        AlertRow.origin == Origin.API, AlertRow.rule == name, AlertRow.state != AlertState.RESOLVED
    )
    open_rows, taken, mark = list(session.scalars(found)), Taken(), fingerprint(one.labels)
    same = next((row for row in open_rows if one.firing and row.fingerprint == mark), None)
    for row in open_rows:
        if row is not same:
            ended(session, row, now, TOLD_ANEW if one.firing else "the program told that it ended")
            taken = taken.plus("ended")
    if not one.firing:
        return taken if open_rows else taken.plus("repeated")
    if same is None:
        _begin(session, one, name, mark, now)
        return taken.plus("begun")
    other = dict(one.annotations) != same.annotations
    same.annotations, same.last_seen, same.ends_at = dict(one.annotations), now, _until(one, now)
    same.repeats += 1
    return taken.plus("changed" if other else "repeated")


def _begin(session: Session, one: Signal, name: str, mark: str, now: datetime) -> None:
    row = AlertRow(
        origin=Origin.API, fingerprint=mark, rule=name, name=one.labels.get("alertname", "")[:255],
        severity=one.labels.get("severity", "")[:64], labels=dict(one.labels), annotations=dict(one.annotations),
        state=AlertState.FIRING, active_at=now, fired_at=now, last_seen=now, ends_at=_until(one, now), repeats=0,
        acked_by="", resolved_why="",
    )  # fmt: skip
    session.add(row)
    session.flush()
    _tell(session, row, now, "a program told that it fires")


def _until(one: Signal, now: datetime) -> datetime | None:
    return now + one.expires if one.expires else None


def ended(session: Session, row: AlertRow, now: datetime, why: str) -> None:
    """Ends a pushed alert for good: what is told of this episode afterwards changes nothing."""
    row.state, row.resolved_at, row.resolved_why, row.ends_at, row.last_seen = AlertState.RESOLVED, now, why, now, now
    _tell(session, row, now, f"ended: {why}")


def expire(session: Session, now: datetime) -> int:
    """Ends what programs told with a time to live and did not tell again; how many. Call it every few seconds."""
    found = select(AlertRow).where(
        AlertRow.origin == Origin.API, AlertRow.state == AlertState.FIRING, AlertRow.ends_at <= now
    )
    rows = list(session.scalars(found))
    for row in rows:
        ended(session, row, now, NOT_RENEWED)
    return len(rows)
