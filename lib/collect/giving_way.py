"""How an import that holds the stores lets a dashboard have them that starts meanwhile."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from lib.collect import spool
from lib.errors import InUse

LOCK = "import.lock"
"""In the spool folder: held by the import that runs, whose process it names."""
WAIT_S = 30.0

_WANTED = "stores.wanted"
_STALE_S = 5.0
_EVERY_S = 0.1
_log = logging.getLogger(__name__)
T = TypeVar("T")


def wanted(folder: Path) -> bool:
    """Whether a dashboard waits for the stores: an import then lets go of them, and its spool is taken in by that one."""
    try:
        return time.time() - (folder / _WANTED).stat().st_mtime < _STALE_S
    except FileNotFoundError:
        return False


def after_an_import(opened: Callable[[], T], data_dir: Path) -> T:
    """What `opened` gives, once an import has let go of the stores. Raises what it raises for any other reason."""
    folder, deadline = spool.place_of(data_dir), time.monotonic() + WAIT_S
    while True:
        try:
            stores = opened()
        except InUse as error:
            importing = _importing(folder)
            if error.holder != importing or time.monotonic() > deadline:
                raise
            if not wanted(folder):
                _log.warning("an import (process %s) has the stores; it is asked to let go of them", importing)
            (folder / _WANTED).touch()
            time.sleep(_EVERY_S)
        else:
            (folder / _WANTED).unlink(missing_ok=True)
            return stores


def _importing(folder: Path) -> str:
    """The process of the import that runs, "" where none does."""
    try:
        with (folder / LOCK).open(encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return (folder / LOCK).read_text(encoding="ascii")
    except OSError:
        return ""
    return ""
