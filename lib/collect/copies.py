"""Tells a copy that a rotation made from a new file: what was read of the original is not read again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lib.collect.files import HEAD, Found, Known, Print
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

    def is_in(self, fd: int) -> bool:
        """Whether an open file begins with all that was read of it."""
        return self.offset > 0 and self.known.is_in(fd, self.offset)


@dataclass(frozen=True, slots=True)
class Emptied:
    """A generation whose file was truncated at `since_s`. `half` is its unfinished line, `lost` the unread range."""

    past: Past
    half: tuple[Line, ...]
    lost: tuple[int, int]
    since_s: float

    def start_in(self, fd: int) -> int | None:
        """Where to begin in what may be its copy; None where it is none.

        A copy can be shorter than what was read: lines came, and were read, between the copy and the truncation.
        """
        offset, head = self.past.offset, self.past.known.head
        if self.past.is_in(fd):
            return offset
        size = os.fstat(fd).st_size
        is_copy = head.length > 0 and (size < offset or offset == 0) and head.fits(fd, 0)
        return min(size, offset) if is_copy else None


@dataclass(frozen=True, slots=True)
class Loss:
    """Bytes [start, end) of a file that cannot be read any more."""

    path: str
    start: int
    end: int
    reason: str


class Ancestry:
    """What is known about generations that are over: from checkpoints, and from files emptied or gone since."""

    def __init__(self, checkpoints: Iterable[Checkpoint]) -> None:
        self._past: dict[str, Past] = {}
        self._emptied: list[Emptied] = []
        self._inherited: set[str] = set()
        self._told: list[Checkpoint] = []
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
        mine = [p for p in self._past.values() if (p.known.device, p.known.inode) == (found.device, found.inode)]
        for one in sorted(mine, key=lambda p: p.known.seen, reverse=True):
            if one.is_in(fd):
                del self._past[one.origin]
                return Generation(found, fd, one.offset, one.origin, one.known.head, one.known.before, one.known.size)
        return None

    def inherit(self, found: Found, fd: int) -> Generation | None:
        """The generation of a copy of one that is over, behind what was read of that; None where it is no such copy."""
        for emptied in self._emptied:
            if (start := emptied.start_in(fd)) is not None:
                return self._copy(found, fd, emptied.past, start)
        copied = [past for past in self._past.values() if past.is_in(fd)]
        if copied:
            longest = max(copied, key=lambda past: past.offset)
            return self._copy(found, fd, longest, longest.offset)
        return None

    def _copy(self, found: Found, fd: int, past: Past, start: int) -> Generation:
        self._inherited.add(past.origin)
        if past.offset:
            self._told.append(_read_to_its_end(past))
        if start == 0:
            return Generation(found, fd)
        before = past.known.before if start == past.offset else Print()
        return Generation(found, fd, start, head=past.known.head, before=before, dirty=True)

    def missed(self) -> list[Loss]:
        """What was unread in files that were gone at the start."""
        losses = []
        for one in list(self._past.values()):
            if one.known.size > one.offset and one.origin not in self._inherited:
                self._past[one.origin] = replace(one, known=replace(one.known, size=one.offset))
                self._told.append(_read_to_its_end(one))
                losses.append(Loss(one.known.path, one.offset, one.known.size, "gone while nobody was reading"))
        return losses

    def settle(self, now_s: float) -> tuple[list[Line], list[Loss]]:
        """Half lines and losses of emptied files whose copy has not come."""
        lines: list[Line] = []
        losses: list[Loss] = []
        for one in list(self._emptied):
            copied = one.past.origin in self._inherited
            if not copied and now_s - one.since_s < GRACE_S:
                continue
            self._emptied.remove(one)
            if one.past.offset:
                self._past[one.past.origin] = one.past
                self._told.append(_read_to_its_end(one.past))
            if not copied:
                lines += one.half
            if not copied and one.lost[1] > one.lost[0]:
                losses.append(Loss(one.past.known.path, *one.lost, "the file was emptied before it was read"))
        return lines, losses

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


@dataclass(frozen=True, slots=True)
class Suspect:
    """A new file that looks like a copy of a live one: not read until the original ends or they differ."""

    found: Found
    fd: int
    original: Generation
    since_s: float

    def differs(self, now_s: float, patience_s: float) -> bool:
        """Whether it is no copy; after `patience_s` all bytes are compared, not only the first."""
        if not looks_like(self.fd, self.original):
            return True
        return now_s - self.since_s >= patience_s and not _is_prefix(self.fd, self.original.fd)

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self.fd)


def same_start(fd: int, other: int) -> bool:
    """Whether one of two open files begins with the other, as far as the first KiB tells; empty ones tell nothing."""
    mine, theirs = os.pread(fd, HEAD, 0), os.pread(other, HEAD, 0)
    length = min(len(mine), len(theirs))
    return length > 0 and mine[:length] == theirs[:length]


def looks_like(fd: int, original: Generation) -> bool:
    """Whether an open file begins as a generation does, or did before it was emptied a moment ago."""
    head = original.head
    return (head.length > 0 and head.fits(fd, 0)) or same_start(fd, original.fd)


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
