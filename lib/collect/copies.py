"""Tells a copy that a rotation made from a new file: what was read of the original is not read again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lib.collect.files import HEAD, Found, Known
from lib.collect.generation import Generation
from lib.collect.parse import Line
from lib.logs.ingest import Checkpoint

GRACE_S = 10.0
"""How long a copy of an emptied file may take to show up before its unread bytes count as lost."""
REMEMBER_S = 7 * 86_400.0
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Past:
    """A generation that is over, or whose file is not there: how far it was read, and how to know it again."""

    origin: str
    offset: int
    known: Known

    def was(self, found: Found) -> bool:
        """Whether the file has its inode, which may have been used again."""
        return (self.known.device, self.known.inode) == (found.device, found.inode)

    def is_in(self, fd: int) -> bool:
        """Whether an open file begins with all that was read of it."""
        return self.known.is_in(fd, self.offset)

    def is_longer_than(self, fd: int) -> bool:
        """Whether an open file begins as it does, but ends before what was read of it.

        A copy can: lines came, and were read, between the copy and the truncation.
        """
        return os.fstat(fd).st_size < self.offset and self.known.head.agrees(fd)


@dataclass(frozen=True, slots=True)
class Emptied:
    """A generation whose file was truncated at `since_s`. `half` is its unfinished line, `unread` what comes behind."""

    past: Past
    half: tuple[Line, ...]
    unread: tuple[int, int]
    since_s: float


@dataclass(frozen=True, slots=True)
class Loss:
    """Bytes [start, end) of a file that cannot be read any more."""

    path: str
    start: int
    end: int
    reason: str


class Ancestry:
    """What is known about generations that are over: from checkpoints, and from files emptied or gone since."""

    def __init__(self, checkpoints: Iterable[Checkpoint], now_s: float) -> None:
        self._past: dict[str, Past] = {}
        self._emptied: list[Emptied] = []
        self._inherited: set[str] = set()
        self._told: list[Checkpoint] = []
        self._lines: list[Line] = []
        self._losses: list[Loss] = []
        self._started_s, self._starting = now_s, True
        for checkpoint in checkpoints:
            known = Known.loads(checkpoint.info)
            if known is not None:
                self._past[checkpoint.origin] = Past(checkpoint.origin, checkpoint.offset, known)

    def add(self, past: Past) -> None:
        """Remembers a generation whose file is gone."""
        self._past[past.origin] = past

    def add_emptied(self, emptied: Emptied) -> None:
        """Remembers a generation whose file was truncated; `settle` decides about its rest."""
        self._emptied.append(emptied)

    def resume(self, found: Found, fd: int) -> Generation | None:
        """The generation of a file that is known by its inode and by what it holds."""
        mine = [past for past in self._past.values() if past.was(found)]
        for one in sorted(mine, key=lambda p: p.known.seen, reverse=True):
            if one.is_in(fd):
                del self._past[one.origin]
                known = one.known
                return Generation(
                    found, fd, one.offset, one.origin, known.head, known.before, known.size, ids=known.ids, begun=True
                )
        return None

    def inherit(self, found: Found, fd: int) -> Generation | None:
        """The generation of a copy of one that is over, behind what was read of that; None where it is no such copy."""
        for emptied in self._emptied:
            if emptied.past.is_in(fd) or emptied.past.is_longer_than(fd):
                self._miss_in_copy(emptied.past, emptied.unread, os.fstat(fd).st_size, emptied.half)
                return self._copy(found, fd, emptied.past)
        copied = [past for past in self._past.values() if past.is_in(fd)]
        if not copied and self._starting:  # later on, one that looks like this is a new file with an old beginning
            copied = [one for one in self._past.values() if not one.was(found) and one.is_longer_than(fd)]
        if not copied:
            return None
        longest = max(copied, key=lambda past: past.offset)
        self._miss_in_copy(longest, (longest.offset, longest.known.size), os.fstat(fd).st_size)
        return self._copy(found, fd, longest)

    def _miss_in_copy(self, past: Past, unread: tuple[int, int], size: int, half: tuple[Line, ...] = ()) -> None:
        """What a copy of `size` bytes lacks: what was written to the original after it was made."""
        if past.origin in self._inherited:
            return
        if size <= past.offset:
            self._lines += half
        start, end = max(size, unread[0]), unread[1]
        if start < end:
            self._losses.append(Loss(past.known.path, start, end, "the file was emptied before it was read"))

    def _copy(self, found: Found, fd: int, past: Past) -> Generation:
        first = past.origin not in self._inherited
        self._inherited.add(past.origin)
        self._told.append(_read_to_its_end(past))
        start = min(os.fstat(fd).st_size, past.offset)
        if start < past.offset:
            return Generation.begin(found, fd, start)
        ids = (
            (past.known.ids or past.origin) if first else ""
        )  # what was sent and not acknowledged is sent under its ids
        return Generation.begin(found, fd, start, past.known.before, ids)

    def settle(self, now_s: float) -> tuple[list[Line], list[Loss]]:
        """Half lines and losses: of emptied files whose copy has not come, and of files that were gone at the start."""
        self._settle_emptied(now_s)
        if self._starting and now_s - self._started_s >= GRACE_S:
            self._starting = False
            self._settle_missed()
        lines, losses = self._lines, self._losses
        self._lines, self._losses = [], []
        return lines, losses

    def _settle_emptied(self, now_s: float) -> None:
        for one in list(self._emptied):
            copied = one.past.origin in self._inherited
            if not copied and now_s - one.since_s < GRACE_S:
                continue
            self._emptied.remove(one)
            self._past[one.past.origin] = one.past
            self._told.append(_read_to_its_end(one.past))
            if not copied:
                self._miss_in_copy(one.past, one.unread, 0, one.half)

    def _settle_missed(self) -> None:
        for one in list(self._past.values()):
            if one.known.size > one.offset and one.origin not in self._inherited:
                self._past[one.origin] = replace(one, known=replace(one.known, size=one.offset))
                self._told.append(_read_to_its_end(one))
                self._losses.append(Loss(one.known.path, one.offset, one.known.size, "gone while nobody was reading"))

    def take_told(self) -> list[Checkpoint]:
        """Checkpoints of generations whose rest has been told or is read from a copy: nothing is missed there any more."""
        told, self._told = self._told, []
        return told

    def forgettable(self, now_s: float) -> list[str]:
        """Origins not seen for a week, which are dropped here too."""
        old = [origin for origin, past in self._past.items() if now_s - past.known.seen > REMEMBER_S]
        for origin in old:
            del self._past[origin]
        return old


def _read_to_its_end(past: Past) -> Checkpoint:
    return Checkpoint(past.origin, past.offset, replace(past.known, size=past.offset).dumps())


@dataclass(slots=True)
class Suspect:
    """A new file that looks like a copy of a live one: not read until the original ends or they differ.

    It is kept open without a name, too: the copy of a file that was emptied may be packed before the tail looks again.
    """

    found: Found
    fd: int
    original: Generation
    compared_s: float
    missing_since: float | None = None

    def differs(self, now_s: float, patience_s: float) -> bool:
        """Whether it is no copy; every `patience_s` all bytes are compared, not only the first."""
        if not looks_like(self.fd, self.original):
            return True
        if now_s - self.compared_s < patience_s:
            return False
        self.compared_s = now_s
        return not _is_prefix(self.fd, self.original.fd)

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self.fd)


def looks_like(fd: int, original: Generation) -> bool:
    """Whether an open file begins as a generation does, and is no longer, or as it did before it was emptied just now."""
    size = os.fstat(fd).st_size  # before that of the original, which grows
    if size <= os.fstat(original.fd).st_size:
        mine = os.pread(fd, HEAD, 0)
        if mine and os.pread(original.fd, len(mine), 0) == mine:
            return True
    return not original.head.fits(original.fd) and original.head.agrees(fd)


def original_of(fd: int, live: Sequence[Generation]) -> Generation | None:
    """The live generation that an open file seems to be a copy of, perhaps one that is still being made."""
    return next((one for one in live if looks_like(fd, one)), None)


def _is_prefix(fd: int, other: int) -> bool:
    left, at = min(os.fstat(fd).st_size, os.fstat(other).st_size), 0
    while left > 0:
        size = min(_PIECE, left)
        mine = os.pread(fd, size, at)
        if not mine or mine != os.pread(other, size, at):
            return False
        at, left = at + size, left - size
    return True
