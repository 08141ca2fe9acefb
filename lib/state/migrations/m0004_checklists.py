"""Checklists: their versions, their runs, and what was done in them, which the database keeps from being changed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_WHEN = sa.DateTime(timezone=True)
_REFUSAL = "what was done in a checklist is append-only"
_NOBODY_ELSE = """
DO $$ DECLARE other record; BEGIN
  FOR other IN SELECT DISTINCT grantee FROM information_schema.role_table_grants
    WHERE table_schema = current_schema() AND table_name = 'checklist_event' AND grantee <> current_user
  LOOP EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON checklist_event FROM %I', other.grantee); END LOOP;
END $$
"""


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
    _append_only()


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


def _append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER checklist_event_no_{change.lower()} BEFORE {change} ON checklist_event "
                f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION checklist_event_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER checklist_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checklist_event "
        "FOR EACH STATEMENT EXECUTE FUNCTION checklist_event_append_only()"
    )
    op.execute(_NOBODY_ELSE)
