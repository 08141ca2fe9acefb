"""Which file is which: by device, inode and content, never by name."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import orjson

HEAD = 1024
"""Bytes at the start of a file, and before the read position, by which it is known again."""
_LEAST, _APART, _CUT = 64, 32, re.compile(r"(.{4})(.{8})")
_MAGIC = re.compile(r"[*?\[]")
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".Z")


@dataclass(frozen=True, slots=True)
class Print:
    """The hash of `length` bytes of a file; length 0 says nothing and fits everything."""

    length: int = 0
    digest: str = ""

    def fits(self, fd: int, at: int) -> bool:
        """Whether the file has these bytes from `at` on."""
        return self.length == 0 or take_print(fd, at, self.length) == self


@dataclass(frozen=True, slots=True)
class Head:
    """The first `length` bytes of a file, by their hash and the hashes up to each line end: a shorter copy is known, too."""

    length: int = 0
    digest: str = ""

    def fits(self, fd: int) -> bool:
        """Whether the file begins with all of these bytes."""
        return self.length == 0 or take_head(fd, self.length) == self

    def agrees(self, fd: int) -> bool:
        """Whether the file begins so, or, where it is shorter, with the same whole lines. False where too little is known."""
        data = os.pread(fd, self.length, 0)
        if len(data) == self.length:
            return self.length > 0 and digest_of_head(data) == self.digest
        cuts = [(int(at, 16), told) for at, told in _CUT.findall(self.digest[24:])]
        at, told = max((cut for cut in cuts if cut[0] <= len(data)), default=(0, ""))
        return at > 0 and _hash(data[:at], 4) == told


def take_head(fd: int, length: int) -> Head:
    """The head of up to `length` bytes; shorter where the file is."""
    data = os.pread(fd, length, 0)
    return Head(len(data), digest_of_head(data))


def digest_of_head(data: bytes) -> str:
    """The digest that a Head of these bytes has: of all of them, and of what is before each line end that is not too near."""
    ends, last = [], _LEAST - _APART
    for at in (match.end() for match in re.finditer(rb"\n", data)):
        if last + _APART <= at < len(data):
            ends.append(f"{at:04x}{_hash(data[:at], 4)}")
            last = at
    return _hash(data, 12) + "".join(ends)


def _hash(data: bytes, size: int) -> str:
    return blake2b(data, digest_size=size).hexdigest()


def take_print(fd: int, at: int, length: int) -> Print:
    """The print of up to `length` bytes from `at` on; shorter where the file is."""
    data = os.pread(fd, length, at)
    return Print(len(data), _hash(data, 12)) if data else Print()


@dataclass(frozen=True, slots=True)
class Known:
    """What a checkpoint keeps about a generation besides its offset: enough to know it, or a copy of it, again.

    `ids` is the origin whose ids its lines have, where that is not its own: a copy's lines have those of the original.
    """

    path: str
    device: int
    inode: int
    head: Head
    before: Print
    size: int
    seen: float
    ids: str = ""

    def dumps(self) -> str:
        """As JSON text."""
        plain = [self.path, self.device, self.inode, self.head.length, self.head.digest, self.before.length,
                 self.before.digest, self.size, round(self.seen), *([self.ids] if self.ids else [])]  # fmt: skip
        return orjson.dumps(plain).decode()

    @classmethod
    def loads(cls, text: str) -> Known | None:
        """From `dumps`; None for what is not from it."""
        try:
            path, device, inode, head_length, head, before_length, before, size, seen, *ids = orjson.loads(text)
            head, before = Head(head_length, head), Print(before_length, before)
            return cls(path, device, inode, head, before, size, float(seen), *ids)
        except (ValueError, TypeError):
            return None

    def is_in(self, fd: int, offset: int) -> bool:
        """Whether an open file begins with what was read of this generation, up to `offset`."""
        return (
            os.fstat(fd).st_size >= offset
            and self.head.agrees(fd)
            and self.before.fits(fd, offset - self.before.length)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file that a glob names."""

    path: str
    device: int
    inode: int


def discover(globs: Sequence[str]) -> tuple[dict[tuple[int, int], Found], dict[str, str]]:
    """The files that the globs name, by (device, inode), and what was left out: path → reason.

    A file whose real path is outside the folder that its glob begins with is left out, as are packed files.
    """
    found: dict[tuple[int, int], Found] = {}
    refused: dict[str, str] = {}
    for pattern in globs:
        root = root_of(pattern)
        for path in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
            if path.endswith(_PACKED):
                continue
            try:
                _admit(path, root, found, refused)
            except OSError as error:
                if not isinstance(error, FileNotFoundError):
                    refused[path] = error.strerror or type(error).__name__
    return found, refused


def root_of(pattern: str) -> Path:
    """The real folder that a glob begins with, up to its first wildcard: nothing outside it is read."""
    match = _MAGIC.search(pattern)
    fixed = pattern[: match.start()] if match else pattern
    return Path(fixed.rpartition("/")[0] or "/").resolve()


def _admit(path: str, root: Path, found: dict[tuple[int, int], Found], refused: dict[str, str]) -> None:
    real = Path(path).resolve()
    if not real.is_relative_to(root):
        refused[path] = "a link that leads out of the folder is not followed"
        return
    about = real.stat()
    if not stat.S_ISREG(about.st_mode):
        if not stat.S_ISDIR(about.st_mode):
            refused[path] = "not a regular file"
        return
    found.setdefault((about.st_dev, about.st_ino), Found(str(real), about.st_dev, about.st_ino))


def open_found(found: Found) -> int | None:
    """A descriptor of the very file that was found; None when its name has moved on. Raises OSError.

    None for an empty file, too: it may become a copy of another, which shows only in its first bytes.
    """
    try:
        fd = os.open(found.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    about = os.fstat(fd)
    if about.st_size and (about.st_dev, about.st_ino) == (found.device, found.inode):
        return fd
    os.close(fd)
    return None
