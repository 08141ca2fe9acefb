"""The state database when it is locked, full, read-only or away: a plain error, and on again without a restart (F22)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text

from lib import notes
from lib.errors import SourceUnavailable
from lib.identity.roles import Action, Actor, Role, Via
from lib.state import audit, database
from lib.state.audit import AuditRow
from lib.state.database import State, postgres_url, sqlite_url
from lib.state.migrate import open_state
from tests.postgres import Cluster, cluster

ANNA = Actor("anna@example.com", Role.ADMIN, Via.OIDC)


def note(state: State, subject: str) -> None:
    with state.writing() as session:
        audit.record(session, ANNA, Action.REVEAL, subject)


def noted(state: State) -> list[str]:
    with state.reading() as session:
        return list(session.scalars(select(AuditRow.subject).order_by(AuditRow.id)))


def test_a_transaction_is_kept_as_a_whole_or_not_at_all(state: State) -> None:
    with pytest.raises(ZeroDivisionError), state.writing() as session:
        audit.record(session, ANNA, Action.REVEAL, "half")
        session.flush()
        raise ZeroDivisionError

    note(state, "whole")

    assert noted(state) == ["whole"]


def test_what_no_database_can_hold_stands_as_its_sign(state: State) -> None:
    for subject in ("a\x00b", "half \ud800", "ü🚨"):
        note(state, subject)

    assert noted(state) == ["a␀b", "half ?", "ü🚨"]


def test_what_the_database_is_asked_is_heard_while_one_listens(state: State) -> None:
    with state.statements() as heard:
        note(state, "a")
        noted(state)
    noted(state)

    assert [statement.split()[0] for statement in heard] == ["INSERT", "SELECT"]


def test_who_gathers_questions_hears_of_those_to_the_state_database(state: State) -> None:
    note(state, "a")
    with notes.questions() as put:
        noted(state)

    (question,) = put
    assert question.source == "state"
    assert "FROM audit" in question.text
    assert question.took_ms >= 0


def test_the_sqlite_file_survives_a_power_cut_by_its_settings(tmp_path: Path) -> None:
    state = open_state(sqlite_url(tmp_path / "s"))

    with state.reading() as session:
        pragmas = [session.execute(text(f"PRAGMA {p}")).scalar() for p in ("journal_mode", "synchronous")]

    assert pragmas == ["wal", 2]
    state.close()


def test_who_waits_for_a_lock_is_told_so_in_the_end_and_goes_on_after(
    state: State, state_url: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT_S", 1)
    short = open_state(state_url)  # type: ignore[arg-type]
    note(state, "first")
    began = time.monotonic()
    with state.connected() as connection:
        lock = "SELECT 1" if state.dialect == "sqlite" else "LOCK TABLE audit IN ACCESS EXCLUSIVE MODE"
        connection.execute(text(lock))
        with pytest.raises(SourceUnavailable, match="lock"):
            note(short, "second")
    waited = time.monotonic() - began

    note(short, "third")

    assert 0.9 < waited < 10
    assert noted(short) == ["first", "third"]
    short.close()


def test_readers_do_not_wait_for_a_writer(state: State) -> None:
    note(state, "first")
    with state.writing() as session:
        audit.record(session, ANNA, Action.REVEAL, "second")
        session.flush()

        assert noted(state) == ["first"]


def test_nobody_waits_longer_than_thirty_seconds(state: State) -> None:
    assert database.LOCK_WAIT_S <= 30
    with state.reading() as session:
        if state.dialect == "sqlite":
            assert session.execute(text("PRAGMA busy_timeout")).scalar() == 30_000
        else:
            assert session.execute(text("SHOW lock_timeout")).scalar() == "30s"
            assert session.execute(text("SHOW statement_timeout")).scalar() == "1min"


def test_a_read_only_database_says_so_and_is_written_again_when_it_may_be(tmp_path: Path) -> None:
    file = tmp_path / "s"
    state = open_state(sqlite_url(file))
    note(state, "first")
    with state.reading() as session:
        session.execute(text("PRAGMA query_only = ON"))

    with pytest.raises(SourceUnavailable, match="readonly"):
        note(state, "second")
    note(state, "third")  # by a connection of its own: the refusing one was let go

    assert noted(state) == ["first", "third"]
    state.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.fail(f"a small file system cannot be mounted: {mounted.stderr}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.live
def test_a_full_disk_says_so_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    state = open_state(sqlite_url(small_disk / "s"))
    note(state, "first")
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(b"x" * 2_000_000)

    with pytest.raises(SourceUnavailable, match="full"):
        note(state, "x" * 100_000)
    assert noted(state) == ["first"]
    ballast.unlink()
    note(state, "second")

    assert noted(state) == ["first", "second"]
    state.close()


@pytest.mark.live
def test_a_server_that_was_away_is_asked_again_without_a_restart() -> None:
    with cluster() as running:
        state = open_state(running.new_database())
        note(state, "first")
        running.restart_without(lambda: _refused(state))

        note(state, "second")

        assert noted(state) == ["first", "second"]
        state.close()


@pytest.mark.live
def test_a_commit_whose_answer_is_lost_is_told_as_doubtful(postgres: Cluster) -> None:
    state = open_state(postgres.new_database())

    with pytest.raises(SourceUnavailable, match="may have been kept all the same"), state.writing() as session:
        audit.record(session, ANNA, Action.REVEAL, "first")
        session.flush()
        backend = session.execute(text("SELECT pg_backend_pid()")).scalar()
        postgres.run("postgres", f"SELECT pg_terminate_backend({backend})")
    note(state, "second")

    assert noted(state) == ["second"]
    state.close()


def _refused(state: State) -> None:
    for _ in range(2):
        with pytest.raises(SourceUnavailable, match="state database does not answer"):
            note(state, "lost")


@pytest.mark.live
def test_a_wrong_password_is_not_told(postgres: Cluster) -> None:
    url = postgres.new_database().set(password="canary")

    with pytest.raises(SourceUnavailable) as refused:
        open_state(url)

    assert "password authentication failed" in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_the_password_may_stand_in_the_address_or_apart(scheme: str) -> None:
    assert postgres_url(f"{scheme}://u:in@h/d", "apart").password == "in"
    apart = postgres_url(f"{scheme}://u@h/d", "ap@rt")

    assert (apart.drivername, apart.password) == ("postgresql+psycopg", "ap@rt")
    assert "ap@rt" not in repr(apart)


def test_times_come_back_aware_and_naive_ones_are_refused(state: State) -> None:
    note(state, "x")

    with state.reading() as session:
        at = session.scalars(select(AuditRow.at)).one()
    assert at.tzinfo is not None and abs((datetime.now(UTC) - at).total_seconds()) < 60
    with pytest.raises(SourceUnavailable, match="time zone"), state.reading() as session:
        session.scalars(select(AuditRow).where(AuditRow.at < datetime(2026, 1, 1)))  # noqa: DTZ001 - the point
