"""Who owns a database file: a lock beside it that dies with its process and names it."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Self

from lib.errors import InUse, SourceUnavailable

OWNED = "metrics.duckdb"
"""The file that whoever runs on a data folder owns, whatever else the settings name: its lock tells that somebody does."""

_held: set[Path] = set()
_guard = threading.Lock()


class OwnerLock:
    """Held until `release` or the end of the process (even by kill -9); a forked child does not inherit it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, database: Path, name: str) -> Self:
        """The lock of `database`, at once. Raises SourceUnavailable that names the process holding it: InUse."""
        path = database.resolve().with_name(database.name + ".lock")
        with _guard:
            if path in _held:
                raise _taken(database, str(os.getpid()), name)
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                raise SourceUnavailable(f"{path.parent} cannot be written: {error.strerror}", name) from error
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
                os.close(descriptor)
                raise _taken(database, holder or "unknown", name) from error
            _held.add(path)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return cls(path, descriptor)

    def release(self) -> None:
        """Lets another process have the file; a second call does nothing."""
        with _guard:
            if self._descriptor is not None:
                _held.discard(self._path)
                os.close(self._descriptor)
                self._descriptor = None


def _taken(database: Path, holder: str, name: str) -> InUse:
    return InUse(
        f"{database.name} is in use by process {holder}: one process owns the embedded stores. "
        "Stop that one first, or give this one another data folder",
        name,
        holder,
    )
