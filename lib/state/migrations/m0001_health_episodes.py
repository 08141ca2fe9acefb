"""The history of /health."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """The table as it was before the database kept a version."""
    op.create_table(
        "health_episode",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("target", sa.String(255), nullable=False),
        sa.Column("check_name", sa.String(80), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("response_ms", sa.Double()),
        sa.Column("version", sa.String(100), nullable=False),
        sa.Column("uptime_s", sa.Double()),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_index("health_episode_newest", "health_episode", ["target", "check_name", "until"])
    op.create_index("health_episode_until", "health_episode", ["until"])
