"""Stretches of a log file, cut so that they are the same each time, and parsed into the spool by child processes."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from queue import SimpleQueue
from threading import Semaphore
from typing import Any

import orjson
import pyarrow.compute as pc

from lib.collect import spool
from lib.collect.cutter import Cutter
from lib.collect.files import HEAD
from lib.collect.parse import Line, parse_lines

STRETCH_PIECES = 4
MOST_CHILDREN = 2
_ROOT = Path(__file__).parents[2]
_KEEP_PAGES = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}
"""A stretch needs as much memory as the one before. Given back in between, it costs a tenth of the time to get it again."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some pieces of a file, whose first bytes (HEAD at most) are `first`. `cutter` stands where the pieces begin; its
    origin is the identity of all bytes before them. `last`: nothing comes after them."""

    cutter: Cutter
    pieces: tuple[bytes, ...]
    first: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What a stretch held; `name` is its file in the spool ("": it held no line), `half` half a line left out at its end."""

    name: str = ""
    records: int = 0
    unparsed: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    half: bool = False


def stretches(name: str, pieces: Iterator[tuple[bytes, int]]) -> Iterator[tuple[Stretch, int]]:
    """A file's stretches, each with how far on disk it reaches."""
    identity, first, held, reached = blake2b(digest_size=16), b"", list[bytes](), 0
    start, now = Cutter("", name), Cutter("", name)
    for piece, at in pieces:
        if len(held) == STRETCH_PIECES:
            yield Stretch(start, tuple(held), first, last=False), reached
            held, start = [], copy(now)
        if not held:
            first = first or piece[:HEAD]
            before = now.start or now.held_bytes
            start.origin = spool.ORIGIN + identity.hexdigest() if before else spool.origin_of(first)
        held.append(piece)
        identity.update(piece)
        now.skip(piece)
        reached = at
    if held:
        yield Stretch(start, tuple(held), first, last=True), reached


def keep(writer: spool.Writer, stretch: Stretch) -> Kept:
    """Parses a stretch and puts it into the spool."""
    cutter, start, lines = copy(stretch.cutter), stretch.cutter.start, list[Line]()
    for piece in stretch.pieces:
        lines += cutter.cut(piece)
    half = stretch.last and cutter.held_bytes > 0 and not _is_whole(cutter.held)
    if stretch.last and not half:
        lines += cutter.last_line()
    if not lines:
        return Kept(half=half)
    parsed = parse_lines(lines, datetime.now(UTC))
    span: Any = pc.min_max(parsed.batch["ts"]).as_py()
    writer.logs(spool.LogPart(cutter.origin, start, cutter.start, stretch.first, parsed.batch, parsed.gaps))
    return Kept(writer.names[-1], parsed.batch.num_rows, parsed.unparsed, span["min"], span["max"], half)


def _is_whole(line: bytes) -> bool:
    """Whether a line without its end is all there: the writer of a file may be in the middle of it."""
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


class Parsers:
    """Child processes that parse. Each ends by itself when we end, however suddenly: its input ends then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = min(MOST_CHILDREN, len(os.sched_getaffinity(0)))
        self._threads = ThreadPoolExecutor(self._count, "parsing")
        self._room = Semaphore(self._count + 1)
        self._idle: SimpleQueue[subprocess.Popen[bytes] | None] = SimpleQueue()
        self._children = list[subprocess.Popen[bytes]]()
        for _ in range(self._count):
            self._idle.put(None)

    def submit(self, stretch: Stretch) -> Future[Kept]:
        """Waits while one more than there are children is under way. The future raises OSError where a child ended."""
        self._room.acquire()
        future = self._threads.submit(self._parse, stretch)
        future.add_done_callback(lambda _: self._room.release())
        return future

    def close(self) -> None:
        """Ends the children, after what they have under way."""
        self._threads.shutdown(cancel_futures=True)
        for child in self._children:
            child.communicate()

    def _parse(self, stretch: Stretch) -> Kept:
        child = self._idle.get() or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            pickle.dump(stretch, child.stdin, protocol=5)
            child.stdin.flush()
            answer = child.stdout.readline()
        finally:
            self._idle.put(child)
        if not answer:
            raise ChildProcessError(f"a process that parses ended with code {child.wait()}")
        told = orjson.loads(answer)
        if fault := told.pop("fault", None):
            raise OSError(*fault)
        times = {name: datetime.fromisoformat(told[name]) if told[name] else None for name in ("oldest", "newest")}
        return Kept(**told | times)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "lib.collect.stretches", str(self._folder)]
        child = subprocess.Popen(  # noqa: S603 - our own module
            command,
            cwd=_ROOT,
            env=os.environ | _KEEP_PAGES,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )  # Ctrl-C is for us: a child ends with its input
        self._children.append(child)
        return child


def main(folder: str) -> int:
    """Parses what comes in on stdin, one stretch after another, and answers each with a line of JSON."""
    gc.disable()  # a batch is a hundred thousand live objects and no cycle among them
    writer = spool.Writer(Path(folder))
    while True:
        try:
            stretch = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
        except (EOFError, pickle.UnpicklingError):  # it ended, in the middle of a stretch perhaps
            return 0
        try:
            answer = orjson.dumps(keep(writer, stretch))
        except OSError as error:
            answer = orjson.dumps({"fault": [error.errno, error.strerror or str(error), str(writer.folder)]})
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
