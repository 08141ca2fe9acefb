"""How each channel does: broken or not, since when, and what the header and /metrics are told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from lib.alerts import words
from lib.alerts.delivery.picture import SENDING, SUPERSEDED, WAITING
from lib.alerts.delivery.routes import CHANNEL_BROKEN
from lib.alerts.model import AlertState, Origin, fingerprint
from lib.alerts.tables import AlertRow, ChannelRow, OutboxRow
from lib.identity.roles import Action, Actor
from lib.state import audit


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """One channel as the header and /metrics show it.

    `last_success` is when a notice (no test) was accepted last, None: never yet. Broken: nothing is sent until it is
    re-armed, for the reason `broken_why`. `failing_why`: tries fail that may yet succeed. `waiting` notices are not out;
    `next_try` is when the first of them is due.
    """

    name: str
    last_success: datetime | None = None
    broken_since: datetime | None = None
    broken_why: str = ""
    failing_since: datetime | None = None
    failing_why: str = ""
    waiting: int = 0
    oldest_waiting: datetime | None = None
    next_try: datetime | None = None

    @property
    def broken(self) -> bool:
        """Whether nothing is sent there."""
        return self.broken_since is not None


def channel_row(session: Session, name: str) -> ChannelRow:
    """The channel's row, made where there is none."""
    row = session.get(ChannelRow, name)
    if row is None:
        row = ChannelRow(name=name, settings="", broken_why="", failing_why="")
        session.add(row)
    return row


def statuses(session: Session, channels: Sequence[str]) -> tuple[ChannelStatus, ...]:
    """How each of these channels is."""
    rows = {row.name: row for row in session.scalars(select(ChannelRow))}
    asked = select(
        OutboxRow.channel, func.count(), func.min(OutboxRow.created_at), func.min(OutboxRow.due_at)
    ).where(OutboxRow.state.in_([WAITING, SENDING]), OutboxRow.test.is_(False))  # fmt: skip
    waiting = {row[0]: tuple(row[1:]) for row in session.execute(asked.group_by(OutboxRow.channel))}
    return tuple(_status(name, rows.get(name), waiting.get(name, (0, None, None))) for name in channels)


def _status(name: str, row: ChannelRow | None, waiting: tuple[Any, ...]) -> ChannelStatus:
    count, oldest, due = waiting
    if row is None:
        return ChannelStatus(name, waiting=count, oldest_waiting=oldest, next_try=due)
    return ChannelStatus(
        name, row.last_success_at, row.broken_since, row.broken_why, row.failing_since, row.failing_why, count, oldest,
        max(due, row.hold_until) if due and row.hold_until else due,
    )  # fmt: skip


def break_channel(session: Session, name: str, why: str, now: datetime) -> None:
    """Nothing more is sent there, and an alert of our own tells every other channel."""
    row = channel_row(session, name)
    if row.broken_since is not None:
        return
    row.broken_since, row.broken_why = now, words.clean(why, 600)
    row.failing_since, row.failing_why, row.hold_until = None, "", None
    session.execute(
        update(OutboxRow)
        .where(OutboxRow.channel == name, OutboxRow.state == WAITING, OutboxRow.test.is_(False))
        .values(state=SUPERSEDED)
    )
    _raise(session, name, row.broken_why, now)


def _raise(session: Session, name: str, why: str, now: datetime) -> None:
    labels = {"alertname": CHANNEL_BROKEN, "channel": name, "severity": "critical"}
    told = {
        "summary": f"Alerts do not reach {name} any more",
        "description": f"{name} refuses notices: {why}. Nothing is sent there until somebody says on the Alerts "
        "page that it works again, or its settings change.",
        "group_by": "alertname,channel",
        "runbook_url": "/runbooks#channelbroken",
    }  # fmt: skip
    session.add(
        AlertRow(
            origin=Origin.OWN.value, fingerprint=fingerprint(labels), rule=CHANNEL_BROKEN, name=CHANNEL_BROKEN,
            severity="critical", labels=labels, annotations=told, state=AlertState.FIRING.value, active_at=now,
            fired_at=now, last_seen=now, resolved_why="", missed=0, unobserved_s=0.0, repeats=0, acked_by="",
            ack_note="", noise="",
        )
    )  # fmt: skip


def mend_channel(session: Session, name: str, why: str, now: datetime) -> bool:
    """Lets notices go there again: what is so now is decided anew, nothing is lost. Whether it was broken."""
    row = channel_row(session, name)
    was = row.broken_since is not None
    row.broken_since, row.broken_why = None, ""
    row.failing_since, row.failing_why, row.hold_until = None, "", None
    labels = {"alertname": CHANNEL_BROKEN, "channel": name, "severity": "critical"}
    session.execute(
        update(AlertRow)
        .where(
            AlertRow.origin == Origin.OWN.value, AlertRow.fingerprint == fingerprint(labels),
            AlertRow.state == AlertState.FIRING.value,
        )
        .values(state=AlertState.RESOLVED.value, resolved_at=now, resolved_why=why, last_seen=now)
    )  # fmt: skip
    return was


def rearm(session: Session, actor: Actor, name: str, now: datetime) -> None:
    """A person says that the channel works again. Raises Refused."""
    audit.record(session, actor, Action.REARM, f"channel {name}")
    mend_channel(session, name, f"{actor.name} said that it works again", now)


def note_settings(session: Session, digests: Mapping[str, str], now: datetime) -> list[str]:
    """Re-arms every channel whose settings are not those that it broke with; which ones. Call it at the start."""
    mended = []
    for name, digest in digests.items():
        row = channel_row(session, name)
        if row.settings != digest:
            if mend_channel(session, name, "its settings changed", now):
                mended.append(name)
            row.settings = digest
    return mended
