"""`python -m lib.collect.backfill PATH|GLOB …`: brings history in, beside a running dashboard or without one."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
import pyarrow.compute as pc
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from lib import settings as configuration
from lib import wiring
from lib.collect import spool
from lib.collect.cutter import Cutter
from lib.collect.exposition import SeriesCache, parse_exposition
from lib.collect.files import HEAD
from lib.collect.import_progress import ImportProgress
from lib.collect.parse import Line, parse_lines
from lib.collect.sources import PIECE, BadSource, Source, find
from lib.errors import SettingsError, SourceError, SourceUnavailable
from lib.settings import Settings

PART_PIECES = 4
SPOOL_BYTES = 200 << 20
"""Parsing waits while this much is not taken in yet."""

_WAIT_S = 0.2
_NICE = 5
_MOST_SAMPLES = 10_000_000


@dataclass(slots=True)
class Tally:
    """What was read so far; `samples` and `observations` before the stores looked for duplicates."""

    records: int = 0
    unparsed: int = 0
    samples: int = 0
    observations: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    problems: list[str] = field(default_factory=list)

    def saw(self, oldest: datetime | None, newest: datetime | None) -> None:
        """Widens the span of time."""
        self.oldest = min(filter(None, (self.oldest, oldest)), default=None)
        self.newest = max(filter(None, (self.newest, newest)), default=None)


class Importer:
    """Parses sources into a spool and sees to it that the stores take them in."""

    def __init__(self, settings: Settings, report: Callable[[ImportProgress], None] = lambda _: None) -> None:
        """`report` gets the progress a few times per second at most."""
        self._settings, self._report = settings, report
        self._folder = spool.folder_of(settings.data_dir)
        self._writer = spool.Writer(self._folder)
        self._noted_s = 0.0
        now = datetime.now(UTC)
        self._progress = ImportProgress(f"{os.getpid()}-{now:%Y%m%dT%H%M%S}", 0, 0, 0, now, now)
        self.tally = Tally()
        self.taken = spool.Taken()

    def run(self, sources: list[Source]) -> None:
        """Everything, until it is in the stores. Raises SourceError when the stores cannot take it."""
        with _alone(self._folder):
            self._progress = replace(self._progress, total_bytes=sum(source.size for source in sources))
            before = 0
            for source in sources:
                self._read(source, before)
                before += source.size
                self._note(before, source.path.name)
            self._drain(until=0)
            self._note(self._progress.total_bytes, "", done=True)

    def _read(self, source: Source, before: int) -> None:
        if source.kind == "logs" and self._settings.elasticsearch_node:
            self.tally.problems.append(f"{source.path}: log records are read from Elasticsearch and are not imported")
            return
        read = {"logs": self._logs, "metrics": self._metrics, "health": self._health}[source.kind]
        try:
            for at in read(source):
                self._note(before + min(at, source.size), source.path.name)
                if spool.pending_bytes(self._folder) > SPOOL_BYTES:
                    self._drain(until=SPOOL_BYTES // 2)
        except BadSource as error:
            self.tally.problems.append(str(error))

    # Reading

    def _logs(self, source: Source) -> Iterator[int]:
        """Parts of PART_PIECES pieces; a part's origin is the identity of all bytes before it."""
        identity, head, at = blake2b(digest_size=16), "", 0
        cutter, lines, start = Cutter("", source.path.name), list[Line](), 0
        for number, (piece, behind) in enumerate(_to_the_end(source, self.tally)):
            if number % PART_PIECES == 0:
                self._keep(cutter, lines, start, head)
                yield at
                head = head or _head(piece)
                known = identity if number else blake2b(piece[:HEAD], digest_size=16)
                cutter.origin, lines, start = spool.ORIGIN + known.hexdigest(), [], cutter.start
            lines += cutter.cut(piece)
            identity.update(piece)
            at = behind
        self._keep(cutter, [*lines, *cutter.last_line()], start, head)
        yield at

    def _keep(self, cutter: Cutter, lines: list[Line], start: int, head: str) -> None:
        if lines:
            parsed = parse_lines(lines, datetime.now(UTC))
            part = spool.LogPart(cutter.origin, start, cutter.start, head, parsed.batch, parsed.gaps)
            self._writer.logs(part)
            self.tally.records += parsed.batch.num_rows
            self.tally.unparsed += parsed.unparsed
            span: Any = pc.min_max(parsed.batch["ts"]).as_py()
            self.tally.saw(span["min"], span["max"])

    def _metrics(self, source: Source) -> Iterator[int]:
        cache: SeriesCache = {}
        for text, at in _whole_lines(_to_the_end(source, self.tally)):
            errors: list[str] = []
            samples = parse_exposition(
                text, extra={}, default_ts_ms=0, max_samples=_MOST_SAMPLES, cache=cache, errors=errors
            )
            self._stamped(source, errors, int((samples.ts_ms == 0).sum()))
            if samples.values.size:
                kept = samples.ts_ms > 0
                samples = replace(
                    samples, series=samples.series[kept], ts_ms=samples.ts_ms[kept], values=samples.values[kept]
                )
            if samples.values.size:
                self._writer.metrics(samples)
                self.tally.samples += samples.values.size
                self.tally.saw(*(datetime.fromtimestamp(int(ms) / 1000, UTC)
                                 for ms in (samples.ts_ms.min(), samples.ts_ms.max())))  # fmt: skip
            yield at

    def _stamped(self, source: Source, errors: list[str], unstamped: int) -> None:
        self.tally.unparsed += len(errors) + unstamped
        if errors:
            self.tally.problems.append(f"{source.path}: {len(errors)} lines left out; {errors[0]}")
        if unstamped:
            self.tally.problems.append(f"{source.path}: {unstamped} samples without a time stamp left out")

    def _health(self, source: Source) -> Iterator[int]:
        for text, at in _whole_lines(_to_the_end(source, self.tally)):
            found, bad = [], 0
            for line in text.splitlines():
                try:
                    good = not line.strip() or isinstance(orjson.loads(line), dict)
                except orjson.JSONDecodeError:
                    good = False
                bad += not good
                if good and line.strip():
                    found.append(line)
            self.tally.unparsed += bad
            self.tally.observations += len(found)
            if bad:
                self.tally.problems.append(f"{source.path}: {bad} lines are not JSON objects and are left out")
            if found:
                self._writer.health(found)
            yield at

    # Into the stores

    def _drain(self, until: int) -> None:
        """Waits till at most `until` bytes wait: the dashboard takes them in, or we do where none runs."""
        while spool.pending_bytes(self._folder) > until:
            try:
                stores = wiring.open_stores(self._settings)
            except SourceUnavailable:  # another process owns the stores: it takes them in
                time.sleep(_WAIT_S)
            else:
                try:
                    spool.drain(self._folder, spool.Sinks(stores.log_database, stores.metrics, stores.health))
                finally:
                    stores.close()
            self._note(self._progress.done_bytes, self._progress.current)
        self._collect()

    def _collect(self) -> None:
        for name in list(self._writer.names):
            note = (self._folder / name).with_suffix(".done")
            if note.exists():
                self.taken += spool.Taken(**orjson.loads(note.read_bytes()))
                note.unlink()

    def _note(self, done_bytes: int, current: str, *, done: bool = False) -> None:
        now_s = time.monotonic()
        if not done and now_s - self._noted_s < _WAIT_S:
            return
        self._noted_s = now_s
        tally = self.tally
        self._progress = replace(
            self._progress, done_bytes=done_bytes, current=current, records=tally.records, updated=datetime.now(UTC),
            oldest=tally.oldest, newest=tally.newest, done=done,
        )  # fmt: skip
        self._progress.save(self._folder)
        self._report(self._progress)


