"""Sees to it that the stores take in what an import puts into the spool: the dashboard does it, or we where none runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from lib.collect import spool
from lib.errors import SourceUnavailable
from lib.settings import Settings

AT_ONCE = 16 << 20
"""Bytes that are worth opening the stores for, while more is on its way."""

_WAIT_S = 0.2


class TakingIn:
    """A thread that drains the spool whenever no other process owns the stores; it lives while inside the context."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._ended, self._finishing = threading.Event(), threading.Event()
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._go_round, name="taking in", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def wait(self, most_bytes: int, beat: Callable[[], None]) -> None:
        """Comes back when at most that much waits to be taken in. Raises SourceError where the stores cannot take it."""
        while True:
            if self._failed is not None:
                raise self._failed
            if spool.pending_bytes(self._folder) <= most_bytes:
                return
            beat()
            time.sleep(_WAIT_S)

    def finish(self, beat: Callable[[], None]) -> None:
        """Comes back when everything is in the stores. Raises SourceError where they cannot take it."""
        self._finishing.set()
        self.wait(0, beat)

    def _go_round(self) -> None:
        while not self._ended.is_set():
            waiting = spool.pending_bytes(self._folder)
            if waiting > (0 if self._finishing.is_set() else AT_ONCE):
                try:
                    self._take_in()
                except Exception as error:  # noqa: BLE001 - whatever it is, the import must not wait for ever
                    self._failed = error
                    return
            self._ended.wait(_WAIT_S)

    def _take_in(self) -> None:
        from lib import wiring  # noqa: PLC0415 - half a second that an import beside a running dashboard does not need

        try:
            stores = wiring.open_stores(self._settings)
        except SourceUnavailable:  # another process owns the stores: it takes them in
            return
        sinks = spool.Sinks(stores.log_database, stores.metrics, stores.health)
        try:
            while spool.pending(self._folder) and not self._ended.is_set():
                spool.drain(self._folder, sinks, stop=self._ended.is_set)
        finally:
            stores.close()
