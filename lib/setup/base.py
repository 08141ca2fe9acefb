"""What a check of a source says, and how checks run: each in a thread of its own, so that a dead source freezes nobody."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lib.collect.cadence import Clock, utc_now
from lib.collect.fetch import without_secrets
from lib.errors import OpsError
from lib.settings import Settings
from lib.stores import Stores

LIMIT_S = 10.0
_log = logging.getLogger(__name__)


class Grade(StrEnum):
    """How a checked thing stands. Off: the settings do not name it."""

    FAILED = "failed"
    WARNING = "warning"
    OK = "ok"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was looked at: a glob, a target, a file. `said` is what was found, `hint` what to do ("": nothing)."""

    what: str
    grade: Grade
    said: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One source. `ask` looks at it and gives a row per thing; it may take as long as it likes, and may raise OpsError."""

    key: str
    title: str
    about: str
    ask: Callable[[], list[Row]]


Source = Callable[[Settings, Stores], Check]


@dataclass(frozen=True, slots=True)
class Result:
    """What the last run of a check found. `took_s` is None while it still runs or hangs."""

    rows: tuple[Row, ...]
    at: datetime
    took_s: float | None = None

    @property
    def grade(self) -> Grade:
        """The worst of its rows; off where nothing else is."""
        order = list(Grade)
        return min((row.grade for row in self.rows), key=order.index, default=Grade.OFF)


@dataclass(frozen=True, slots=True)
class _Run:
    at: datetime
    began: float


class Runner:
    """Runs checks, one at a time of each kind, and keeps their last results. Threads may share it."""

    def __init__(self, limit_s: float = LIMIT_S, clock: Clock = utc_now) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[str, _Run] = {}
        self._results: dict[str, Result] = {}

    def start(self, check: Check) -> bool:
        """Begins in a thread and comes back at once; False where the same check has not ended yet."""
        run = _Run(self._clock(), time.monotonic())
        with self._lock:
            if check.key in self._running:
                return False
            self._running[check.key] = run
            self._results.pop(check.key, None)
        threading.Thread(target=self._run, args=(check, run), name=f"check {check.key}", daemon=True).start()
        return True

    def busy(self, key: str) -> bool:
        """Whether a result is still to come within the limit."""
        with self._lock:
            run = self._running.get(key)
        return run is not None and time.monotonic() - run.began < self._limit_s

    def result(self, key: str) -> Result | None:
        """The last result; of a run that is over the limit, that it hangs. None: never run, or at work."""
        with self._lock:
            run, result = self._running.get(key), self._results.get(key)
        if run is None:
            return result
        if time.monotonic() - run.began < self._limit_s:
            return None
        hint = "It hangs: look at the network or the disk behind it. The check ends by itself once that answers."
        return Result((Row(key, Grade.FAILED, f"no result within {self._limit_s:g} s", hint),), run.at)

    def _run(self, check: Check, run: _Run) -> None:
        try:
            rows = check.ask()
        except OpsError as error:
            rows = [Row(check.title, Grade.FAILED, without_secrets(str(error)), "Its settings are below.")]
        except Exception as error:  # noqa: BLE001 - the outermost frame of the thread: its page must hear of it
            _log.exception("check of %s failed", check.key)
            rows = [Row(check.title, Grade.FAILED, f"the check itself failed: {type(error).__name__}", "See the log.")]
        with self._lock:
            self._results[check.key] = Result(tuple(rows), run.at, time.monotonic() - run.began)
            del self._running[check.key]


RUNNER = Runner()
"""The runner of this process: viewers share results, and nobody can start a check twice."""


def size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count / 2**10:,.0f} KiB"


def off(what: str, setting: str, why: str) -> list[Row]:
    """The rows of a source that the settings do not name."""
    return [Row(what, Grade.OFF, "not configured", f"Set {setting}{why}.")]