def _head(piece: bytes) -> str:
    return blake2b(piece[:HEAD], digest_size=12).hexdigest() if len(piece) >= HEAD else ""


def _to_the_end(source: Source, tally: Tally) -> Iterator[tuple[bytes, int]]:
    """The pieces; where the file cannot be read further it ends there, and the reason is noted."""
    try:
        yield from source.pieces()
    except BadSource as error:
        tally.problems.append(str(error))


def _whole_lines(pieces: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """The same bytes in portions of whole lines, PART_PIECES pieces long at least."""
    kept, at = bytearray(), 0
    for piece, at in pieces:
        kept += piece
        if len(kept) < PART_PIECES * PIECE:
            continue
        cut = kept.rfind(b"\n") + 1
        if cut:
            yield bytes(kept[:cut]), at
            del kept[:cut]
    if kept:
        yield bytes(kept), at


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One import at a time per data folder: the next one waits for its turn."""
    with (folder / "import.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _bar() -> Iterator[Callable[[ImportProgress], None]]:
    """A progress bar on a terminal; nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("import", total=None)

        def show(progress: ImportProgress) -> None:
            told = progress.current or "waiting for the stores"
            bar.update(task, total=progress.total_bytes, completed=progress.done_bytes, description=told)

        yield show


def summary(importer: Importer) -> str:
    """What was read and what became of it, as lines for a person."""
    read, taken = importer.tally, importer.taken
    span = (
        f", from {read.oldest:%Y-%m-%d %H:%M} to {read.newest:%Y-%m-%d %H:%M} UTC"
        if read.oldest and read.newest
        else ""
    )
    return "\n".join(
        [
            f"Read: {read.records} records, {read.samples} samples, {read.observations} health answers{span}",
            f"Not readable: {read.unparsed}",
            f"New in the stores: {taken.records} records, {taken.samples} samples; there already: {taken.duplicates}",
            *read.problems,
        ]
    )


def main(arguments: list[str]) -> int:
    """0: all is in; 1: some was left out, as printed; 2: nothing to do or wrong settings."""
    parser = argparse.ArgumentParser(prog="python -m lib.collect.backfill", description=__doc__)
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="log files (plain, .gz), .prom[.gz], health.jsonl; globs"
    )
    sources, problems = find(parser.parse_args(arguments).paths)
    os.nice(_NICE)
    try:
        importer = Importer(configuration.load())
        importer.tally.problems += problems
        with _bar() as report:
            importer._report = report
            importer.run(sources)
    except (SettingsError, SourceError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("Stopped. The same command again goes on; nothing is added twice.", file=sys.stderr)  # noqa: T201
        return 130
    print(summary(importer))  # noqa: T201
    return 2 if not sources else 1 if importer.tally.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
