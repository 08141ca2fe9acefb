"""Alerting: who evaluates, rules and their versions, alerts, silences, notices and their story."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Eleven tables and their indexes."""
    _who_evaluates_what()
    _alerts()
    _what_is_told()


def _who_evaluates_what() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("holder", sa.String(120), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("until", _WHEN, nullable=False),
    )
    op.create_table(
        "alert_rule_state",
        sa.Column("rule", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("health", sa.String(16), nullable=False),
        sa.Column("health_since", _WHEN, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ever_seen", sa.Boolean(), nullable=False),
        sa.Column("last_eval", _WHEN, nullable=False),
        sa.Column("took_ms", sa.Double(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
    )
    op.create_table(
        "alert_rule_version",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("group_name", sa.String(255), nullable=False),
        sa.Column("yaml", sa.Text(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("review_by", sa.Date()),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("at", _WHEN, nullable=False),
        sa.UniqueConstraint("name", "version"),
    )


def _alerts() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("rule", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("severity", sa.String(64), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("annotations", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("active_at", _WHEN, nullable=False),
        sa.Column("fired_at", _WHEN),
        sa.Column("keep_since", _WHEN),
        sa.Column("resolved_at", _WHEN),
        sa.Column("resolved_why", sa.Text(), nullable=False),
        sa.Column("last_seen", _WHEN, nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("unobserved_s", sa.Double(), nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.Column("ends_at", _WHEN),
        sa.Column("acked_at", _WHEN),
        sa.Column("acked_by", sa.String(255), nullable=False),
        sa.Column("ack_note", sa.Text(), nullable=False),
        sa.Column("noise", sa.String(16), nullable=False),
    )
    op.create_index("alert_open", "alert", ["state", "origin"])
    op.create_index("alert_fingerprint", "alert", ["fingerprint", "active_at"])
    op.create_index("alert_resolved", "alert", ["resolved_at"])
    op.create_table(
        "alert_silence",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("matchers", sa.JSON(), nullable=False),
        sa.Column("starts_at", _WHEN, nullable=False),
        sa.Column("ends_at", _WHEN, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("created_at", _WHEN, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
    )
    op.create_index("alert_silence_ends", "alert_silence", ["ends_at"])


def _what_is_told() -> None:
    op.create_table(
        "alert_notice_log",
        sa.Column("group_key", sa.String(255), primary_key=True),
        sa.Column("channel", sa.String(64), primary_key=True),
        sa.Column("firing", sa.JSON(), nullable=False),
        sa.Column("resolved", sa.JSON(), nullable=False),
        sa.Column("sent_at", _WHEN, nullable=False),
    )
    op.create_table(
        "alert_cooldown",
        sa.Column("fingerprint", sa.String(32), primary_key=True),
        sa.Column("channel", sa.String(64), primary_key=True),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("sent_at", _WHEN, nullable=False),
        sa.Column("suppressed", sa.Integer(), nullable=False),
    )
    op.create_table(
        "alert_outbox",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("key", sa.String(255), nullable=False, unique=True),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("group_key", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("notice", sa.JSON(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", _WHEN, nullable=False),
        sa.Column("due_at", _WHEN, nullable=False),
        sa.Column("claimed_until", _WHEN),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("code", sa.Integer()),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("took_ms", sa.Double()),
        sa.Column("sent_at", _WHEN),
    )
    op.create_index("alert_outbox_due", "alert_outbox", ["state", "due_at"])
    op.create_index("alert_outbox_group", "alert_outbox", ["group_key"])
    op.create_table(
        "alert_channel",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("settings", sa.String(32), nullable=False),
        sa.Column("last_success_at", _WHEN),
        sa.Column("broken_since", _WHEN),
        sa.Column("broken_why", sa.Text(), nullable=False),
        sa.Column("failing_since", _WHEN),
        sa.Column("failing_why", sa.Text(), nullable=False),
        sa.Column("hold_until", _WHEN),
    )
    op.create_table(
        "alert_story",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
    )
    op.create_index("alert_story_fingerprint", "alert_story", ["fingerprint", "at"])
    op.create_index("alert_story_at", "alert_story", ["at"])
