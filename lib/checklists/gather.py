"""Asks for evidence in threads, so that a page never waits for it: viewers share what was found last."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

from lib import notes
from lib.checklists.model import Evidence, Verdict
from lib.collect.cadence import Clock, utc_now
from lib.notes import Question

FRESH = timedelta(seconds=60)
AT_ONCE, MOST_KEPT = 2, 200
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found when, and how the stores were asked for it; asked again once it is older than FRESH."""

    evidence: Evidence
    at: datetime
    questions: tuple[Question, ...] = ()


class Gatherer:
    """Keeps the last evidence of each question. Threads may share it."""

    def __init__(self, clock: Clock = utc_now, fresh: timedelta = FRESH) -> None:
        self._clock, self._fresh = clock, fresh
        self._lock = threading.Lock()
        self._turn = threading.Semaphore(AT_ONCE)
        self._found: OrderedDict[Hashable, Found] = OrderedDict()
        self._asking: set[Hashable] = set()

    def latest(self, question: Hashable, ask: Callable[[], Evidence]) -> Found | None:
        """What is known now, at once; None until the first answer. Has it asked anew in the background where it is old."""
        with self._lock:
            found = self._found.get(question)
            old = found is None or abs(self._clock() - found.at) > self._fresh
            if old and question not in self._asking:
                self._asking.add(question)
                threading.Thread(target=self._ask, args=(question, ask), name="evidence", daemon=True).start()
            return found

    def forget(self) -> None:
        """Everything is asked anew."""
        with self._lock:
            self._found.clear()

    def _ask(self, question: Hashable, ask: Callable[[], Evidence]) -> None:
        with self._turn, notes.questions() as put:
            try:
                evidence = ask()
            except Exception:  # noqa: BLE001 - the outermost frame of the thread: its page must hear of it
                _log.exception("evidence failed")
                evidence = Evidence("", None, "", "", Verdict.NO_DATA, "the evidence itself failed: see the log")
        with self._lock:
            self._asking.discard(question)
            self._found[question] = Found(evidence, self._clock(), tuple(put))
            while len(self._found) > MOST_KEPT:
                self._found.popitem(last=False)
