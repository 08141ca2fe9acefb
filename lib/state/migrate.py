"""Brings the state database to the schema that this code knows, whole or not at all."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, inspect, text

from lib.errors import SourceRejected
from lib.state.database import NAME, Base, State, connect

BEFORE_VERSIONS = "0001"
"""What a database holds that was made before it kept a version: the health episodes and nothing else."""

_LOCK = 0x48616C6F
_log = logging.getLogger(__name__)


def open_state(url: URL | str) -> State:
    """The database at `url`, migrated. Raises SourceUnavailable, and SourceRejected for a schema newer than this code."""
    state = connect(url)
    try:
        migrate(state)
    except BaseException:
        state.close()
        raise
    return state


def migrate(state: State) -> None:
    """Runs what is missing in one transaction, one process at a time: a kill at any moment leaves the old or the new schema.

    A database that is up to date is only looked at: its user need not own the tables. Raises SourceError.
    """
    with state.reading() as session:
        if version(session.connection()) == head():
            return
    with state.connected() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        _upgrade(connection)


def version(connection: Connection) -> str | None:
    """The schema version of a database; None where it keeps none. Raises SourceRejected for one that we do not know."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in versions():
        raise SourceRejected(
            f"the state database has schema {found}, and this version of Halo Ops knows schemas up to {head()}: "
            "start the newer version again, or restore a backup from before it",
            NAME,
        )
    return found


def head() -> str:
    """The newest schema version of this code."""
    return versions()[0]


def versions() -> list[str]:
    """Every schema version of this code, newest first."""
    return [script.revision for script in _scripts().walk_revisions()]


def _scripts() -> ScriptDirectory:
    folder = str(Path(__file__).parent / "migrations")
    return ScriptDirectory(folder, version_locations=[folder])


def _upgrade(connection: Connection) -> None:
    scripts, found = _scripts(), version(connection)  # again, now that nobody else can be at it
    if found is None and "health_episode" in inspect(connection).get_table_names():
        MigrationContext.configure(connection).stamp(scripts, BEFORE_VERSIONS)
        found = BEFORE_VERSIONS
    environment = EnvironmentContext(Config(), scripts, fn=lambda at, _: scripts._upgrade_revs("head", at))
    environment.configure(connection, target_metadata=Base.metadata)
    environment.run_migrations()
    _log.info("the state database went from schema %s to %s", found or "none", head())
