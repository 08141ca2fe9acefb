"""What is to happen at a moment unless something else has ended before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_REST_S = 10.0
"""How long the thread waits for a next alarm before it ends."""


class Alarms:
    """One thread for all alarms: to start one for each costs more than many a question that it is to cut off."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[object, tuple[float, Callable[[], object]]] = {}
        self._running = False
        self._wakes = 0.0

    @contextmanager
    def at(self, moment: float, act: Callable[[], object]) -> Iterator[None]:
        """Has another thread `act` at a moment of `time.monotonic` if the block still runs then, and never after it.

        Whatever `act` raises is lost with the thread: let it raise nothing.
        """
        key = object()
        with self._changed:
            self._due[key] = moment, act
            if not self._running:
                self._running = True
                threading.Thread(target=self._watch, name="alarms", daemon=True).start()
            elif moment < self._wakes:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._due.pop(key, None)

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for key in [key for key, (moment, _) in self._due.items() if moment <= now]:
                    _, act = self._due.pop(key)
                    act()
                self._wakes = min((moment for moment, _ in self._due.values()), default=now + _REST_S)
                if not self._changed.wait(max(self._wakes - now, 0)) and not self._due:
                    self._running = False
                    return
