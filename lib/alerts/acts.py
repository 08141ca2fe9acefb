"""What people do about alerts: take one up, give it back, silence, end what was pushed, say whether it was worth the noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from lib.alerts import silences
from lib.alerts.delivery import condition
from lib.alerts.matchers import Matcher, written
from lib.alerts.model import AlertState, Origin
from lib.alerts.past import NOISE, USEFUL
from lib.alerts.silences import Silence
from lib.alerts.tables import AlertRow, StoryRow
from lib.errors import Refused
from lib.identity.roles import Action, Actor
from lib.state.audit import Deed
from lib.state.written import by_hand

PUSHED = frozenset({Origin.ALERTMANAGER.value, Origin.API.value})
"""Alerts that nobody here evaluates: only who sent them, or a person, can end them."""

LONGEST_NOTE = 500
JUDGEMENTS = (USEFUL, NOISE, "")


def acknowledge(alert_id: int, name: str, note: str, at: datetime) -> Deed:
    """Says that somebody is on it. It ends by itself when the alert does; a second one takes the first one's place."""
    note = by_hand(note, LONGEST_NOTE)

    def change(alert: AlertRow, who: str) -> str:
        _must_be_open(alert)
        alert.acked_at, alert.acked_by, alert.ack_note = at, who, note
        return f"{who} took it up" + (f": {note}" if note else "")

    return _deed(_Did(Action.ACKNOWLEDGE, alert_id, name, "acknowledged", at), change, note=note)


def unacknowledge(alert_id: int, name: str, at: datetime) -> Deed:
    """Gives it back: nobody is on it any more."""

    def change(alert: AlertRow, who: str) -> str:
        if alert.acked_at is None:
            raise Refused("nobody has acknowledged this alert")
        before = alert.acked_by
        alert.acked_at, alert.acked_by, alert.ack_note = None, "", ""
        return f"{who} gave it back" if before == who else f"{who} took it from {before}"

    return _deed(_Did(Action.ACKNOWLEDGE, alert_id, name, "unacknowledged", at), change, taken_back=True)


def resolve(alert_id: int, name: str, reason: str, at: datetime) -> Deed:
    """Ends an alert that was pushed to us. One that is evaluated ends when its condition does, and cannot be ended by hand."""
    reason = by_hand(reason, LONGEST_NOTE)

    def change(alert: AlertRow, who: str) -> str:
        _must_be_open(alert)
        if alert.origin not in PUSHED:
            raise Refused("this alert ends when its condition does; acknowledge or silence it instead")
        alert.state, alert.resolved_at = AlertState.RESOLVED.value, at
        alert.ends_at = alert.last_seen = at  # what is told of this episode afterwards changes nothing
        alert.resolved_why = f"by {who}" + (f": {reason}" if reason else "")
        return f"{who} resolved it" + (f": {reason}" if reason else "")

    return _deed(_Did(Action.RESOLVE, alert_id, name, "resolved", at), change, reason=reason)


def judge(alert_id: int, name: str, judgement: str, at: datetime) -> Deed:
    """Says that an episode was `noise` or `useful`; "" takes the word back. Raises ValueError for another word."""
    if judgement not in JUDGEMENTS:
        raise ValueError(f"{judgement!r} is not one of {JUDGEMENTS}")

    def change(alert: AlertRow, who: str) -> str:
        alert.noise = judgement
        return f"{who} called it {judgement}" if judgement else f"{who} took the judgement back"

    return _deed(_Did(Action.FEEDBACK, alert_id, name, "feedback", at), change, judgement=judgement)


def silence(
    matchers: Sequence[Matcher], ends_at: datetime, reason: str, at: datetime, *, before: Silence | None = None,
    then: Callable[[], None] = lambda: None,
) -> Deed:  # fmt: skip
    """Has nobody told of what the matchers match until then, or changes `before`; `then` is called once it is written.

    The deed raises Refused where the times or the reason make no sense, QueryError for matchers, and Conflict where
    somebody else changed `before` meanwhile.
    """

    def done(session: Session, actor: Actor) -> None:
        try:
            if before is None:
                silences.create(session, actor, matchers, starts_at=at, ends_at=ends_at, reason=reason, now=at)
            else:
                silences.edit(
                    session, actor, before, matchers, starts_at=before.starts_at, ends_at=ends_at, reason=reason
                )
        except ValueError as error:
            raise Refused(str(error)) from error
        then()

    return Deed(Action.SILENCE, written(matchers)[:500], named=done, told=True)


def end_silence(found: Silence, at: datetime) -> Deed:
    """Ends a silence now; one that has not begun never does. Raises Conflict as `silence`."""

    def done(session: Session, actor: Actor) -> None:
        silences.expire(session, actor, found, at)

    return Deed(Action.SILENCE, f"silence {found.id}", named=done, told=True)


def rearm(channel: str, at: datetime) -> Deed:
    """Says that a broken channel works again: what is so now is decided anew and told."""

    def done(session: Session, actor: Actor) -> None:
        condition.rearm(session, actor, channel, at)

    return Deed(Action.REARM, f"channel {channel}", named=done, told=True)


class _Did(NamedTuple):
    action: Action
    alert_id: int
    name: str
    kind: str
    at: datetime


def _deed(did: _Did, change: Callable[[AlertRow, str], str], **details: object) -> Deed:
    """The change with its line in the alert's own story, both in the transaction of the audit's line."""

    def done(session: Session, actor: Actor) -> None:
        alert = session.get(AlertRow, did.alert_id, with_for_update=True)
        if alert is None:
            raise Refused("this alert is not kept any more")
        words = change(alert, actor.name)
        line = StoryRow(at=did.at, fingerprint=alert.fingerprint, alert_id=alert.id, kind=did.kind, words=words)
        session.add(line)

    kept = {key: value for key, value in details.items() if value not in (None, "")}
    return Deed(did.action, did.name, details={"alert": did.alert_id, **kept}, named=done)


def _must_be_open(alert: AlertRow) -> None:
    if alert.state == AlertState.RESOLVED.value:
        raise Refused("this alert has ended already")
