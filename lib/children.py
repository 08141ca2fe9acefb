"""Processes that a launcher started: they end with it, and when one ends by itself it is known why."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping
from pathlib import Path

STOP_S = 4.0
GENTLE = 15
_TOLD_LINES = 15
_PR_SET_PDEATHSIG = 1


class ChildDied(Exception):  # noqa: N818 - reads as what happened
    """A child ended though nobody asked it to. The text names it and has its last lines."""


class Child:
    """One process. What it says goes to `log`; `gentle` gives way to all others for the processor."""

    def __init__(self, name: str, command: list[str], log: Path, folder: Path, *, gentle: bool = False) -> None:
        self.name, self._command, self._log, self._folder = name, command, log, folder
        self._before = _before_start(gentle=gentle)
        self._process: Process | None = None

    async def start(self, *, follow: bool = False, environment: Mapping[str, str] | None = None) -> None:
        """Starts it. `follow` keeps its stdin open for as long as we live, for a child that ends when that ends."""
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE if follow else DEVNULL, stdout=log, stderr=log, cwd=self._folder,
                env=environment, start_new_session=True, preexec_fn=self._before,
            )  # fmt: skip

    @property
    def ended(self) -> bool:
        """Whether it ran and is over."""
        return self._process is not None and self._process.returncode is not None

    def check(self, *, lasting: bool = False) -> None:
        """Raises ChildDied where it ended with an error, or ended at all though it was to last."""
        if self._process is not None and (self._process.returncode or (lasting and self.ended)):
            raise ChildDied(self._epitaph(self._process.returncode or 0))

    async def finish(self) -> None:
        """Waits for its end. Raises ChildDied where that was an error."""
        if self._process is not None:
            await self._process.wait()
            self.check()

    async def stop(self) -> None:
        """Asks it to end, and ends it where it does not."""
        await end(self._process)

    def lines(self) -> list[str]:
        """The whole lines that it said so far."""
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return text[: text.rfind("\n") + 1].splitlines()

    def _epitaph(self, code: int) -> str:
        why = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        last = "\n".join(f"  {line}" for line in self.lines()[-_TOLD_LINES:])
        return f"{self.name} ended with {why}. Its last lines ({self._log}):\n{last}"


async def end(process: Process | None) -> None:
    """Asks a process that still runs to end, and ends it where it does not within STOP_S."""
    if process is None or process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _before_start(*, gentle: bool) -> Callable[[], None]:
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def between_fork_and_exec() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # so that our own sudden end leaves no orphan
        if gentle:
            os.nice(GENTLE)

    return between_fork_and_exec
