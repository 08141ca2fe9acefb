"""The audit, which the database itself keeps from being changed."""

import sqlalchemy as sa
from alembic import op

from lib.state.append_only import leave_to_owner, refuse_changes

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """The table, and triggers that refuse to change or drop a row; on PostgreSQL only its owner could even try."""
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("via", sa.String(16), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("session", sa.String(32), nullable=False),
    )
    op.create_index("audit_at", "audit", ["at"])
    refuse_changes("audit", "the audit is append-only")
    leave_to_owner("audit")
