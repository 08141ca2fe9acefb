"""What the pages ask of the alerts that are open: which, how many, who was told, and how the rules themselves are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import Select, case, func, select

from lib.alerts.delivery.condition import ChannelStatus, statuses
from lib.alerts.delivery.story import Told
from lib.alerts.model import AlertState
from lib.alerts.tables import AlertRow, ChannelRow, CooldownRow, OutboxRow, RuleStateRow, StoryRow
from lib.state.database import State, UtcDateTime

SOURCE = "alerts"
MOST_OPEN = 20_000
MOST_EPISODES = 100
MOST_LINES = 500
STALLED_S = 60
"""No evaluation for this long, at 15 s between two: nobody watches."""

SEVERITIES = ("critical", "warning", "info")
"""Worst first; any other severity comes after them."""

TEST_LABEL = ("namespace", "test")
"""An alert with this label is a test: it may be shown, but it is counted nowhere."""

_LEFT_OUT = frozenset({"missed", "ends_at"})
_BOOKED = tuple(column for column in AlertRow.__table__.columns if column.name not in _LEFT_OUT)


def is_test(labels: dict[str, str]) -> bool:
    """Whether an alert with these labels is only a test."""
    return labels.get(TEST_LABEL[0]) == TEST_LABEL[1]


def open_alerts(state: State) -> pd.DataFrame:
    """Pending and firing alerts, worst first: firing before pending, by severity, the oldest first; at most MOST_OPEN.

    Columns as AlertRow has them, and `test` (bool). Raises SourceError.
    """
    query = (
        select(*_BOOKED)
        .where(AlertRow.state != AlertState.RESOLVED.value)
        .order_by(
            case((AlertRow.state == AlertState.FIRING.value, 0), else_=1),
            case({name: rank for rank, name in enumerate(SEVERITIES)}, value=AlertRow.severity, else_=len(SEVERITIES)),
            AlertRow.active_at,
            AlertRow.id,
        )
        .limit(MOST_OPEN)
    )
    found = rows_of(state, query, _BOOKED)
    return found.assign(test=[is_test(labels) for labels in found["labels"]]).astype({"test": bool})


def episodes(state: State, fingerprint: str) -> pd.DataFrame:
    """Every kept episode of one alert, newest first, at most MOST_EPISODES; columns as AlertRow has them."""
    columns = tuple(AlertRow.__table__.columns)
    query = select(*columns).where(AlertRow.fingerprint == fingerprint)
    return rows_of(state, query.order_by(AlertRow.active_at.desc(), AlertRow.id.desc()).limit(MOST_EPISODES), columns)


def told(state: State, fingerprints: Sequence[str]) -> pd.DataFrame:
    """When each channel was last told that these alerts fire: `fingerprint`, `channel`, `episode`, `sent_at`, `suppressed`
    (notices held back since). No row: that channel was never told."""
    columns = tuple(CooldownRow.__table__.columns)
    query = select(*columns).where(CooldownRow.fingerprint.in_(fingerprints))
    return rows_of(state, query.order_by(CooldownRow.fingerprint, CooldownRow.channel), columns)


def story(state: State, fingerprints: Sequence[str], start: datetime, end: datetime) -> pd.DataFrame:
    """What happened to these alerts in [start, end), oldest first: `at`, `fingerprint`, `alert_id`, `channel`, `kind`,
    `words`; the newest MOST_LINES."""
    columns = tuple(StoryRow.__table__.columns)
    query = select(*columns).where(StoryRow.fingerprint.in_(fingerprints), StoryRow.at >= start, StoryRow.at < end)
    newest = query.order_by(StoryRow.at.desc(), StoryRow.id.desc()).limit(MOST_LINES)
    return rows_of(state, newest, columns).iloc[::-1].reset_index(drop=True)


def channels(state: State) -> tuple[ChannelStatus, ...]:
    """How each channel that was ever set up does, by name."""
    with state.reading(SOURCE) as session:
        return statuses(session, sorted(session.scalars(select(ChannelRow.name))))


def held_back(state: State, alerts: Sequence[int]) -> pd.DataFrame:
    """What delivery said last about each of these alert rows on each channel ("" for none): `alert_id`, `channel`,
    `kind` (silenced, inhibited, cooldown, no_route, …), `words`, `at`."""
    newest = (
        select(func.max(StoryRow.id))
        .where(StoryRow.alert_id.in_(alerts), StoryRow.kind.in_([kind.value for kind in Told]))
        .group_by(StoryRow.alert_id, StoryRow.channel)
    )
    columns = tuple(column for column in StoryRow.__table__.columns if column.name not in ("id", "fingerprint"))
    return rows_of(state, select(*columns).where(StoryRow.id.in_(newest)).order_by(StoryRow.channel), columns)


def notices(state: State, since: datetime, most: int = 200) -> pd.DataFrame:
    """The newest notices since then: `channel`, `kind`, `state`, `test`, `created_at`, `sent_at`, `due_at`, `attempts`,
    `code`, `reply`, `took_ms`, `group_key`."""
    columns = tuple(c for c in OutboxRow.__table__.columns if c.name not in ("notice", "claimed_until", "token", "key"))
    query = select(*columns).where(OutboxRow.created_at >= since)
    return rows_of(state, query.order_by(OutboxRow.created_at.desc(), OutboxRow.id.desc()).limit(most), columns)


def rules(state: State) -> pd.DataFrame:
    """How every rule is, those that need a look first: `rule`, `name`, `health` (unknown, ok, error, no-data),
    `health_since`, `reason`, `ever_seen`, `last_eval`, `took_ms`, `skipped`."""
    columns = tuple(RuleStateRow.__table__.columns)
    first = case({"error": 0, "no-data": 1, "unknown": 2}, value=RuleStateRow.health, else_=3)
    return rows_of(state, select(*columns).order_by(first, RuleStateRow.name), columns)


def evaluated_at(rules: pd.DataFrame) -> datetime | None:
    """When a rule was last evaluated; None where none ever was."""
    newest = rules["last_eval"].max() if len(rules) else None
    return None if newest is None or pd.isna(newest) else newest.to_pydatetime()


def stalled(rules: pd.DataFrame, now: datetime) -> bool:
    """Whether nobody evaluates: what is shown may be long over, and what is wrong may not be shown."""
    newest = evaluated_at(rules)
    return newest is None or now - newest > timedelta(seconds=STALLED_S)


def rows_of(state: State, query: Select[Any], columns: Sequence[Any]) -> pd.DataFrame:
    """The answer as a frame with a column per selected column; times are aware, in UTC. Raises SourceError."""
    with state.reading(SOURCE) as session:
        found = [tuple(row) for row in session.execute(query)]
    frame = pd.DataFrame(found, columns=[column.name for column in columns])
    return _timed(frame, [column.name for column in columns if isinstance(column.type, UtcDateTime)])


def _timed(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A column without any time is one of times all the same: an empty answer has the types of a full one."""
    times = {name: pd.DatetimeIndex(pd.to_datetime(frame[name], utc=True)).as_unit("ns") for name in names}
    return frame.assign(**times)
