"""Drills, which outlive their process; whose lease a claim in the outbox belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    """One table, one column."""
    op.create_table(
        "alert_drill",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(120), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("at_most_s", sa.Double(), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("began", _WHEN, nullable=False),
        sa.Column("switched_off", _WHEN),
        sa.Column("over", _WHEN),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("stopping", sa.Boolean(), nullable=False),
    )
    op.add_column("alert_outbox", sa.Column("claimed_by", sa.Integer(), nullable=False, server_default="0"))
