"""Rows of alerting as the engine and the delivery write them, for tests of what is asked and shown of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from lib.alerts.model import fingerprint
from lib.alerts.tables import AlertRow, ChannelRow, CooldownRow, OutboxRow, RuleStateRow, StoryRow
from lib.state.database import Base, State

MINUTE = timedelta(minutes=1)


def put(state: State, rows: Iterable[Base]) -> list[int]:
    """Keeps the rows; their ids, 0 for those without one."""
    with state.writing() as session:
        kept = list(rows)
        session.add_all(kept)
        session.flush()
        ids = [getattr(row, "id", 0) for row in kept]
        session.expunge_all()  # they stay readable
        return ids


def alert(name: str, active_at: datetime, **fields: Any) -> AlertRow:
    """A critical alert of our own that fires since two minutes after it became active; `labels` are its scope."""
    severity = fields.pop("severity", "critical")
    labels = {"alertname": name, "severity": severity, **fields.pop("labels", {})}
    told = {
        "origin": "engine", "fingerprint": fingerprint(labels), "rule": f"crm/{name}/0", "name": name,
        "severity": severity, "labels": labels, "annotations": {}, "state": "firing", "value": 0.25,
        "active_at": active_at, "fired_at": active_at + 2 * MINUTE, "last_seen": active_at + 3 * MINUTE,
    }  # fmt: skip
    return AlertRow(**(told | fields))


def pending(name: str, active_at: datetime, **fields: Any) -> AlertRow:
    """One whose condition holds, but not yet for long enough."""
    return alert(name, active_at, **({"state": "pending", "fired_at": None} | fields))


def ended(name: str, active_at: datetime, after: timedelta, **fields: Any) -> AlertRow:
    """One that was resolved so long after it fired."""
    at = active_at + 2 * MINUTE + after
    return alert(name, active_at, **({"state": "resolved", "resolved_at": at, "last_seen": at} | fields))


def rule(name: str, last_eval: datetime, health: str = "ok", reason: str = "", **fields: Any) -> RuleStateRow:
    """How a rule is."""
    told = {
        "rule": f"crm/{name}/0", "name": name, "health": health, "health_since": last_eval - 5 * MINUTE,
        "reason": reason, "ever_seen": True, "last_eval": last_eval, "took_ms": 1.5, "skipped": 0,
    }  # fmt: skip
    return RuleStateRow(**(told | fields))


def line(of: AlertRow, at: datetime, kind: str, words: str, channel: str = "") -> StoryRow:
    """A line of an alert's story."""
    return StoryRow(at=at, fingerprint=of.fingerprint, alert_id=of.id or 0, channel=channel, kind=kind, words=words)


def told(of: AlertRow, channel: str, at: datetime) -> CooldownRow:
    """That a channel was told that it fires."""
    return CooldownRow(fingerprint=of.fingerprint, channel=channel, episode=of.id or 0, sent_at=at, suppressed=0)


def channel(name: str, **fields: Any) -> ChannelRow:
    """A channel that was set up."""
    return ChannelRow(**({"name": name, "settings": "", "broken_why": "", "failing_why": ""} | fields))


def waiting(key: str, channel: str, at: datetime, **fields: Any) -> OutboxRow:
    """A notice that is not out yet."""
    head = {
        "key": key, "channel": channel, "group_key": "HighErrorRate", "kind": "firing", "notice": {}, "state": "waiting",
        "created_at": at, "due_at": at, "attempts": 1,
    }  # fmt: skip
    return OutboxRow(**(head | fields))
