"""Tables whose rows nobody may change or drop: the database itself refuses. For migrations."""

from __future__ import annotations

from alembic import op


def refuse_changes(table: str, words: str) -> None:
    """Triggers that refuse to change or drop a row, saying `words`; on PostgreSQL also to empty the table."""
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{words}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )


def leave_to_owner(table: str) -> None:
    """On PostgreSQL only the table's owner could even try; SQLite knows no roles."""
    if op.get_bind().dialect.name == "sqlite":
        return
    op.execute(
        "DO $$ DECLARE other record; BEGIN "  # noqa: S608 - the name is that of a table in our own migrations
        "FOR other IN SELECT DISTINCT grantee FROM information_schema.role_table_grants "
        f"WHERE table_schema = current_schema() AND table_name = '{table}' AND grantee <> current_user "
        f"LOOP EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM %I', other.grantee); END LOOP; "
        "END $$"
    )
