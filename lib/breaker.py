"""Spares everybody a source that does not answer: one asker tries it, the others are told at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lib.errors import SourceUnavailable


class Breaker:
    """Lets questions through until `after` in a row found no answer; then one every `rest_s` seconds, until one does.

    Without it a page of ten cards waits ten time-outs on a server that hangs, and so does each of its viewers. Errors
    of a type in `answers` show that the source lives. Threads share it.
    """

    def __init__(
        self,
        source: str,
        *,
        after: int = 2,
        rest_s: float = 10,
        answers: tuple[type[Exception], ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._after = after
        self._rest_s = rest_s
        self._answers = answers
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._closed_until = 0.0
        self._reason = ""

    @contextmanager
    def question(self) -> Iterator[None]:
        """Around one question. SourceUnavailable from inside counts as no answer, everything else as one.

        Raises SourceUnavailable with the last reason, at once, while the source is spared.
        """
        self._admit()
        try:
            yield
        except Exception as error:
            silent = isinstance(error, SourceUnavailable) and not isinstance(error, self._answers)
            self._note(str(error) if silent else "")
            raise
        self._note("")

    def _admit(self) -> None:
        with self._lock:
            now = self._clock()
            if self._failed < self._after:
                return
            if now < self._closed_until:
                raise SourceUnavailable(self._reason, self._source)
            self._closed_until = now + self._rest_s  # this asker tries; the next may when the rest is over again

    def _note(self, reason: str) -> None:
        with self._lock:
            self._failed = self._failed + 1 if reason else 0
            self._reason = reason
            if reason:
                self._closed_until = self._clock() + self._rest_s
