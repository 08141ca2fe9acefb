"""One locked-down DuckDB file with one owner process: how both embedded stores open, read and write theirs."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from lib.duck_lock import OwnerLock
from lib.errors import SourceError, SourceRejected, SourceUnavailable

READ_TIMEOUT_S = 10.0

_LOG = logging.getLogger(__name__)
_LOCKDOWN = (
    "SET GLOBAL TimeZone = 'UTC'",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
_REJECTED = (
    duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.ConversionException,
    duckdb.InvalidInputException, duckdb.PermissionException, duckdb.ConstraintException, duckdb.OutOfRangeException,
)  # fmt: skip
_DAMAGE = (
    "Corrupt database file", "Corrupt WAL file", "does not match stored checksum", "not a valid DuckDB database",
    "Could not read enough bytes", "Failed to deserialize", "Serialization Error", "WAL does not match database file",
)  # fmt: skip

Params = Sequence[Any] | Mapping[str, Any]
Columns = Callable[[str, Params], dict[str, Any]]
"""Puts a question; the answer is one numpy array per column."""


def in_memory() -> Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]:
    """Answers SQL over bound values alone, locked down and without a file: for whoever needs RE2 and has no store.

    Raises SourceRejected for what cannot be asked.
    """
    connection = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "200MB"})
    for statement in _LOCKDOWN:
        connection.execute(statement)

    def ask(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            with connection.cursor() as cursor:
                return cursor.execute(sql, params).fetchall()
        except _REJECTED as error:
            raise SourceRejected(str(error), "DuckDB") from error

    return ask


class Database:
    """An open file. Many threads read while one writes; a reader sees only what was committed.

    DuckDB checks a block when it is read, so damage may show long after the start; and after some failures (a full disk
    while it tidies up) it answers nothing until the file is opened anew. Either is said in every SourceError that comes
    of it and is put right by `mend`. `recovered_from` is where a damaged file was moved, None where none was.
    """

    def __init__(self, path: Path, name: str, lock: OwnerLock, schema: Sequence[str], config: dict[str, Any]) -> None:
        """Opens the file, or moves a damaged one aside. Raises duckdb.Error."""
        self.name = name
        self.path = path
        self.recovered_from: Path | None = None
        self._moved: Path | None = None
        self._lock, self._schema, self._config = lock, schema, config
        self._writing = threading.RLock()
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._idle = threading.Condition()
        self._damage = self._stopped = ""
        self._closed = False
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._open()

    @property
    def broken(self) -> str:
        """Why the file must be opened anew, or be replaced; "" while all is well."""
        return "" if self._closed else self._damage or self._stopped

    def mend(self) -> bool:
        """Opens the file anew where `broken`: a damaged one is moved aside first. Returns whether it did.

        What is stored may differ then from what writers were told: nothing where the file was damaged, and a write
        that had failed may be there. Raises SourceError where it cannot be opened now; call it again later.
        """
        if not self.broken:
            return False
        with self._writing, self._mapped():
            self._stopped = self.broken  # no question begins from here on
            self._let_go()
            if self._damage:
                self._moved = _move_aside(self.path, self._damage)
                self._damage = ""
            self._open()
            self._stopped = ""
        _LOG.warning("%s was opened anew", self.path.name)
        return True

    def begin(self, load: Callable[[], None]) -> None:
        """Runs the first questions, on a fresh file where they show that this one is damaged. Raises SourceError, closed."""
        try:
            try:
                load()
            except SourceError:
                if not self.mend():
                    raise
                load()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self._connection, moved = _connect_or_replace(self.path, self._schema, self._config)
        self._writer = self._connection.cursor()
        self.recovered_from = moved or self._moved

    def _let_go(self) -> None:
        """Ends every question: DuckDB gives the same instance again while a cursor of it is open."""
        with self._idle:
            for cursor in self._cursors:
                _interrupt(cursor)
            self._idle.wait_for(lambda: not self._cursors, timeout=READ_TIMEOUT_S)
        if self._connection is not None:
            for connection in (self._writer, self._connection):
                with contextlib.suppress(duckdb.Error):
                    connection.close()
            self._connection = None

    def columns(self, sql: str, params: Params = (), *, timeout_s: float = READ_TIMEOUT_S) -> dict[str, Any]:
        """The answer as one numpy array per column (masked where it has NULLs): the quickest for few rows."""
        with self._asking(timeout_s) as cursor:
            return dict(cursor.execute(sql, params).fetchnumpy())

    @contextlib.contextmanager
    def snapshot(self, *, timeout_s: float = READ_TIMEOUT_S) -> Iterator[Columns]:
        """Puts several questions, as `columns` does, to the store of one moment: a row keeps its `rowid` between them."""
        with self._asking(timeout_s) as cursor:
            cursor.execute("BEGIN")
            yield lambda sql, params: dict(cursor.execute(sql, params).fetchnumpy())

    def arrow(self, sql: str, params: Params = (), *, timeout_s: float = READ_TIMEOUT_S) -> pa.Table:
        """The answer to one SELECT as an Arrow table: the quickest for a million rows, which are not copied."""
        with self._asking(timeout_s) as cursor:
            table: pa.Table = cursor.sql(sql, params=params).to_arrow_table()
            return table

    def read(self, sql: str, params: Params = (), *, timeout_s: float = READ_TIMEOUT_S) -> pd.DataFrame:
        """The answer as a frame; NULL is NaN, NaT or None. TIMESTAMP columns come back without a zone."""
        return pd.DataFrame(self.columns(sql, params, timeout_s=timeout_s))

    def rows(self, sql: str, params: Params = (), *, timeout_s: float = READ_TIMEOUT_S) -> list[tuple[Any, ...]]:
        """The answer as tuples, for a handful of rows."""
        with self._asking(timeout_s) as cursor:
            return cursor.execute(sql, params).fetchall()

    @contextlib.contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction, one writer at a time: committed when the block ends, undone when it raises."""
        with self._writing, self._mapped():
            self._check()
            self._writer.execute("BEGIN")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(duckdb.Error):  # the first error is the one to tell
                    self._writer.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def given(self, name: str, table: pa.Table) -> Iterator[None]:
        """Lets the writer's SQL read `table` as a view called `name` while the block runs."""
        with self._writing, self._mapped():
            self._check()
            self._writer.register(name, table)
            try:
                yield
            finally:
                with contextlib.suppress(duckdb.Error):  # the error inside is the one to tell
                    self._writer.unregister(name)

    def checkpoint(self) -> None:
        """Folds the write-ahead log into the file, so that freed space is used again."""
        with self._writing, self._mapped():
            self._check()
            self._writer.execute("CHECKPOINT")

    def size_bytes(self) -> int:
        """Bytes on disk: the file and its write-ahead log."""
        return sum(path.stat().st_size for path in (self.path, _wal(self.path)) if path.exists())

    def close(self) -> None:
        """Ends every question, writes what is committed into the file, and lets another process have it."""
        with self._writing, self._idle:
            self._closed, self._stopped = True, "the store is closed"
            if self._connection is not None:
                for connection in (self._writer, self._connection):
                    with contextlib.suppress(duckdb.Error):
                        connection.close()
        self._lock.release()

    @contextlib.contextmanager
    def _asking(self, timeout_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._mapped():
            cursor = self._new_cursor()
            watch = threading.Timer(timeout_s, _interrupt, [cursor])
            watch.daemon = True
            watch.start()
            try:
                yield cursor
            finally:
                watch.cancel()
                cursor.close()
                with self._idle:
                    self._cursors.discard(cursor)
                    self._idle.notify_all()

    def _new_cursor(self) -> duckdb.DuckDBPyConnection:
        with self._idle:
            self._check()
            assert self._connection is not None, "it is not broken, so it is open"
            cursor = self._connection.cursor()
            self._cursors.add(cursor)
            return cursor

    def _check(self) -> None:
        if self._stopped:
            raise SourceUnavailable(f"{self.path.name} has to be opened again: {self._stopped}", self.name)

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        """DuckDB's errors as ours, and noted where they mean that the file must be opened anew."""
        try:
            yield
        except duckdb.Error as error:
            first_line = _said(error)
            if _means_damage(error):
                self._damage = self._damage or first_line
                text = f"{self.path.name} is damaged; it is moved aside and the store begins anew, in seconds: {first_line}"
                raise SourceUnavailable(text, self.name) from error
            if isinstance(error, duckdb.FatalException):
                self._stopped = self._stopped or first_line
            raise _translated(error, self.name) from error


def open_database(
    path: Path, schema: Sequence[str], *, name: str, memory_limit: str = "1GB", threads: int = 2, most_log: str = "16MB"
) -> Database:
    """Opens `path` (made if missing) as its one owner, runs `schema`, and locks the connection down for good.

    The write-ahead log is folded into the file when it is larger than `most_log`.

    A file that is damaged, or none of DuckDB's, is moved aside with its write-ahead log, and a fresh one takes its place.
    It stays as it is where anything else is wrong. Raises SourceError that says which process holds the file, why its folder
    cannot be written, or why the file cannot be opened: by too little memory, by a release that is older than the file.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds people's data
    except OSError as error:
        raise SourceUnavailable(f"{path.parent} cannot be made: {error.strerror}", name) from error
    lock = OwnerLock.take(path, name)
    config = {"memory_limit": memory_limit, "threads": threads, "wal_autocheckpoint": most_log}
    try:
        return Database(path, name, lock, schema, config)
    except duckdb.Error as error:
        lock.release()
        raise SourceUnavailable(f"{path} cannot be opened and was left as it is: {_said(error)}", name) from error


def _connect_or_replace(
    path: Path, schema: Sequence[str], config: dict[str, Any]
) -> tuple[duckdb.DuckDBPyConnection, Path | None]:
    try:
        return _connect(path, schema, config), None
    except duckdb.Error as error:
        if not _means_damage(error):
            raise
        moved = _move_aside(path, str(error))
        return _connect(path, schema, config), moved


def _connect(path: Path, schema: Sequence[str], config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        f"duckdb:{path}", config=config
    )  # or it would fetch what reads SQLite's files from the internet
    try:
        for statement in (*schema, *_LOCKDOWN):
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def _means_damage(error: duckdb.Error) -> bool:
    """Whether the file is to blame: not a full disk, too little memory, or a statement of our own.

    What stands in a write-ahead log was asked for and done once; a log that cannot be done again is no longer what it was.
    """
    log_broken = isinstance(error, _REJECTED) and "Failure while replaying WAL" in str(error)
    return log_broken or any(words in str(error) for words in _DAMAGE)


def _move_aside(path: Path, reason: str) -> Path:
    moved = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}")
    for source, target in ((path, moved), (_wal(path), _wal(moved))):
        if source.exists():
            source.rename(target)
    _LOG.error("%s cannot be read and was moved to %s: %s", path.name, moved.name, reason)
    return moved


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _interrupt(cursor: duckdb.DuckDBPyConnection) -> None:
    with contextlib.suppress(duckdb.Error):  # it ended by itself just now
        cursor.interrupt()


def _translated(error: duckdb.Error, name: str) -> SourceError:
    if isinstance(error, duckdb.InterruptException):
        return SourceUnavailable("the question took too long and was stopped", name)
    first_line = _said(error)
    kind = SourceRejected if isinstance(error, _REJECTED) else SourceUnavailable
    return kind(f"the embedded database says: {first_line}", name)


def _said(error: duckdb.Error) -> str:
    first_line = str(error).split("\n", 1)[0][:300]
    return f"the disk is full ({first_line})" if "no space left" in first_line.lower() else first_line
