"""A thread that goes round for ever: what fails in a round is logged and counted, and the next round comes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from lib.collect.cadence import Clock, utc_now
from lib.collect.fetch import without_secrets
from lib.errors import OpsError
from lib.status import TaskStatus

LONGEST_WAIT_S = 60.0
SAID_EVERY = timedelta(minutes=1)
"""A failure that goes on in the same words is logged so often."""

_log = logging.getLogger(__name__)


class Loop:
    """Calls `turn` every `period_s` in a thread of its own, from `start` until the event it was given is set.

    A long turn calls `beat` now and then to show that it lives. After failures the wait doubles, up to `longest_wait_s`.
    """

    def __init__(
        self, name: str, period_s: float, turn: Callable[[], object], clock: Clock = utc_now,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:  # fmt: skip
        self.name = name
        self._period_s = period_s
        self._turn = turn
        self._clock = clock
        self.longest_wait_s = max(period_s, longest_wait_s)
        self._beat_at = clock()
        self._failures_in_a_row = 0
        self._errors = 0
        self._last_error = ""
        self._last_error_at: datetime | None = None
        self._said: tuple[str, datetime] | None = None
        self._thread: threading.Thread | None = None

    def start(self, stop: threading.Event) -> None:
        """Begins; a second call is a mistake."""
        assert self._thread is None, f"the {self.name} loop runs already"
        self.beat()
        self._thread = threading.Thread(target=self._go_round, args=(stop,), name=self.name, daemon=True)
        self._thread.start()

    def beat(self) -> None:
        """Shows that the loop lives."""
        self._beat_at = self._clock()

    def join(self, within_s: float) -> bool:
        """Whether the thread ended within that time."""
        if self._thread is not None:
            self._thread.join(within_s)
        return self._thread is None or not self._thread.is_alive()

    def status(self) -> TaskStatus:
        """How the loop is; safe from any thread."""
        error = self._last_error if self._failures_in_a_row else ""
        return TaskStatus(
            self.name, self._period_s, self._beat_at, self._errors, self._last_error, self._last_error_at, error
        )

    def _go_round(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self._turn()
                self._well()
            except Exception as error:  # noqa: BLE001 - the outermost loop: it must go on
                self._failed(error)
            self.beat()
            stop.wait(min(self._period_s * 2**self._failures_in_a_row, self.longest_wait_s))

    def _well(self) -> None:
        if self._failures_in_a_row:
            _log.info("%s: works again", self.name)
        self._failures_in_a_row, self._said = 0, None

    def _failed(self, error: Exception) -> None:
        self._errors += 1
        self._failures_in_a_row = min(self._failures_in_a_row + 1, 20)
        told = str(error) if isinstance(error, OpsError) else f"{type(error).__name__}: {error}"
        self._last_error, self._last_error_at = without_secrets(told), self._clock()
        if self._said_lately(self._last_error, self._last_error_at):
            return
        if isinstance(error, OpsError):  # expected: its text says all
            _log.warning("%s: %s", self.name, self._last_error)
        else:
            _log.error("%s failed", self.name, exc_info=error)

    def _said_lately(self, told: str, now: datetime) -> bool:
        if self._said is not None and self._said[0] == told and timedelta(0) <= now - self._said[1] < SAID_EVERY:
            return True
        self._said = (told, now)
        return False
