"""Runs a replay beside everything else: the store is asked piece by piece, a child process walks, and both can be ended."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from lib.alerts.delivery.dispatch import Plan as Telling
from lib.alerts.engine.asking import plan
from lib.alerts.engine.schedule import INTERVAL_S
from lib.alerts.replay import Outcome
from lib.alerts.replay_samples import POINTS, Ints, Past, Piece, evaluations
from lib.alerts.replay_walks import Apart, Here, Walks
from lib.alerts.rules import Rule
from lib.alerts.silences import Silence
from lib.errors import OpsError, QueryError
from lib.metrics.base import MetricStore
from lib.window import DAY, Window

MOST_DAYS = 30
AT_ONCE = 1
"""Replays that work at the same time; others wait for their turn, so that evaluation keeps its share."""

REST = 0.5
"""The part of the time of each question that the thread rests after it."""

_log = logging.getLogger(__name__)
_turn = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Task:
    """What to replay: the same past for each rule (two versions of one), told by the same plan."""

    rules: tuple[Rule, ...]
    window: Window
    telling: Telling
    silences: tuple[Silence, ...] = ()
    interval_s: float = INTERVAL_S


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcomes in the order of the task's rules. `covered` is the part of the window with history; None: none at all."""

    task: Task
    outcomes: tuple[Outcome, ...]
    covered: Window | None
    took_s: float

    @property
    def coverage(self) -> str:
        """How honest the answer is: "history covers 6 of 30 days"; "" where it covers all."""
        wanted = self.task.window.length / DAY
        if self.covered is None:
            return f"history covers none of {wanted:.3g} days"
        had = self.covered.length / DAY
        return "" if had > wanted * 0.999 else f"history covers {had:.2g} of {wanted:.3g} days"


def replay(
    task: Task, store: MetricStore, progress: Callable[[float], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False, *, where: type[Here | Apart] = Here,
) -> Replayed | None:  # fmt: skip
    """Runs it and waits; None where it was stopped. `where` the rules walk: here or apart. Raises SourceError, QueryError
    for a rule that cannot be asked, ChildProcessError."""
    began = time.perf_counter()
    covered = _covered(task.window, store.oldest())
    if covered is None:
        return Replayed(task, (), None, 0.0)
    past = Past(store)
    lanes = [_Lane(rule, evaluations(rule, covered, task.interval_s)) for rule in task.rules]
    longest = max(len(lane.at_ms) for lane in lanes)
    walks = where(task.rules, task.telling, task.silences)
    try:
        for start in range(0, longest, POINTS):
            if stopped():
                return None
            asked_s = _piece(lanes, walks, past, start)
            progress(min(start + POINTS, longest) / longest)
            time.sleep(REST * asked_s)
        outcomes = walks.outcomes(covered, stopped)
    finally:
        walks.close()
    return None if outcomes is None else Replayed(task, outcomes, covered, time.perf_counter() - began)


def _covered(window: Window, oldest: datetime | None) -> Window | None:
    if oldest is None or oldest >= window.end - timedelta(minutes=1):
        return None
    return Window(max(window.start, oldest), window.end, window.zone)


class _Lane(NamedTuple):
    rule: Rule
    at_ms: Ints


def _piece(lanes: Sequence[_Lane], walks: Walks, past: Past, first: int) -> float:
    """One piece of the past for every rule; what several ask for is asked once. Gives how long the store took, in s."""
    known: dict[tuple[str, float, int, int], list[Piece]] = {}
    spent = 0.0
    for number, lane in enumerate(lanes):
        moments = lane.at_ms[first : first + POINTS]
        if not len(moments):
            continue
        asked = plan(lane.rule.expression)
        key = (asked.expression, lane.rule.offset_s, int(moments[0]), len(moments))
        if key not in known:
            began = time.perf_counter()
            known[key] = past.pieces(asked, moments, lane.rule.offset_s)
            spent += time.perf_counter() - began
        for piece in known[key]:
            walks.take(number, piece)
    return spent


@dataclass(slots=True)
class Run:
    """A replay under way: `share` of it is done (0–1), `result` when it is over, `error` why there is none."""

    task: Task
    began_at: datetime
    share: float = 0.0
    waiting: bool = True
    result: Replayed | None = None
    error: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._over.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody ended it."""
        return self._stop.is_set() and self.result is None

    def cancel(self) -> None:
        """Ends it at the next piece."""
        self._stop.set()

    def wait(self, timeout_s: float) -> bool:
        """Whether it ended within so long."""
        return self._over.wait(timeout_s)

    def work(self, store: MetricStore) -> None:
        """The whole of it; for a thread."""
        try:
            with _turn:
                self.waiting = False
                self.result = replay(self.task, store, self._progress, self._stop.is_set, where=Apart)
        except QueryError as error:
            self.error = f"this cannot be asked: {error}"
        except OpsError as error:
            self.error = str(error)
        except Exception as error:  # noqa: BLE001 - the outermost frame of the thread: its page must hear of it
            _log.exception("the replay of %s failed", self.task.rules[0].name)
            self.error = f"the replay itself failed: {type(error).__name__}"
        finally:
            self._over.set()

    def _progress(self, share: float) -> None:
        self.share = share


def start(task: Task, store: MetricStore, now: datetime) -> Run:
    """Begins in a thread of its own and comes back at once."""
    run = Run(task, now)
    threading.Thread(target=run.work, args=(store,), name="replay", daemon=True).start()
    return run
