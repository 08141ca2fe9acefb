"""Migrations: from nothing, from before versions were kept, not from the future, and killed half-way (F32)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, inspect, select, text

from lib.errors import OpsError, SourceRejected
from lib.state.database import WRITTEN_BY, Base, State, Writer, connect, sqlite_url
from lib.state.episodes import EpisodeRow
from lib.state.health_sql import SqlHealthLog
from lib.state.migrate import head, migrate, open_state, version, versions
from lib.state.tables import all_tables
from tests.state.test_health_sql import history, probe

ROOT = Path(__file__).parents[2]


def test_the_migrations_make_what_the_models_say(state: State) -> None:
    with state.connected() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)

    assert all_tables()
    assert differences == []


def test_every_table_says_who_writes_it() -> None:
    assert [table.name for table in all_tables() if table.info.get(WRITTEN_BY) not in set(Writer)] == []


def test_a_second_start_finds_nothing_to_do_and_needs_no_lock(state: State, state_url: URL) -> None:
    with state.connected():  # somebody writes meanwhile
        again = connect(state_url)
        migrate(again)
        again.close()


def test_a_database_from_before_versions_were_kept_is_adopted_with_its_rows(state_url: URL) -> None:
    old = connect(state_url)
    with old.connected() as connection:
        Base.metadata.create_all(connection, tables=[Base.metadata.tables[EpisodeRow.__tablename__]])
    probe(SqlHealthLog(old), 0)
    old.close()

    state = open_state(state_url)

    assert history(SqlHealthLog(state)) == [("healthy", 0, 0)]
    with state.connected() as connection:
        assert version(connection) == head()
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    state.close()


def test_a_newer_schema_is_refused_in_plain_words_and_left_alone(state: State, state_url: URL) -> None:
    with state.connected() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(SourceRejected, match=r"schema 9999, and this version of Halo Ops knows schemas up to"):
        open_state(state_url)

    with state.connected() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_several_that_start_at_once_migrate_once(state_url: URL) -> None:
    failed: list[OpsError] = []

    def start() -> None:
        try:
            open_state(state_url).close()
        except OpsError as error:
            failed.append(error)

    starting = [threading.Thread(target=start) for _ in range(4)]
    for thread in starting:
        thread.start()
    for thread in starting:
        thread.join()

    state = connect(state_url)
    with state.connected() as connection:
        assert version(connection) == head()
    assert failed == []
    state.close()


def test_several_that_open_a_new_file_at_once_wait_for_each_other(tmp_path: Path) -> None:
    """SQLite does not wait by itself while a file becomes WAL: about one opening in a hundred failed so at a first start."""
    failed: list[OpsError] = []

    def look(state: State, together: threading.Barrier) -> None:
        together.wait()
        try:
            with state.reading() as session:
                session.execute(text("SELECT 1"))
        except OpsError as error:
            failed.append(error)

    for number in range(200):
        states = [connect(sqlite_url(tmp_path / f"{number}.sqlite")) for _ in range(4)]
        together = threading.Barrier(len(states))
        looking = [threading.Thread(target=look, args=(state, together)) for state in states]
        for thread in looking:
            thread.start()
        for thread in looking:
            thread.join()
        for state in states:
            state.close()

    assert failed == []


MIGRATOR = textwrap.dedent(
    """
    import sys, time
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from lib.state.migrate import open_state

    @event.listens_for(Engine, "before_cursor_execute")
    def slowly(connection, cursor, statement, *_):
        if statement.lstrip().startswith(("CREATE", "INSERT", "UPDATE", "DROP", "ALTER")):
            print(statement.split("(")[0].strip(), flush=True)
            time.sleep(0.05)

    open_state(sys.argv[1])
    """
)


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.faults)])
@pytest.mark.timeout(900)
def test_a_migration_killed_at_any_statement_goes_through_at_the_next_start(state_url: URL, kills: int) -> None:
    dice = random.Random(11)
    address = state_url.render_as_string(hide_password=False)
    before = connect(state_url)
    with before.connected() as connection:
        Base.metadata.create_all(connection, tables=[Base.metadata.tables[EpisodeRow.__tablename__]])
    probe(SqlHealthLog(before), 0)

    killed_at = set()
    for kill in range(kills):
        migrator = subprocess.Popen(
            [sys.executable, "-c", MIGRATOR, address], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert migrator.stdout is not None
        for _ in range(kill % 6 + 1):  # the schema has at least this many statements
            statement = migrator.stdout.readline()
            assert statement, "the migration ended before it could be killed"
        killed_at.add(statement)
        time.sleep(dice.uniform(0, 0.05))
        os.kill(migrator.pid, signal.SIGKILL)
        migrator.communicate()
        with before.reading() as session:
            found = session.connection()
            tables = inspect(found).get_table_names()
            assert version(found) is None and tables == ["health_episode"]
            assert session.scalars(select(EpisodeRow.status)).all() == ["healthy"] * 2
    before.close()

    state = open_state(state_url)
    assert history(SqlHealthLog(state)) == [("healthy", 0, 0)]
    with state.connected() as connection:
        assert version(connection) == head()
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert len(killed_at) > 3
    state.close()


def test_versions_follow_one_another_without_a_fork() -> None:
    assert sorted(versions(), reverse=True) == versions()
