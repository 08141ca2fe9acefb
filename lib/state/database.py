"""The state database: one engine for the whole process, on SQLite that survives a power cut or on PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import stamina
from sqlalchemy import URL, Connection, DateTime, Dialect, Engine, TypeDecorator, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session

from lib import notes
from lib.errors import SourceUnavailable
from lib.redact import redact_text
from lib.settings import Settings

NAME = "state"
SQLITE_FILE = "state.sqlite"
LOCK_WAIT_S = 30
"""Nobody waits longer than this for another's lock."""

PERHAPS = "it may have been kept all the same: look before you do it again"
CONNECT_WITHIN_S = 10
_FRAME, _SINCE = ("BEGIN", "SET "), "asked_at"
_PLAINER = {"database is locked": f"another process has kept it locked for {LOCK_WAIT_S} s"}


class Writer(StrEnum):
    """Whose words a table holds; every table says so in its `info`, under `WRITTEN_BY`."""

    PEOPLE = "people"  # part of an export
    MACHINE = "machine"  # can be measured again, or is worth nothing elsewhere


WRITTEN_BY = "written_by"


class Base(DeclarativeBase):
    """Every table of the state database."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite keeps no offset: it is taken off on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """In UTC; without its offset for SQLite. A naive time is a mistake and refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must carry a time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware again."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class State:
    """The open database. What is done inside `writing` is kept as a whole or not at all.

    Both ways in raise SourceUnavailable with the reason (locked, full, read-only, no server); the next use tries anew.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(writes=True)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @contextmanager
    def reading(self, source: str = NAME) -> Iterator[Session]:
        """A transaction that only asks; `source` is who could not answer, as pages name it."""
        with self.failing(source), Session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def writing(self, source: str = NAME) -> Iterator[Session]:
        """A transaction that changes something; committed at the end of the block. Waits its turn at the start, if at all."""
        with self.failing(source), Session(self._writing) as session:
            session.begin()
            yield session
            session.flush()
            try:
                session.commit()
            except OperationalError as error:
                if _may_be_kept(error):
                    error.add_note(PERHAPS)
                raise

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A writing transaction without the models: for the schema itself."""
        with self.failing(NAME), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction that sees one moment only, however long it takes."""
        with self.reading() as session:
            if self.dialect == "postgresql":
                session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
                session.execute(text("SET LOCAL statement_timeout = 0"))
            yield session.connection()

    @contextmanager
    def failing(self, source: str) -> Iterator[None]:
        """Turns what the database says into our own error, and lets go of connections that may be broken.

        With a server the pool does so by itself: it looks at each before it gives it away, and others' stay in use.
        """
        try:
            yield
        except SQLAlchemyError as error:
            if self.dialect == "sqlite":
                self._engine.dispose()
            raise SourceUnavailable(f"the state database does not answer: {_reason(error)}", source) from error

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """Gathers what the database is asked and told inside, by whatever thread: so is counted what each viewer costs."""
        heard: list[str] = []

        def hear(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
            if not statement.startswith(_FRAME):
                heard.append(statement)

        event.listen(self._engine, "before_cursor_execute", hear)
        try:
            yield heard
        finally:
            event.remove(self._engine, "before_cursor_execute", hear)

    def close(self) -> None:
        """Lets go of the database; a second call does nothing."""
        self._engine.dispose()


def sqlite_url(file: Path) -> URL:
    """The address of a SQLite file."""
    return URL.create("sqlite", database=str(file))


def postgres_url(address: str, password: str = "") -> URL:
    """A postgresql:// address as our driver wants it; `password` where the address holds none."""
    url = make_url(address).set(drivername="postgresql+psycopg")
    return url.set(password=password) if password and not url.password else url


def url_of(settings: Settings) -> URL:
    """Where the state is kept: on the PostgreSQL server that the settings name, else in their data folder."""
    if address := settings.state_url.get_secret_value():
        return postgres_url(address, settings.state_password.get_secret_value())
    return sqlite_url(settings.data_dir / SQLITE_FILE)


def connect(url: URL | str) -> State:
    """The database at `url`, as it is: neither opened nor migrated yet."""
    url = make_url(url)
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, pool_timeout=CONNECT_WITHIN_S)
        event.listen(engine, "connect", _durable)
        event.listen(engine, "begin", _begin)
    else:
        wait = {"connect_timeout": CONNECT_WITHIN_S, "tcp_user_timeout": 1000 * CONNECT_WITHIN_S}
        engine = create_engine(
            url, pool_pre_ping=True, pool_timeout=CONNECT_WITHIN_S, pool_size=10,
            connect_args={"application_name": "halo-ops", **wait},
        )  # fmt: skip
        event.listen(engine, "connect", _bounded)
    event.listen(engine, "before_cursor_execute", _holdable, retval=True)
    event.listen(engine, "before_cursor_execute", _asked)
    event.listen(engine, "after_cursor_execute", _answered)
    return State(engine)


def _holdable(_connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
    """What a database cannot hold stands as its sign: one odd name must not keep everything else from being written."""
    return statement, _without_odd(parameters)


def _without_odd(given: Any) -> Any:
    """The same parameters, in whatever shape a driver wants them, without NUL and halves of characters."""
    if isinstance(given, str):
        if given.isascii():
            return given.replace("\x00", "␀")
        return given.replace("\x00", "␀").encode("utf-8", "replace").decode()
    if isinstance(given, dict):
        return {name: _without_odd(value) for name, value in given.items()}
    if isinstance(given, list | tuple):
        return type(given)([_without_odd(value) for value in given])
    return given


def _asked(connection: Connection, *_: Any) -> None:
    connection.info[_SINCE] = time.perf_counter()


def _answered(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
    """For "how was this asked"; SQLite does not know how many rows there are before they are read."""
    if not statement.startswith(_FRAME):
        took_ms = (time.perf_counter() - connection.info[_SINCE]) * 1000
        notes.put(notes.Question(NAME, statement[: notes.MOST_TEXT], took_ms, cursor.rowcount))


def _durable(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver would begin by itself, too late and not for a change of the schema
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={1000 * LOCK_WAIT_S}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Turns a new file to WAL. Of two that do so at once SQLite tells one "locked" without any waiting, whatever its time-out."""
    for attempt in stamina.retry_context(
        on=_is_locked, attempts=None, timeout=LOCK_WAIT_S, wait_initial=0.01, wait_jitter=0.02, wait_max=0.5
    ):
        with attempt:
            cursor.execute("PRAGMA journal_mode=WAL")


def _is_locked(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY


def _begin(connection: Connection) -> None:
    """Who means to write says so at once: a reader that became a writer would fail instead of waiting."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bounded(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_WAIT_S}s'")
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SET {name} = '{2 * LOCK_WAIT_S}s'")
    connection.commit()


def _reason(error: SQLAlchemyError) -> str:
    said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    told = redact_text(_PLAINER.get(said, said) or type(error).__name__)[0]
    return "; ".join([told, *getattr(error, "__notes__", ())])


def _may_be_kept(error: OperationalError) -> bool:
    """Whether a commit that failed may be found done later: its answer was lost on the way from a server, or SQLite wrote it
    and could not sync it."""
    name = getattr(error.orig, "sqlite_errorname", "")
    return not name or name.endswith("FSYNC")
