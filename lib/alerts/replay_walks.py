"""Where the rules of a replay walk: here, or in a process of their own, so that evaluation need not share its interpreter.

The store is asked by its owner, in pieces; only these go over. `python -m lib.alerts.replay_walks` is that process.
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from select import select
from typing import Any, Protocol

from lib.alerts.delivery.dispatch import Plan as Telling
from lib.alerts.engine.asking import plan
from lib.alerts.replay import Outcome, Walk
from lib.alerts.replay_samples import Piece
from lib.alerts.rules import Rule
from lib.alerts.silences import Silence
from lib.window import Window

LOOK_S = 0.1
GENTLE = 5
"""By how much the process gives way to all others for the processor."""

_ROOT = Path(__file__).parents[2]


class Walks(Protocol):
    """The rules of a replay, each on its own way through the past."""

    def take(self, rule: int, piece: Piece) -> None:
        """The next piece for the rule of this number."""

    def outcomes(self, window: Window, stopped: Callable[[], bool]) -> tuple[Outcome, ...] | None:
        """What each of them did, in the order of the rules; None where it was stopped meanwhile. Call it once, last."""

    def close(self) -> None:
        """Lets go; at any time."""


class Here:
    """In this thread."""

    def __init__(self, rules: Sequence[Rule], telling: Telling, silences: Sequence[Silence]) -> None:
        self._rules = rules
        self._walks = [Walk(rule, telling, silences) for rule in rules]

    def take(self, rule: int, piece: Piece) -> None:
        """Walks at once."""
        self._walks[rule].take(plan(self._rules[rule].expression), piece)

    def outcomes(self, window: Window, stopped: Callable[[], bool]) -> tuple[Outcome, ...] | None:
        """At once."""
        return tuple(walk.outcome(window.start, window.end) for walk in self._walks)

    def close(self) -> None:
        """There is nothing to let go of."""


class Apart:
    """In a child that ends with us, however suddenly: its input ends then. Raises ChildProcessError where it died."""

    def __init__(self, rules: Sequence[Rule], telling: Telling, silences: Sequence[Silence]) -> None:
        command = [sys.executable, "-m", "lib.alerts.replay_walks"]
        self._child = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own module
        try:
            self._send((tuple(rules), replace(telling, rules=tuple), tuple(silences)))
        except ChildProcessError:
            self.close()
            raise

    def take(self, rule: int, piece: Piece) -> None:
        """Waits only while the child is behind by more than a pipe holds."""
        self._send((rule, piece))

    def outcomes(self, window: Window, stopped: Callable[[], bool]) -> tuple[Outcome, ...] | None:
        """Waits until the child has walked to the end."""
        self._send(window)
        assert self._child.stdout is not None, "it was started with a pipe"
        while not select([self._child.stdout], [], [], LOOK_S)[0]:
            if stopped():
                return None
        try:
            found: tuple[Outcome, ...] = pickle.load(self._child.stdout)  # noqa: S301 - from our own child
        except (EOFError, pickle.UnpicklingError):
            raise self._died() from None
        return found

    def close(self) -> None:
        """Ends the child, whatever it is doing."""
        self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what it did not take any more
                    pipe.close()
        self._child.wait()

    def _send(self, message: Any) -> None:
        assert self._child.stdin is not None, "it was started with a pipe"
        try:
            pickle.dump(message, self._child.stdin, protocol=5)
            self._child.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _died(self) -> ChildProcessError:
        return ChildProcessError(f"the process that replays ended with code {self._child.wait()}")


def main() -> int:
    """Walks what comes in on stdin; answers with the outcomes on stdout."""
    gc.disable()  # many live values and no cycle among them
    os.nice(GENTLE)
    came = sys.stdin.buffer
    try:
        walks = Here(*pickle.load(came))  # noqa: S301 - from our own parent
        while not isinstance(message := pickle.load(came), Window):  # noqa: S301
            walks.take(*message)
    except (EOFError, pickle.UnpicklingError):  # the replay was ended, or whoever wanted it
        return 0
    pickle.dump(walks.outcomes(message, lambda: False), sys.stdout.buffer, protocol=5)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
