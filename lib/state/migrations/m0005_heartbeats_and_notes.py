"""Heartbeats and their history; notes of the hand-over, which the database keeps from being changed."""

import sqlalchemy as sa
from alembic import op

from lib.state.append_only import refuse_changes

revision = "0005"
down_revision = "0004"

_WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Four tables, and triggers that refuse to change or drop a note."""
    for name, key in (
        ("heartbeat", [sa.Column("name", sa.String(64), primary_key=True)]),
        ("heartbeat_event", [sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.String(64), nullable=False)]),
    ):  # fmt: skip
        op.create_table(
            name,
            *key,
            sa.Column("at", _WHEN, nullable=False),
            sa.Column("size_bytes", sa.Double()),
            sa.Column("duration_s", sa.Double()),
            sa.Column("message", sa.Text(), nullable=False),
        )
    op.create_index("heartbeat_event_name", "heartbeat_event", ["name", "at"])
    op.create_index("heartbeat_event_at", "heartbeat_event", ["at"])
    op.create_table(
        "note",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
    )
    op.create_index("note_at", "note", ["at"])
    op.create_table(
        "handover_read",
        sa.Column("who", sa.String(255), primary_key=True),
        sa.Column("at", _WHEN, nullable=False),
    )
    refuse_changes("note", "notes are append-only")
