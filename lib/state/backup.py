"""Copies of the state: a backup is one SQLite file whatever the database is, so it also moves the state from one to the other."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import URL, Connection, func, select, text

from lib.duck_lock import OWNED, OwnerLock
from lib.errors import SourceRejected, SourceUnavailable
from lib.identity.roles import Action, Actor
from lib.state import audit
from lib.state.database import NAME, State, connect, sqlite_url
from lib.state.migrate import head, open_state, version
from lib.state.tables import all_tables, written_by_people

_AT_ONCE = 1000


def backup(url: URL, file: Path) -> dict[str, int]:
    """Writes everything to `file` as it is at one moment, also while the dashboard runs; rows per table.

    Raises SourceError where the database does not answer or has another schema than this code, or the file is there.
    """
    with _new_file(file) as part, _current(url) as source:
        target = open_state(sqlite_url(part))
        try:
            with source.snapshot() as asked, target.connected() as written:
                return _copy(asked, written)
        finally:
            target.close()


def export(url: URL, folder: Path) -> dict[str, int]:
    """Writes what people wrote to `folder`, a file of JSON lines per table; rows per table. Raises SourceError."""
    counts = {}
    with _writable(folder), _current(url) as source, source.snapshot() as asked:
        folder.mkdir(parents=True, exist_ok=True)
        for table in written_by_people():
            part = folder / f"{table.name}.jsonl.part"
            with part.open("wb") as lines:
                os.fchmod(lines.fileno(), 0o600)
                counts[table.name] = 0
                for row in asked.execute(select(table).order_by(*table.primary_key)).mappings():
                    lines.write(orjson.dumps(dict(row), option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))
                    counts[table.name] += 1
            part.replace(part.with_suffix(""))
    return counts


def restore(url: URL, file: Path, actor: Actor) -> dict[str, int]:
    """Makes the state what `file` says, migrated to this code's schema; rows per table.

    A SQLite state is set aside, never dropped, and no dashboard may run on it; a PostgreSQL database has to be empty.
    Raises SourceError, and then nothing has changed.
    """
    if url.get_backend_name() == "sqlite":
        return _replace(Path(str(url.database)), file, actor)
    with _scratch_copy(file) as part:
        copied, target = open_state(sqlite_url(part)), open_state(url)
        try:
            with copied.snapshot() as asked, target.writing() as session:
                written = session.connection()
                written.execute(text("SET LOCAL statement_timeout = 0"))
                if any(_counts(written).values()):
                    raise SourceRejected("the database holds a state already: restore into an empty one", NAME)
                counts = _copy(asked, written)
                _go_on_counting(written)
                audit.record(session, actor, Action.RESTORE, file.name, {"rows": counts})
            return counts
        finally:
            copied.close()
            target.close()


def _replace(database: Path, file: Path, actor: Actor) -> dict[str, int]:
    lock = OwnerLock.take(database.with_name(OWNED), NAME)
    fresh = database.with_name(database.name + ".restoring")
    try:
        with _writable(database.parent), _scratch_copy(file, fresh):
            state = open_state(sqlite_url(fresh))
            try:
                with state.writing() as session:
                    counts = _counts(session.connection())
                    audit.record(session, actor, Action.RESTORE, file.name, {"rows": counts})
            finally:
                state.close()
            _set_aside(database)
            fresh.replace(database)
            return counts
    finally:
        lock.release()


def _set_aside(database: Path) -> None:
    """Keeps the old file beside the new one, with what its log holds: that would spoil another file of this name."""
    if not database.exists():
        return
    kept = database.with_name(f"{database.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    try:
        old = sqlite3.connect(database, isolation_level=None)
        try:
            old.execute("PRAGMA journal_mode=DELETE")
        finally:
            old.close()
    except sqlite3.Error:  # damaged, which may be why it is replaced
        for suffix in ("-wal", "-shm"):
            log = database.with_name(database.name + suffix)
            if log.exists():
                log.replace(kept.with_name(kept.name + suffix))
    os.link(database, kept)


@contextmanager
def _scratch_copy(file: Path, to: Path | None = None) -> Iterator[Path]:
    """A copy of a backup to migrate and read, once it is known to be one and whole."""
    copy = to or file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with _writable(copy.parent):
            if not file.is_file():
                raise SourceRejected(f"{file} is not there", NAME)
            copy.touch(0o600)
            shutil.copyfile(file, copy)
        _check(file, copy)
        yield copy
    finally:
        for suffix in ("", "-wal", "-shm"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def _check(file: Path, copy: Path) -> None:
    try:
        opened = sqlite3.connect(copy)
        try:
            whole = opened.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok"
            known = opened.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'").fetchone()[0]
        finally:
            opened.close()
    except sqlite3.Error as error:
        raise SourceRejected(f"{file} is no backup, or is damaged: {error}", NAME) from error
    if not whole or not known:
        raise SourceRejected(f"{file} is no backup of the state" if whole else f"{file} is damaged", NAME)


@contextmanager
def _new_file(file: Path) -> Iterator[Path]:
    """Where to write what becomes `file` when all of it is there."""
    part = file.with_name(file.name + ".part")
    if file.exists():
        raise SourceRejected(f"{file} is there already", NAME)
    with _writable(file.parent):
        for suffix in ("", "-wal", "-shm"):
            part.with_name(part.name + suffix).unlink(missing_ok=True)
        part.touch(0o600)
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(file)


@contextmanager
def _current(url: URL) -> Iterator[State]:
    """The database as it is; one of another schema is left alone."""
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        raise SourceRejected(f"there is no {url.database}", NAME)
    state = connect(url)
    try:
        with state.reading() as session:
            found = version(session.connection())
        if found != head():
            raise SourceRejected(
                f"the database has schema {found or 'none'} and this code {head()}: use the version that it belongs to",
                NAME,
            )
        yield state
    finally:
        state.close()


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceUnavailable(f"{folder} cannot be written: {error.strerror}", NAME) from error


def _copy(asked: Connection, written: Connection) -> dict[str, int]:
    counts = {}
    for table in all_tables():
        rows = (
            asked.execution_options(yield_per=_AT_ONCE).execute(select(table).order_by(*table.primary_key)).mappings()
        )
        counts[table.name] = 0
        for some in rows.partitions():
            values: list[dict[str, Any]] = [dict(row) for row in some]
            written.execute(table.insert(), values)
            counts[table.name] += len(values)
    return counts


def _counts(connection: Connection) -> dict[str, int]:
    return {t.name: connection.execute(select(func.count()).select_from(t)).scalar_one() for t in all_tables()}


def _go_on_counting(connection: Connection) -> None:
    """Copied rows brought their numbers along, of which PostgreSQL's counters know nothing."""
    for table in all_tables():
        key = table.autoincrement_column
        if key is not None:
            newest = connection.execute(select(func.max(key))).scalar()
            if newest is not None:
                counter = func.pg_get_serial_sequence(table.name, key.name)
                connection.execute(select(func.setval(counter, newest)))
