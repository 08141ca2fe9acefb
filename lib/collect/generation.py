"""One generation of one log file: from its first byte until it is truncated or gone."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path

from lib.collect.cutter import Cutter
from lib.collect.files import HEAD, Found, Head, Known, Print, take_head, take_print
from lib.collect.parse import Line
from lib.logs.ingest import Checkpoint

CHUNK = 1 << 20


class Ended(Exception):  # noqa: N818 - what happened to the generation, not a fault
    """The file no longer holds what was read: it was truncated."""


@dataclass(slots=True)
class Generation:
    """An open file and how far it was read.

    `offset` is where the first line begins that is not stored yet. `position`, the bytes read so far, and the cutter
    with the line under way run ahead of it until `commit`. `told_size` is the size that the stored checkpoint knows.
    `ids` is the origin whose ids its lines have ("": its own), `begun` that the store knows where it begins.
    """

    found: Found
    fd: int
    offset: int = 0
    origin: str = field(default_factory=lambda: secrets.token_hex(8))
    head: Head = field(default_factory=Head)
    before: Print = field(default_factory=Print)
    size: int = 0
    told_size: int = 0
    modified_ns: int = -1
    missing_since: float | None = None
    dirty: bool = False
    ids: str = ""
    begun: bool = False
    position: int = field(init=False)
    cutter: Cutter = field(init=False)
    read_before: Print = field(default_factory=Print)

    @classmethod
    def begin(cls, found: Found, fd: int, offset: int = 0, before: Print | None = None, ids: str = "") -> Generation:
        """A new one, to be read from `offset` on. What the file holds is known from now on, read or not."""
        size = os.fstat(fd).st_size
        head, dirty = take_head(fd, min(HEAD, size)), offset > 0
        return cls(found, fd, offset, head=head, before=before or Print(), size=size, dirty=dirty, ids=ids)

    def __post_init__(self) -> None:
        self.rollback()

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return Path(self.found.path).name

    @property
    def start(self) -> int:
        """Where the line under way begins."""
        return self.cutter.start

    @property
    def lag_bytes(self) -> int:
        """Bytes of the file that are not stored yet, as of the last look."""
        return max(0, self.size - self.offset)

    @property
    def moved(self) -> bool:
        """Whether the stored checkpoint is behind: lines were read, or there is more to read, or to miss, than it knows."""
        return self.dirty or self.start != self.offset or self._reached > self.told_size

    @property
    def _reached(self) -> int:
        return max(self.size, self.position)

    def rollback(self) -> None:
        """Back to what is stored: the next read begins there."""
        self.position = self.offset
        self.cutter = Cutter(self.ids or self.origin, self.name, self.offset)
        self.read_before = self.before
        self.modified_ns = -1

    def go_to(self, stored: Checkpoint) -> None:
        """To where the store is."""
        known = Known.loads(stored.info)
        self.offset = stored.offset
        self.before, self.told_size = (known.before, known.size) if known else (Print(), 0)
        self.dirty = self.dirty and not known
        self.rollback()

    def commit(self) -> None:
        """What was read is stored."""
        self.offset, self.before = self.start, self.read_before
        self.dirty, self.begun, self.told_size = False, True, self._reached

    def checkpoint(self, now_s: float) -> Checkpoint:
        """The position after what was read."""
        return Checkpoint(self.origin, self.start, self._info(self.read_before, now_s))

    def beginning(self, now_s: float) -> Checkpoint:
        """The position before what was read."""
        return Checkpoint(self.origin, self.offset, self._info(self.before, now_s))

    def _info(self, before: Print, now_s: float) -> str:
        found = self.found
        return Known(found.path, found.device, found.inode, self.head, before, self._reached, now_s, self.ids).dumps()

    def read(self, budget: int) -> tuple[list[Line], bool]:
        """The next whole lines, out of at most `budget` bytes, and whether there is more. Raises Ended or OSError."""
        about = os.fstat(self.fd)
        if about.st_size < self.position:
            raise Ended
        changed = (about.st_size, about.st_mtime_ns) != (self.size, self.modified_ns)
        if not changed and self.position >= about.st_size:
            return [], False
        lines: list[Line] = []
        kept = (self.position, replace(self.cutter))
        self.cutter.name = self.name
        spent = 0
        while spent < budget and (data := os.pread(self.fd, min(CHUNK, budget - spent), self.position)):
            spent += len(data)
            self.position += len(data)
            lines += self.cutter.cut(data)
        try:
            self._take_prints()
        except Ended:  # the bytes just read may be of the file's next generation
            self.position, self.cutter = kept
            raise
        self.size, self.modified_ns = max(about.st_size, self.position), about.st_mtime_ns
        return lines, spent >= budget

    def _take_prints(self) -> None:
        """Looked at after the bytes were read: a truncation in between shows here, and the bytes do not count."""
        length = min(HEAD, self.start)
        self.read_before = take_print(self.fd, self.start - length, length) if self.start else Print()
        if not self.head.fits(self.fd):
            raise Ended
        if self.head.length < HEAD:
            self.head = take_head(self.fd, min(HEAD, max(self.position, self.head.length)))

    def last_line(self) -> list[Line]:
        """The half line at the end of a file that nobody will write to any more, as a line; none where there is none."""
        return self.cutter.last_line()

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self.fd)
