"""Child processes with a line to them: commands by stdin, which also tells them when the parent is gone."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any

import orjson

from lib.children import ChildDied, end

_TOLD_LINES = 12


class Child:
    """One child process: `module` is run with these arguments; its stderr goes to a file."""

    def __init__(self, name: str, module: str, arguments: list[str], folder: Path) -> None:
        self.name, self._module, self._arguments = name, module, arguments
        self._stderr = folder / f"{name}.stderr"
        self._process: Process | None = None
        self._expected = False

    async def start(self) -> None:
        """Starts it; whether it is ready shows only at its port."""
        self._expected = False
        with self._stderr.open("ab") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._module, *self._arguments, stdin=PIPE, stdout=DEVNULL, stderr=stderr,
                start_new_session=True,
            )  # fmt: skip

    def send(self, command: dict[str, Any]) -> None:
        """Hands it a command."""
        if self._process is not None and self._process.stdin is not None and self._process.returncode is None:
            self._process.stdin.write(orjson.dumps(command) + b"\n")

    def replace_arguments(self, arguments: list[str]) -> None:
        """What its next start is given."""
        self._arguments = arguments

    async def stop(self) -> None:
        """Asks it to end, and ends it where it does not."""
        self._expected = True
        await end(self._process)

    def check(self) -> None:
        """Raises ChildDied where it ended by itself."""
        if self._process is not None and self._process.returncode is not None and not self._expected:
            raise ChildDied(f"{self.name} ended with code {self._process.returncode}\n{self.last_lines()}")

    def last_lines(self) -> str:
        """The end of what it wrote to stderr."""
        lines = self._stderr.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_TOLD_LINES:])
