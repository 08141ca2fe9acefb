"""A family of log files with everything that can happen to it, a tail that reads it, and what must come of that."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from lib.collect.tail import Tail
from lib.errors import SourceUnavailable
from lib.logs.ingest import Checkpoint, Gap
from tests.collect.log_files import NOW, MemoryLogs, line_of

ACTIVE = "combined.log"
BUDGET = 1500
"""Bytes of a file that a pass reads: some ten lines, so that much stays unread."""


class Killed(BaseException):
    """The process ended here."""


class FailingLogs(MemoryLogs):
    """A store that refuses, or dies with its process, when asked to: neither leaves a trace."""

    def __init__(self) -> None:
        super().__init__()
        self.killing = self.unsure = False

    def write(self, batch: pa.Table, checkpoints: Sequence[Checkpoint] = (), gaps: Sequence[Gap] = ()) -> None:
        if self.killing:
            raise Killed
        super().write(batch, checkpoints, gaps)
        if self.unsure:
            raise SourceUnavailable("the answer to the commit was lost", "memory")


@dataclass
class Text:
    """One line that was written: `size` in bytes. `seen`: so many of them a pass that was stored could see in its file.

    `excused`: it was destroyed before a reader could have had it. `torn`: a truncation cut it in two.
    """

    size: int
    seen: int = 0
    excused: bool = False
    torn: bool = False


@dataclass
class Node:
    """One inode. `lines` are the messages in it in order; `half` is what is missing of the last one, "" if nothing."""

    lines: list[str] = field(default_factory=list)
    half: bytes = b""
    path: Path | None = None
    held: bool = False


class World:
    """Does what it is told; `check` says whether what the store holds is right."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sink, self.time_s = folder, FailingLogs(), 1000.0
        (folder / "away").mkdir()
        self.texts: dict[str, Text] = {}
        self.nodes: list[Node] = []
        self.rotations = self._ticks = 0
        self.tail = self._new_tail()
        self._fd, self._node = -1, Node()
        self.reopen()

    def _new_tail(self) -> Tail:
        return Tail(
            [f"{self.folder}/combined*"], self.sink, self._clock, budget=BUDGET, monotonic=lambda: self.time_s
        )  # fmt: skip

    def _clock(self) -> datetime:
        """No two moments are the same."""
        self._ticks += 1
        return NOW + timedelta(microseconds=self._ticks)

    # The service

    def reopen(self) -> None:
        """The service opens its log by name; until then it writes on into the file that it has, whatever its name is."""
        node = next((node for node in self.nodes if node.path == self.folder / ACTIVE), None)
        if node is None:
            node = Node(path=self.folder / ACTIVE)
            self.nodes.append(node)
        if self._fd >= 0:
            self._finish_line()
            os.close(self._fd)
            if self._node.path is None:
                self._forget_unheld(self._node)
        self._fd = os.open(self.folder / ACTIVE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._node = node

    def write(self, count: int) -> None:
        self._finish_line()
        lines = []
        for _ in range(count):
            lines.append(self._line())
        os.write(self._fd, b"".join(lines))

    def half(self, share: float) -> None:
        self._finish_line()
        line = self._line()
        cut = max(1, int(len(line) * share))
        os.write(self._fd, line[:cut])
        self._node.half = line[cut:]

    def _line(self) -> bytes:
        message = f"line {len(self.texts)}"
        line = line_of(message)
        self.texts[message] = Text(len(line), excused=self._node.path is None and not self._node.held)
        self._node.lines.append(message)
        return line

    def _finish_line(self) -> None:
        if self._node.half:
            os.write(self._fd, self._node.half)
            self._node.half = b""

    # Rotation

    def rename(self) -> None:
        self._move(self.folder / f"{ACTIVE}.{self._turn()}")

    def move_away(self) -> None:
        """To where no glob looks."""
        node = self._at(ACTIVE)
        self._move(self.folder / "away" / f"{self._turn()}")
        if node is not None:
            node.path = None
            self._forget_unheld(node)

    def _move(self, to: Path) -> None:
        node = self._at(ACTIVE)
        if node is not None:
            (self.folder / ACTIVE).rename(to)
            node.path = to

    def copytruncate(self, pieces: Sequence[float], polls: Sequence[bool], between: int) -> None:
        """The copy is made in pieces; `between` lines are written after it and are in no file after the truncation."""
        node = self._at(ACTIVE)
        if node is None:
            return
        copy = self.folder / f"{ACTIVE}.{self._turn()}"
        whole = (self.folder / ACTIVE).read_bytes()
        copied = Node(list(node.lines), path=copy)
        if node.half:
            self.texts[node.lines[-1]].torn = True
        for share, poll in zip(sorted(pieces), polls, strict=False):
            copy.write_bytes(whole[: int(len(whole) * share)])
            if poll:
                self.poll(1)
        copy.write_bytes(whole)
        self.nodes.append(copied)
        if between and node is self._node and not node.half:
            self.write(between)
            if any(polls):
                self.poll(1)
        self._truncate(node, kept=set(copied.lines))

    def empty(self) -> None:
        """Truncated, and no copy was made."""
        node = self._at(ACTIVE)
        if node is not None:
            self._truncate(node, kept=set())

    def _truncate(self, node: Node, kept: set[str]) -> None:
        os.truncate(self.folder / ACTIVE, 0)
        if node.half:
            self.texts[node.lines[-1]].torn = True
            node.half = b""  # the service's next write begins a new line
        for message in node.lines:
            self.texts[message].excused |= message not in kept
        node.lines = []

    def delete(self, which: int) -> None:
        """One of the files, oldest first, as `maxFiles` does."""
        there = [node for node in self.nodes if node.path is not None]
        if there:
            self._unlink(there[which % len(there)])

    def compress(self, which: int) -> None:
        """One of the rotated files becomes a .gz, as logrotate does it."""
        rotated = [node for node in self.nodes if node.path not in (None, self.folder / ACTIVE)]
        if rotated:
            node = rotated[which % len(rotated)]
            assert node.path is not None
            with gzip.open(f"{node.path}.gz", "wb") as packed:
                packed.write(node.path.read_bytes())
            self._unlink(node)

    def _unlink(self, node: Node) -> None:
        assert node.path is not None
        node.path.unlink()
        node.path = None
        self._forget_unheld(node)

    def _forget_unheld(self, node: Node) -> None:
        """No reader has the nameless file open: what is only in it is gone."""
        if not node.held:
            for message in node.lines:
                others = any(message in other.lines for other in self.nodes if other is not node and other.path)
                self.texts[message].excused |= not others

    def _at(self, name: str) -> Node | None:
        return next((node for node in self.nodes if node.path == self.folder / name), None)

    def _turn(self) -> int:
        self.rotations += 1
        return self.rotations

    # The reader

    def poll(self, passes: int) -> None:
        for _ in range(passes):
            with suppress(SourceUnavailable):
                self.tail.poll()
                self._note_seen()
            self._note_held()

    def _note_held(self) -> None:
        """A file that a pass could see, or that was held before, is open now."""
        for node in self.nodes:
            node.held |= node.path is not None and node.path.stat().st_size > 0

    def _note_seen(self) -> None:
        for node in self.nodes:
            if node.path is not None:
                for message in node.lines:
                    text = self.texts[message]
                    text.seen = text.size - (len(node.half) if message == node.lines[-1] else 0)

    def refused(self) -> None:
        """A pass whose write the store refuses."""
        self.sink.failing = True
        self.poll(1)
        self.sink.failing = False

    def unsure(self) -> None:
        """A pass whose write is kept although it is told as failed; the store is opened anew."""
        self.sink.unsure = True
        self.poll(1)
        self.sink.unsure = False
        self.tail.start_over()

    def reopened(self) -> None:
        """A pass whose write is refused; the store is opened anew."""
        self.refused()
        self.tail.start_over()

    def restart(self) -> None:
        self.tail.close()
        self._started_anew()

    def kill(self) -> None:
        """kill -9 inside the store's transaction."""
        self.sink.killing = True
        with suppress(Killed):
            self.tail.poll()
        self.sink.killing = False
        self.tail.close()  # only to give the test's own descriptors back
        self._started_anew()

    def _started_anew(self) -> None:
        for node in self.nodes:
            node.held = False
            if node.path is None:
                self._forget_unheld(node)
        self.tail = self._new_tail()

    def wait(self, seconds: float) -> None:
        self.time_s += seconds

    # What must have come of it

    def settle(self) -> None:
        """Everything is read, and every wait is over."""
        self._finish_line()
        for _ in range(6):
            while self.tail.poll().more:
                pass
            self._note_seen()
            self._note_held()
            self.time_s += 30

    def close(self) -> None:
        self.tail.close()
        os.close(self._fd)

    def check(self) -> None:
        """Every line once, or destroyed unread; what was destroyed after it was seen is told, and nothing else is."""
        stored = Counter(self.sink.messages)
        doubled = {m: n for m, n in stored.items() if n > 1 and m in self.texts}
        missing = {m: text for m, text in self.texts.items() if m not in stored and not text.torn}
        torn = [text.size for text in self.texts.values() if text.torn]
        halves = [row["message"] for row in self.sink.rows if row["level"] == "UNPARSED"]
        told = sum(gap.size for gap in self.sink.told if gap.kind == "lost")

        assert not doubled, f"more than once: {doubled}"
        assert len(halves) <= len(missing) + 2 * len(torn), halves
        silent = [m for m, text in missing.items() if not text.excused]
        assert not silent, f"not read although it was there: {silent}"
        # Half a line may be told or not: every line here begins alike, so a new one in its place can look like its rest.
        least = sum(text.size for text in missing.values() if text.seen == text.size) - sum(map(len, halves))
        most = sum(text.size for text in missing.values()) + sum(torn)
        assert least <= told <= most, f"{told} bytes told as lost; {least} to {most} were: {list(missing)}"
