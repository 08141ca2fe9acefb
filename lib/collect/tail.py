"""Follows log files through every kind of rotation: each line becomes one record, rows and offsets commit together."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lib.collect.cadence import Clock, utc_now
from lib.collect.copies import Ancestry, Emptied, Loss, Past, Suspect, original_of
from lib.collect.files import Found, Known, discover, open_found
from lib.collect.generation import Ended, Generation
from lib.collect.parse import Line, parse_lines
from lib.errors import SourceError
from lib.logs.ingest import Checkpoint, Gap, LogSink

BUDGET, FILES = 2 << 20, 4
"""Bytes of one file that one pass reads at most, and for how many files: hundreds of old ones must fit into memory."""
LINGER_S = 60.0
"""How long a file is kept open after its name is gone: late writers still write to it."""

_QUIET_S, _FAILED_S, _TIDY_S = 0.3, 5.0, 3600.0
_COUNTED = ("records", "bytes", "unparsed", "truncated", "redacted", "lost_bytes", "failed_writes")
_Key = tuple[int, int]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """What one pass did. `more`: some file has bytes that the budget left for the next pass."""

    records: int = 0
    bytes_read: int = 0
    more: bool = False


class Tail:
    """Reads what `globs` name into `sink`. One thread calls `poll` or `run`; counters may be read from any."""

    def __init__(
        self,
        globs: Sequence[str],
        sink: LogSink,
        clock: Clock = utc_now,
        *,
        budget: int = BUDGET,
        linger_s: float = LINGER_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`globs` are absolute. Nothing is read before the first `poll`."""
        self._globs, self._sink, self._clock = tuple(globs), sink, clock
        self._budget, self._linger_s, self._monotonic = budget, linger_s, monotonic
        self._live: dict[_Key, Generation] = {}
        self._suspects: dict[_Key, Suspect] = {}
        self._ancestry: Ancestry | None = None
        self._waiting: list[Line] = []
        self._gaps: list[Gap] = []
        self._notes: list[Checkpoint] = []
        self._counts: Counter[str] = Counter()
        self._tidied_s = 0.0
        self.problems: dict[str, str] = {}
        """Files that could not be read in the last pass, with the reason."""

    def counters(self) -> Mapping[str, float]:
        """Since the start: `records`, `bytes`, `unparsed`, `truncated`, `redacted`, `lost_bytes`, `failed_writes`;
        and as of the last pass `lag_bytes`: what the files hold and the store does not."""
        return {name: float(self._counts[name]) for name in _COUNTED} | {"lag_bytes": float(sum(self.lag().values()))}

    def lag(self) -> Mapping[str, int]:
        """Bytes that are not stored yet, by path."""
        return {generation.found.path: generation.lag_bytes for generation in list(self._live.values())}

    def run(self, stop: threading.Event) -> None:
        """Passes until `stop` is set, 0.3 s apart when it is quiet. A store that fails is asked again after 5 s."""
        while not stop.is_set():
            try:
                wait_s = 0.0 if self.poll().more else _QUIET_S
            except SourceError as error:
                _log.warning("records are not stored, and will be read again: %s", error)
                wait_s = _FAILED_S
            stop.wait(wait_s)

    def poll(self) -> Progress:
        """One pass: looks for files, reads each, stores rows and offsets in one write. Raises SourceError.

        After an error nothing counts as read: the next pass reads it again.
        """
        ancestry = self._ancestry = self._ancestry or Ancestry(self._sink.checkpoints(), self._monotonic())
        found, self.problems = discover(self._globs)
        self._follow(found)
        self._meet([one for key, one in found.items() if key not in self._live and key not in self._suspects], ancestry)
        lines, progress = self._read_all(ancestry)
        self._settle(ancestry)
        done, last = self._finished()
        self._store([*lines, *last, *self._waiting])
        self._retire(done, ancestry)
        self._tidy(ancestry)
        return Progress(len(lines) + len(last), *progress)

    def close(self) -> None:
        """Lets go of every file; what was not stored is read again by the next Tail."""
        for generation in self._live.values():
            generation.close()
        for suspect in self._suspects.values():
            suspect.close()
        self._live.clear()
        self._suspects.clear()

    def start_over(self) -> None:
        """Takes the store's positions for its own: a write that failed may be there, and one that went well may not.

        Files stay open, for one without a name could not be opened again. Raises SourceError.
        """
        stored = {one.origin: one for one in self._sink.checkpoints()}
        if not stored:  # an empty store: what was in it must be read again as far as it is there
            self._ancestry = None
        kept = False
        for generation in self._live.values():
            one = stored.get(generation.origin)
            generation.begun = one is not None
            if one is not None:
                kept |= one.offset > generation.offset
                generation.go_to(one)
            elif not stored or generation.told_size:
                generation.go_to(Checkpoint(generation.origin, 0))
        if kept or not stored:
            self._waiting, self._gaps, self._notes = [], [], []

    # Which files there are

    def _follow(self, found: Mapping[_Key, Found]) -> None:
        """Notes new names, and which files have none any more."""
        now = self._monotonic()
        for key, generation in self._live.items():
            if key in found:
                generation.found, generation.missing_since = found[key], None
            elif generation.missing_since is None:
                generation.missing_since = now
        for key, suspect in list(self._suspects.items()):
            if key in found:
                suspect.found, suspect.missing_since = found[key], None
            elif suspect.missing_since is None:
                suspect.missing_since = now
            elif now - suspect.missing_since >= 2 * self._linger_s:  # compared as a whole by then, and still a copy
                self._suspects.pop(key).close()

    def _meet(self, fresh: Sequence[Found], ancestry: Ancestry) -> None:
        """Begins new files: first those known by inode, so that copies of them are seen for what they are."""
        unknown: list[tuple[Found, int]] = []
        for one in fresh:
            try:
                fd = open_found(one)
            except OSError as error:
                self.problems[one.path] = error.strerror or type(error).__name__
                continue
            if fd is None:
                continue
            resumed = ancestry.resume(one, fd)
            if resumed is None:
                unknown.append((one, fd))
            else:
                self._live[one.device, one.inode] = resumed
        for one, fd in unknown:
            self._begin(one, fd, ancestry)

    def _begin(self, found: Found, fd: int, ancestry: Ancestry, besides: Generation | None = None) -> None:
        """A file of which nothing is known. `besides`: the generation that it is no copy of."""
        key = (found.device, found.inode)
        original = original_of(fd, [one for one in self._live.values() if one is not besides])
        if original is not None:
            self._suspects[key] = Suspect(found, fd, original, self._monotonic())
        else:
            self._live[key] = ancestry.inherit(found, fd) or Generation.begin(found, fd)

    def _decide(self, original: Generation, ancestry: Ancestry) -> None:
        """The original of these suspects has ended, so it is known how far it was read."""
        for key, suspect in list(self._suspects.items()):
            if suspect.original is original:
                del self._suspects[key]
                self._begin(suspect.found, suspect.fd, ancestry)

    def _lose(self, loss: Loss) -> None:
        size = loss.end - loss.start
        reason = f"bytes {loss.start} to {loss.end}: {loss.reason}"
        self._gaps.append(Gap(self._clock(), loss.path.rpartition("/")[2], "lost", reason, size=size))
        self._counts["lost_bytes"] += size
        _log.warning("%s: %s", loss.path, reason)

    # What is in them

    def _read_all(self, ancestry: Ancestry) -> tuple[list[Line], tuple[int, bool]]:
        """Those with least to read come first: what is written now does not wait for what is old."""
        lines: list[Line] = []
        read, more = 0, False
        for key in sorted(self._live, key=lambda key: self._live[key].lag_bytes):
            left = min(self._budget, max(0, FILES * self._budget - read))
            taken, size, rest = self._read_one(key, ancestry, left)
            lines += taken
            read, more = read + size, more or rest
        return lines, (read, more)

    def _read_one(self, key: _Key, ancestry: Ancestry, budget: int) -> tuple[list[Line], int, bool]:
        generation = self._live[key]
        at = generation.position
        try:
            taken, rest = generation.read(budget)
        except Ended:
            self._end(key, generation, ancestry)
            taken, size, _ = self._read_one(key, ancestry, budget)  # a fresh generation cannot have ended
            return taken, size, True
        except OSError as error:
            self.problems[generation.found.path] = error.strerror or type(error).__name__
            generation.rollback()
            return [], 0, False
        return taken, generation.position - at, rest

    def _end(self, key: _Key, generation: Generation, ancestry: Ancestry) -> None:
        """The file was emptied: the rest of this generation may be in a copy; the same file begins a new one."""
        unread = (generation.position, max(generation.size, generation.position))
        half = tuple(generation.last_line())
        ancestry.add_emptied(Emptied(self._past_of(generation), half, unread, self._monotonic()))
        self._live[key] = Generation.begin(generation.found, generation.fd)
        self._decide(generation, ancestry)

    def _past_of(self, generation: Generation) -> Past:
        found, now_s = generation.found, self._clock().timestamp()
        known = Known(
            found.path, found.device, found.inode, generation.head, generation.before, generation.offset, now_s,
            generation.ids,
        )  # fmt: skip
        return Past(generation.origin, generation.offset, known)

    def _settle(self, ancestry: Ancestry) -> None:
        now = self._monotonic()
        for key, suspect in list(self._suspects.items()):
            if suspect.differs(now, self._linger_s):
                del self._suspects[key]
                self._begin(suspect.found, suspect.fd, ancestry, besides=suspect.original)
        lines, losses = ancestry.settle(now)
        self._waiting += lines
        self._notes += ancestry.take_told()
        for loss in losses:
            self._lose(loss)

    def _finished(self) -> tuple[list[_Key], list[Line]]:
        """Files without a name for long enough and read to their end, and the half lines that they end with."""
        now, done, lines = self._monotonic(), [], []
        for key, generation in self._live.items():
            since = generation.missing_since
            if since is not None and now - since >= self._linger_s and generation.position >= generation.size:
                done.append(key)
                lines += generation.last_line()
        return done, lines

    def _retire(self, done: Sequence[_Key], ancestry: Ancestry) -> None:
        for key in done:
            generation = self._live.pop(key)
            ancestry.add(self._past_of(generation))
            generation.close()
            self._decide(generation, ancestry)

    # Where it goes

    def _store(self, lines: Sequence[Line]) -> None:
        now = self._clock()
        moved = [one for one in self._live.values() if one.moved]
        if lines or moved or self._gaps or self._notes:
            parsed = parse_lines(lines, now)
            positions = [*(one.checkpoint(now.timestamp()) for one in moved), *self._notes]
            try:
                self._begin_new([one for one in moved if not one.begun], now.timestamp())
                self._sink.write(parsed.batch, positions, [*self._gaps, *parsed.gaps])
            except SourceError:
                self._counts["failed_writes"] += 1
                for generation in self._live.values():
                    generation.rollback()
                raise
            self._count(parsed.batch.num_rows, parsed.unparsed, parsed.truncated, parsed.redacted)
            self._counts["bytes"] += sum(one.start - one.offset for one in moved)
        for generation in self._live.values():
            generation.commit()
        self._waiting, self._gaps, self._notes = [], [], []

    def _begin_new(self, fresh: Sequence[Generation], now_s: float) -> None:
        if fresh:
            self._sink.begin([one.beginning(now_s) for one in fresh])
            for one in fresh:
                one.begun = True

    def _count(self, records: int, unparsed: int, truncated: int, redacted: int) -> None:
        self._counts.update(records=records, unparsed=unparsed, truncated=truncated, redacted=redacted)

    def _tidy(self, ancestry: Ancestry) -> None:
        now = self._monotonic()
        if now - self._tidied_s >= _TIDY_S:
            self._tidied_s = now
            if old := ancestry.forgettable(self._clock().timestamp()):
                self._sink.forget(old)
