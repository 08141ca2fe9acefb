"""One locked-down DuckDB file with one owner process: how both embedded stores open, read and write theirs."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
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
_NOT_THE_FILE = ("permission denied", "no space left", "read-only file system", "is a directory", "could not set lock")

Params = Sequence[Any] | Mapping[str, Any]


class Database:
    """An open file. Many threads read while one writes; a reader sees only what was committed.

    `recovered_from` is where an unreadable file was moved at the start, else None. Every method raises SourceError.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, lock: OwnerLock, path: Path, name: str) -> None:
        self.name = name
        self.path = path
        self.recovered_from: Path | None = None
        self._connection = connection
        self._writer = connection.cursor()
        self._writing = threading.RLock()
        self._lock = lock

    def columns(self, sql: str, params: Params = (), *, timeout_s: float = READ_TIMEOUT_S) -> dict[str, Any]:
        """The answer as one numpy array per column (masked where it has NULLs): the quickest for few rows."""
        with self._asking(timeout_s) as cursor:
            return dict(cursor.execute(sql, params).fetchnumpy())

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
        with self._writing, _mapped(self.name):
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
        with self._writing, _mapped(self.name):
            self._writer.register(name, table)
            try:
                yield
            finally:
                self._writer.unregister(name)

    def checkpoint(self) -> None:
        """Folds the write-ahead log into the file, so that freed space is used again."""
        with self._writing, _mapped(self.name):
            self._writer.execute("CHECKPOINT")

    def size_bytes(self) -> int:
        """Bytes on disk: the file and its write-ahead log."""
        return sum(path.stat().st_size for path in (self.path, _wal(self.path)) if path.exists())

    def close(self) -> None:
        """Ends every question, writes what is committed into the file, and lets another process have it."""
        with self._writing, contextlib.suppress(duckdb.Error):
            self._writer.close()
            self._connection.close()
        self._lock.release()

    @contextlib.contextmanager
    def _asking(self, timeout_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
        with _mapped(self.name):
            cursor = self._connection.cursor()
            watch = threading.Timer(timeout_s, _interrupt, [cursor])
            watch.daemon = True
            watch.start()
            try:
                yield cursor
            finally:
                watch.cancel()
                cursor.close()


def open_database(
    path: Path, schema: Sequence[str], *, name: str, memory_limit: str = "1GB", threads: int = 2
) -> Database:
    """Opens `path` (made if missing) as its one owner, runs `schema`, and locks the connection down for good.

    A file that cannot be read is moved aside with its write-ahead log, and a fresh one takes its place. Raises
    SourceUnavailable that says which process holds the file, or why its folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceUnavailable(f"{path.parent} cannot be made: {error.strerror}", name) from error
    lock = OwnerLock.take(path, name)
    config = {"memory_limit": memory_limit, "threads": threads}
    try:
        connection, moved = _connect_or_replace(path, schema, config)
    except duckdb.Error as error:
        lock.release()
        raise _translated(error, name) from error
    database = Database(connection, lock, path, name)
    database.recovered_from = moved
    return database


def _connect_or_replace(
    path: Path, schema: Sequence[str], config: dict[str, Any]
) -> tuple[duckdb.DuckDBPyConnection, Path | None]:
    try:
        return _connect(path, schema, config), None
    except duckdb.Error as error:
        if any(words in str(error).lower() for words in _NOT_THE_FILE):
            raise
        moved = _move_aside(path)
        _LOG.error("%s could not be read and was moved to %s: %s", path.name, moved.name, error)
        return _connect(path, schema, config), moved


def _connect(path: Path, schema: Sequence[str], config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path), config=config)
    try:
        for statement in (*schema, *_LOCKDOWN):
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def _move_aside(path: Path) -> Path:
    moved = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}")
    for source, target in ((path, moved), (_wal(path), _wal(moved))):
        if source.exists():
            source.rename(target)
    return moved


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _interrupt(cursor: duckdb.DuckDBPyConnection) -> None:
    with contextlib.suppress(duckdb.Error):  # it ended by itself just now
        cursor.interrupt()


@contextlib.contextmanager
def _mapped(name: str) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise _translated(error, name) from error


def _translated(error: duckdb.Error, name: str) -> SourceError:
    if isinstance(error, duckdb.InterruptException):
        return SourceUnavailable("the question took too long and was stopped", name)
    first_line = str(error).split("\n", 1)[0][:300]
    kind = SourceRejected if isinstance(error, _REJECTED) else SourceUnavailable
    return kind(f"the embedded database says: {first_line}", name)
