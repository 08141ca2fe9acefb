"""The number of the newest transaction of whoever holds a lease."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """One column."""
    op.add_column("lease", sa.Column("written", sa.Integer(), nullable=False, server_default="0"))
