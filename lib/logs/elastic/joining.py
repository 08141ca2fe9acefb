"""Searches that wait while others are under way go out together in one request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from lib.errors import SourceError, SourceRejected

Line = dict[str, Any]
UNDER_WAY = 4
"""Requests at a time: the work on one's answers need not wait for another that is long."""

MOST_LINES = 64
"""Lines of a joined request, two a search: its answer comes when the slowest of them is done."""


class _Waiting:
    """One caller's searches, and what became of them."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.answers: list[Line] = []
        self.error: BaseException | None = None
        self.done = False


class Joined:
    """Sends lines of `msearch` by `send`, which gives an answer per search. Threads share it.

    Nobody waits in order to be joined: a request goes out at once while fewer than `under_way` do.
    """

    def __init__(self, send: Callable[[Sequence[Line]], list[Line]], under_way: int = UNDER_WAY) -> None:
        self._send = send
        self._free = under_way
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []

    def ask(self, lines: Sequence[Line]) -> list[Line]:
        """The answers to these lines. Raises what `send` raises: SourceError."""
        mine = _Waiting(lines)
        with self._changed:
            self._waiting.append(mine)
        while joined := self._next(mine):
            try:
                self._send_together(joined)
            finally:
                self._free_again(joined)
        if mine.error is not None:
            raise mine.error
        return mine.answers

    def _next(self, mine: _Waiting) -> list[_Waiting]:
        """Waits until `mine` is done (none), or until it is this caller's turn to send what waits."""
        with self._changed:
            self._changed.wait_for(lambda: mine.done or (self._free > 0 and mine in self._waiting))
            if mine.done:
                return []
            self._free -= 1
            joined: list[_Waiting] = []
            while self._waiting and (not joined or sum(len(one.lines) for one in joined) < MOST_LINES):
                joined.append(self._waiting.pop(0))
            return joined

    def _free_again(self, joined: Sequence[_Waiting]) -> None:
        with self._changed:
            for one in joined:
                one.done = True
            self._free += 1
            self._changed.notify_all()

    def _send_together(self, joined: Sequence[_Waiting]) -> None:
        try:
            self._answer(joined)
        except SourceRejected as error:
            self._one_by_one(joined, error)
        except BaseException as error:
            for one in joined:
                one.error = error
            raise

    def _answer(self, joined: Sequence[_Waiting]) -> None:
        answers = iter(self._send([line for one in joined for line in one.lines]))
        for one in joined:
            one.answers = [next(answers) for _ in one.lines[::2]]

    def _one_by_one(self, joined: Sequence[_Waiting], error: SourceRejected) -> None:
        """What the cluster refuses as a whole is the fault of one of them, not of the others."""
        if len(joined) == 1:
            joined[0].error = error
            return
        for one in joined:
            try:
                self._answer([one])
            except SourceError as own:
                one.error = own
