"""One answer for equal questions that are asked at the same time, or shortly one after another."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from lib import notes
from lib.notes import Note

V = TypeVar("V")
_Told = tuple[V, tuple[Note, ...]]
_all: WeakSet[Shared[Any]] = WeakSet()


class Shared(Generic[V]):
    """Who asks what somebody is asking already waits for that answer, its notes included; an error counts for both.

    `keep_s` is how long an answer holds after it came; 0: only while it is under way. Answers are not copied: leave
    them as they are. At most `most` are kept. Threads share it.
    """

    def __init__(self, keep_s: float = 0, most: int = 300, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s = keep_s
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: OrderedDict[Hashable, tuple[float, Future[_Told[V]]]] = OrderedDict()
        _all.add(self)

    def of(self, question: Hashable, ask: Callable[[], V]) -> V:
        """The answer to `question`, by `ask` where nobody has it. Raises what `ask` raises."""
        with self._lock:
            until, answer = self._asked.get(question, (float("-inf"), Future[_Told[V]]()))
            mine = self._clock() >= until  # never while it is under way
            if mine:
                answer = Future()
                self._asked[question] = (float("inf"), answer)
        if mine:
            return self._answered(question, answer, ask)
        value, said = answer.result()
        for note in said:
            notes.add(note)
        return value

    def forget(self) -> None:
        """Drops what is kept; who asks waits no less for what is under way."""
        with self._lock:
            for question in [question for question, (until, _) in self._asked.items() if until < float("inf")]:
                del self._asked[question]

    def _answered(self, question: Hashable, answer: Future[_Told[V]], ask: Callable[[], V]) -> V:
        try:
            with notes.collected() as said:
                value = ask()
        except BaseException as error:
            self._settle(question, answer, 0)
            answer.set_exception(error)
            raise
        self._settle(question, answer, self._keep_s)
        answer.set_result((value, tuple(said)))
        return value

    def _settle(self, question: Hashable, answer: Future[_Told[V]], keep_s: float) -> None:
        with self._lock:
            if not keep_s:
                self._asked.pop(question, None)
                return
            self._asked[question] = (self._clock() + keep_s, answer)
            self._asked.move_to_end(question)
            while len(self._asked) > self._most:
                self._asked.popitem(last=False)


def forget() -> None:
    """Has every question of this process asked anew."""
    for shared in list(_all):
        shared.forget()
