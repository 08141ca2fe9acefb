"""What the state promises on either database: the audit cannot be changed, copies are whole, and roles are asked."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, URL, Column, inspect, select, text

from lib.errors import Refused, SourceError, SourceRejected, SourceUnavailable
from lib.identity.roles import NEEDS, Action, Actor, Role, Via, require
from lib.state import audit, backup
from lib.state.audit import AuditRow, Filter
from lib.state.database import State, UtcDateTime, sqlite_url
from lib.state.health_sql import SqlHealthLog
from lib.state.migrate import open_state
from lib.state.tables import all_tables, written_by_people
from lib.window import Window
from tests.state.test_health_sql import history, probe

ANNA = Actor("anna@example.com", Role.ADMIN, Via.OIDC, "10.0.0.5", "c0ffee")
BORIS = Actor("boris@example.com", Role.OPERATOR, Via.OIDC)


def now() -> Window:
    moment = datetime.now(UTC)
    return Window(moment - timedelta(hours=1), moment + timedelta(minutes=1))


def reveal(state: State, actor: Actor, subject: str, **details: object) -> None:
    with state.writing() as session:
        audit.record(session, actor, Action.REVEAL, subject, details)


def test_an_empty_audit_has_its_columns(state: State) -> None:
    found = audit.search(state, ANNA, now())

    assert list(found.columns) == [
        "at", "who", "role", "action", "subject", "details", "via", "address", "session",
    ]  # fmt: skip
    assert str(found["at"].dtype) == "datetime64[ns, UTC]"
    assert found.empty


def test_the_audit_tells_who_did_what_to_what_from_where_newest_first(state: State) -> None:
    reveal(state, BORIS, "lead 7", field="mail")
    reveal(state, ANNA, "lead 8", field="phone")

    found = audit.search(state, ANNA, now())

    assert found["subject"].tolist() == ["lead 8", "lead 7"]
    newest = found.iloc[0]
    assert (newest.who, newest.role, newest.action, newest.via) == (ANNA.name, "admin", "personal_data.reveal", "oidc")
    assert (newest.address, newest.session, json.loads(newest.details)) == ("10.0.0.5", "c0ffee", {"field": "phone"})
    assert abs((datetime.now(UTC) - newest["at"]).total_seconds()) < 60


@pytest.mark.parametrize(
    ("wanted", "subjects"),
    [
        (Filter(), ["lead 8 %", "lead 7"]),
        (Filter(who="ANNA"), ["lead 8 %"]),
        (Filter(text="lead 7"), ["lead 7"]),
        (Filter(text="PHONE"), ["lead 8 %"]),  # in the details
        (Filter(text="%"), ["lead 8 %"]),  # a character, not a pattern
        (Filter(text="_"), []),
        (Filter(action=Action.NAME), []),
        (Filter(who="boris", text="phone"), []),
    ],
)
def test_the_audit_is_searched_by_name_action_and_text(state: State, wanted: Filter, subjects: list[str]) -> None:
    reveal(state, BORIS, "lead 7", field="mail")
    reveal(state, ANNA, "lead 8 %", field="phone")

    assert audit.search(state, ANNA, now(), wanted)["subject"].tolist() == subjects


def test_a_range_that_ends_before_has_nothing(state: State) -> None:
    reveal(state, ANNA, "lead 8")
    window = now()

    assert audit.search(state, ANNA, Window(window.start - timedelta(hours=2), window.start)).empty


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'eve'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_or_drop_what_was_audited(state: State, statement: str) -> None:
    reveal(state, ANNA, "lead 8")

    with pytest.raises(SourceUnavailable, match="append-only"), state.connected() as connection:
        connection.execute(text(statement))

    assert audit.search(state, ANNA, now())["who"].tolist() == [ANNA.name]


def test_a_credential_in_the_details_is_not_kept(state: State) -> None:
    reveal(state, ANNA, "lead 8", password="canary")

    assert "canary" not in audit.search(state, ANNA, now())["details"].item()


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_every_action_is_refused_below_its_role_and_nothing_of_it_is_kept(
    state: State, action: Action, role: Role
) -> None:
    actor = Actor("someone", role, Via.PROXY)
    allowed = list(Role).index(role) >= list(Role).index(NEEDS[action])

    if allowed:
        with state.writing() as session:
            audit.record(session, actor, action, "x")
    else:
        with pytest.raises(Refused, match=f"needs the role {NEEDS[action]}"), state.writing() as session:
            session.execute(text("CREATE TABLE done_first (id INTEGER)"))
            audit.record(session, actor, action, "x")

    assert len(audit.search(state, ANNA, now())) == int(allowed)
    with state.connected() as connection:
        assert "done_first" not in inspect(connection).get_table_names()


def test_who_has_not_said_their_name_may_act_in_nothing() -> None:
    for action in Action:
        with pytest.raises(Refused, match="say who you are"):
            require(Actor("", Role.ADMIN, Via.NAME), action)


def test_only_an_admin_reads_the_audit(state: State) -> None:
    with pytest.raises(Refused, match="needs the role admin"):
        audit.search(state, BORIS, now())


@pytest.fixture
def written(state: State) -> State:
    """A state with something in every table."""
    probe(SqlHealthLog(state), 0)
    reveal(state, ANNA, "lead 8")
    with state.writing() as session:
        for table in all_tables():  # a table without a row proves nothing
            if session.execute(select(table)).first() is None:
                session.execute(table.insert(), {column.name: some_value(column) for column in table.columns})
    return state


def rows_of(state: State) -> dict[str, list[Any]]:
    """Every row of every table but the audit, which a restore adds to."""
    with state.reading() as session:
        return {t.name: list(session.execute(select(t))) for t in all_tables() if t.name != "audit"}


def some_value(column: Column[Any]) -> object:
    """A value that the column takes; 1 is also the number of the row that it may refer to."""
    if isinstance(column.type, JSON):
        return [{"name": "é\u202e", "value": ""}]
    if isinstance(column.type, UtcDateTime):
        return datetime(2026, 3, 1, 12, 30, 0, 123456, UTC)
    made: dict[type, object] = {date: date(2026, 3, 1), bool: True, float: 1.5, int: 1, str: "x"}
    return made[column.type.python_type]


def test_a_backup_restores_into_sqlite_whole(written: State, state_url: URL, tmp_path: Path) -> None:
    counts = backup.backup(state_url, tmp_path / "copy")
    target = sqlite_url(tmp_path / "new.sqlite")

    restored = backup.restore(target, tmp_path / "copy", ANNA)

    assert restored == counts
    assert counts == {table.name: 1 for table in all_tables()} | {"health_episode": 2}
    assert {path.name for path in tmp_path.iterdir()} & {"copy-wal", "copy.part", "new.sqlite.restoring"} == set()
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0
    again = open_state(target)
    assert rows_of(again) == rows_of(written)
    assert history(SqlHealthLog(again)) == history(SqlHealthLog(written))
    assert audit.search(again, ANNA, now())["action"].tolist() == ["state.restore", "personal_data.reveal"]
    again.close()


@pytest.mark.live
def test_a_backup_restores_into_postgresql_which_goes_on_counting(
    written: State, state_url: URL, tmp_path: Path, postgres: object
) -> None:
    target = postgres.new_database()  # type: ignore[attr-defined]
    backup.backup(state_url, tmp_path / "copy")

    backup.restore(target, tmp_path / "copy", ANNA)

    again = open_state(target)
    probe(SqlHealthLog(again), 3600)  # new rows: numbers that are not taken
    reveal(again, BORIS, "lead 9")
    assert history(SqlHealthLog(again)) == [("healthy", 0, 0), ("healthy", 3600, 3600)]
    assert audit.search(again, ANNA, now())["who"].tolist() == [BORIS.name, ANNA.name, ANNA.name]
    with pytest.raises(SourceRejected, match="holds a state already"):
        backup.restore(target, tmp_path / "copy", ANNA)
    again.close()


def test_a_restore_sets_the_old_state_aside_with_its_last_words(tmp_path: Path) -> None:
    old, copy = sqlite_url(tmp_path / "state.sqlite"), tmp_path / "copy"
    state = open_state(old)
    reveal(state, ANNA, "in the copy")
    backup.backup(old, copy)
    reveal(state, ANNA, "after it")
    state.close()

    backup.restore(old, copy, ANNA)

    [kept] = [path for path in tmp_path.iterdir() if path.name.startswith("state.sqlite.before-")]
    for file, subjects in ((tmp_path / "state.sqlite", ["copy", "in the copy"]), (kept, ["after it", "in the copy"])):
        opened = open_state(sqlite_url(file))
        assert audit.search(opened, ANNA, now())["subject"].tolist() == subjects
        opened.close()


def test_a_damaged_state_is_replaced_by_a_backup(tmp_path: Path) -> None:
    file, copy = tmp_path / "state.sqlite", tmp_path / "copy"
    state = open_state(sqlite_url(file))
    reveal(state, ANNA, "in the copy")
    backup.backup(sqlite_url(file), copy)
    state.close()
    file.write_bytes(b"\xff" * 8192)

    backup.restore(sqlite_url(file), copy, ANNA)

    again = open_state(sqlite_url(file))
    assert audit.search(again, ANNA, now())["subject"].tolist() == ["copy", "in the copy"]
    again.close()


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00garbage", b"no database at all" * 100])
def test_what_is_no_backup_changes_nothing(state: State, state_url: URL, tmp_path: Path, content: bytes) -> None:
    reveal(state, ANNA, "kept")
    (tmp_path / "copy").write_bytes(content)

    with pytest.raises(SourceError, match="backup"):
        backup.restore(state_url, tmp_path / "copy", ANNA)

    assert audit.search(state, ANNA, now())["subject"].tolist() == ["kept"]


def test_an_existing_file_is_not_overwritten_by_a_backup(state: State, state_url: URL, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("mine", encoding="utf-8")

    with pytest.raises(SourceRejected, match="there already"):
        backup.backup(state_url, tmp_path / "copy")

    assert (tmp_path / "copy").read_text(encoding="utf-8") == "mine"


def test_an_export_holds_what_people_wrote_and_nothing_else(written: State, state_url: URL, tmp_path: Path) -> None:
    counts = backup.export(state_url, tmp_path / "out")

    assert set(counts) == {table.name for table in written_by_people()}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{name}.jsonl" for name in counts}
    [row] = [json.loads(line) for line in (tmp_path / "out" / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
    with written.reading() as session:
        assert row["at"] == session.scalars(select(AuditRow.at)).one().isoformat().replace("+00:00", "Z")
    assert (row["who"], row["subject"]) == (ANNA.name, "lead 8")
