"""Sees to it that the stores take in what an import puts into the spool: the dashboard does it, or we where none runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from lib.collect import spool
from lib.collect.giving_way import wanted
from lib.duck_lock import OWNED, OwnerLock
from lib.errors import InUse, SourceUnavailable
from lib.settings import Settings

AT_ONCE = 16 << 20
"""Bytes that are worth opening the stores for, while more is on its way."""

PATIENCE_S = 300.0
"""Where the stores took nothing in for this long, an import ends and says why."""
TOLD_AFTER_S = 15.0

_WAIT_S = 0.2
_log = logging.getLogger(__name__)


class TakingIn:
    """A thread that drains the spool whenever no other process owns the stores; it lives while inside the context."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._ended, self._finishing = threading.Event(), threading.Event()
        self._failed: Exception | None = None
        self._hindered = ""
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
        """Comes back when at most that much waits to be taken in. Raises SourceError where the stores cannot take it, or
        took nothing for PATIENCE_S."""
        before, since_s, told = -1, 0.0, False
        while True:
            if self._failed is not None:
                raise self._failed
            waiting = spool.pending_bytes(self._folder)
            if waiting <= most_bytes:
                return
            if waiting != before:
                before, since_s = waiting, time.monotonic()
            stood_s = time.monotonic() - since_s
            if stood_s > PATIENCE_S:
                raise SourceUnavailable(self._stuck(stood_s), "the stores")
            if stood_s > TOLD_AFTER_S and not told:
                _log.warning("%s", self._stuck(stood_s))
                told = True
            beat()
            time.sleep(_WAIT_S)

    def _stuck(self, stood_s: float) -> str:
        why = self._hindered or "no reason is known"
        return (
            f"The stores took nothing in for {stood_s:.0f} s: {why}. What was read waits in {self._folder}: "
            "a dashboard that runs on this folder takes it in, and so does the same command again"
        )

    def finish(self, beat: Callable[[], None]) -> None:
        """Comes back when everything is in the stores. Raises SourceError where they cannot take it."""
        self._finishing.set()
        self.wait(0, beat)

    def _go_round(self) -> None:
        while not self._ended.is_set():
            waiting = spool.pending_bytes(self._folder)
            if waiting > (0 if self._finishing.is_set() else AT_ONCE) and not wanted(self._folder):
                try:
                    self._take_in()
                except Exception as error:  # noqa: BLE001 - whatever it is, the import must not wait for ever
                    self._failed = error
                    return
            self._ended.wait(_WAIT_S)

    def _take_in(self) -> None:
        try:
            OwnerLock.take(self._settings.data_dir / OWNED, "the stores").release()
            from lib import wiring  # noqa: PLC0415 - half a second that an import beside a running dashboard does not need

            stores = wiring.open_stores(self._settings)
        except InUse as error:
            self._hindered = (
                f"{OWNED} is in use by process {error.holder}, which is to do it (see its header and its log)"
            )
            return
        except SourceUnavailable as error:
            self._hindered = str(error)
            return
        self._hindered = ""
        sinks = spool.Sinks(stores.log_database, stores.metrics, stores.health)
        try:
            while spool.pending(self._folder) and not self._lets_go():
                spool.drain(self._folder, sinks, stop=self._lets_go)
        finally:
            stores.close()

    def _lets_go(self) -> bool:
        return self._ended.is_set() or wanted(self._folder)
