"""Checklists: their versions, their runs, and what was done in them, which the database keeps from being changed."""

import sqlalchemy as sa
from alembic import op

from lib.state.append_only import leave_to_owner, refuse_changes

revision = "0004"
down_revision = "0003"

_WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Three tables and their indexes; triggers refuse to change or drop an event."""
    op.create_table(
        "checklist_version",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("yaml", sa.Text(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("at", _WHEN, nullable=False),
        sa.UniqueConstraint("name", "version"),
    )
    _runs()
    _events()
    refuse_changes("checklist_event", "what was done in a checklist is append-only")
    leave_to_owner("checklist_event")


def _runs() -> None:
    op.create_table(
        "checklist_run",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("checklist", sa.String(40), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("period", sa.String(8), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("starts_at", _WHEN, nullable=False),
        sa.Column("ends_at", _WHEN, nullable=False),
        sa.Column("opened_at", _WHEN, nullable=False),
        sa.Column("closed_at", _WHEN),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("signed_by", sa.String(255), nullable=False),
        sa.Column("signed_at", _WHEN),
        sa.UniqueConstraint("checklist", "first_day"),
    )
    op.create_index("checklist_run_state", "checklist_run", ["state"])


def _events() -> None:
    op.create_table(
        "checklist_event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("checklist_run.id"), nullable=False),
        sa.Column("checklist", sa.String(40), nullable=False),
        sa.Column("item", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON()),
    )
    op.create_index("checklist_event_run", "checklist_event", ["run_id"])
    op.create_index("checklist_event_item", "checklist_event", ["checklist", "item", "kind", "id"])
