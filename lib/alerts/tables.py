"""The tables of alerting: who evaluates, rules and their versions, alerts, silences, notices and their story."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lib.state.database import WRITTEN_BY, Base, UtcDateTime, Writer

_MACHINE = {"info": {WRITTEN_BY: Writer.MACHINE}}
_PEOPLE = {"info": {WRITTEN_BY: Writer.PEOPLE}}


class LeaseRow(Base):
    """Who evaluates and sends until when. `token` grows with every change of holder: a write with an older one is refused.
    `written` is the number of the holder's newest transaction."""

    __tablename__ = "lease"
    __table_args__ = _MACHINE

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(120))
    token: Mapped[int]
    written: Mapped[int] = mapped_column(default=0)
    until: Mapped[datetime] = mapped_column(UtcDateTime)


class RuleStateRow(Base):
    """How a rule is. `rule` is "<group>/<name>/<digest of its labels>"; `health` unknown, ok, error or no-data."""

    __tablename__ = "alert_rule_state"
    __table_args__ = _MACHINE

    rule: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    health: Mapped[str] = mapped_column(String(16))
    health_since: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text)
    ever_seen: Mapped[bool]
    last_eval: Mapped[datetime] = mapped_column(UtcDateTime)
    took_ms: Mapped[float]
    skipped: Mapped[int]


class AlertRow(Base):
    """One episode. At most one of a fingerprint and origin is not resolved. A pending one that ends is dropped."""

    __tablename__ = "alert"
    __table_args__ = (
        Index("alert_open", "state", "origin"),
        Index("alert_fingerprint", "fingerprint", "active_at"),
        Index("alert_resolved", "resolved_at"),
        _MACHINE,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    origin: Mapped[str] = mapped_column(String(16))
    fingerprint: Mapped[str] = mapped_column(String(32))
    rule: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    severity: Mapped[str] = mapped_column(String(64))
    labels: Mapped[dict[str, str]] = mapped_column(JSON)
    annotations: Mapped[dict[str, str]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16))
    value: Mapped[float | None]
    active_at: Mapped[datetime] = mapped_column(UtcDateTime)
    fired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    keep_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    resolved_why: Mapped[str] = mapped_column(Text, default="")
    last_seen: Mapped[datetime] = mapped_column(UtcDateTime)
    missed: Mapped[int] = mapped_column(default=0)
    unobserved_s: Mapped[float] = mapped_column(default=0.0)
    repeats: Mapped[int] = mapped_column(default=0)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acked_by: Mapped[str] = mapped_column(String(255), default="")
    ack_note: Mapped[str] = mapped_column(Text, default="")
    noise: Mapped[str] = mapped_column(String(16), default="")


class RuleVersionRow(Base):
    """An edit of a rule in the app; the newest version of a name overrides the shipped rule. `yaml` is one rule entry."""

    __tablename__ = "alert_rule_version"
    __table_args__ = (UniqueConstraint("name", "version"), _PEOPLE)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    version: Mapped[int]
    group_name: Mapped[str] = mapped_column(String(255))
    yaml: Mapped[str] = mapped_column(Text)
    removed: Mapped[bool] = mapped_column(default=False)
    note: Mapped[str] = mapped_column(Text, default="")
    review_by: Mapped[date | None]
    who: Mapped[str] = mapped_column(String(255))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class SilenceRow(Base):
    """Who must not be told of what in [starts_at, ends_at). `matchers` is a list of {name, op, value}."""

    __tablename__ = "alert_silence"
    __table_args__ = (Index("alert_silence_ends", "ends_at"), _PEOPLE)

    id: Mapped[int] = mapped_column(primary_key=True)
    matchers: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)


class NoticeLogRow(Base):
    """What a channel was last told about a group: written only after it accepted. Fingerprints firing and resolved then."""

    __tablename__ = "alert_notice_log"
    __table_args__ = _MACHINE

    group_key: Mapped[str] = mapped_column(String(255), primary_key=True)
    channel: Mapped[str] = mapped_column(String(64), primary_key=True)
    firing: Mapped[list[str]] = mapped_column(JSON)
    resolved: Mapped[list[str]] = mapped_column(JSON)
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CooldownRow(Base):
    """When a channel was last told that an alert fires; survives resolve and restart. `episode` is the alert row's id."""

    __tablename__ = "alert_cooldown"
    __table_args__ = _MACHINE

    fingerprint: Mapped[str] = mapped_column(String(32), primary_key=True)
    channel: Mapped[str] = mapped_column(String(64), primary_key=True)
    episode: Mapped[int]
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime)
    suppressed: Mapped[int] = mapped_column(default=0)


class OutboxRow(Base):
    """A notice to hand over: `state` waiting, sending, sent, failed or superseded; `notice` as JSON. A claim holds until
    `claimed_until`, and no longer than `claimed_by` is the lease's token."""

    __tablename__ = "alert_outbox"
    __table_args__ = (Index("alert_outbox_due", "state", "due_at"), Index("alert_outbox_group", "group_key"), _MACHINE)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(255), unique=True)
    channel: Mapped[str] = mapped_column(String(64))
    group_key: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(16))
    notice: Mapped[dict[str, Any]] = mapped_column(JSON)
    test: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    token: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    claimed_by: Mapped[int] = mapped_column(default=0)
    code: Mapped[int | None]
    reply: Mapped[str] = mapped_column(Text, default="")
    took_ms: Mapped[float | None]
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ChannelRow(Base):
    """How a channel does. `settings` is a digest of its configuration: a change re-arms it. Broken: nothing is sent there
    until then; `failing_since` is set while tries fail that may yet succeed; until `hold_until` it wants to be left alone."""

    __tablename__ = "alert_channel"
    __table_args__ = _MACHINE

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    settings: Mapped[str] = mapped_column(String(32), default="")
    last_success_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    broken_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    broken_why: Mapped[str] = mapped_column(Text, default="")
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failing_why: Mapped[str] = mapped_column(Text, default="")
    hold_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class StoryRow(Base):
    """One line of "why was I (not) told": only when something changed, never once per evaluation."""

    __tablename__ = "alert_story"
    __table_args__ = (Index("alert_story_fingerprint", "fingerprint", "at"), Index("alert_story_at", "at"), _MACHINE)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    fingerprint: Mapped[str] = mapped_column(String(32))
    alert_id: Mapped[int] = mapped_column(default=0)
    channel: Mapped[str] = mapped_column(String(64), default="")
    kind: Mapped[str] = mapped_column(String(32))
    words: Mapped[str] = mapped_column(Text)


class DrillRow(Base):
    """One drill of the alerts. `kind` "" is our own figure, else a fault of the simulator; `over` None: it is on.
    `looks` grows while a process runs it."""

    __tablename__ = "alert_drill"
    __table_args__ = _MACHINE

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(120))
    about: Mapped[str] = mapped_column(Text)
    at_most_s: Mapped[float]
    who: Mapped[str] = mapped_column(String(255))
    began: Mapped[datetime] = mapped_column(UtcDateTime)
    switched_off: Mapped[datetime | None] = mapped_column(UtcDateTime)
    over: Mapped[datetime | None] = mapped_column(UtcDateTime)
    why: Mapped[str] = mapped_column(Text, default="")
    problem: Mapped[str] = mapped_column(Text, default="")
    looks: Mapped[int] = mapped_column(default=0)
    stopping: Mapped[bool] = mapped_column(default=False)
