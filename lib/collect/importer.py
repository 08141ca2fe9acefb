"""Reads the sources of an import into the spool, and waits until the stores have all of it."""

from __future__ import annotations

import fcntl
import logging
import os
import pwd
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import orjson

from lib.collect import spool
from lib.collect.giving_way import LOCK
from lib.collect.health_files import observations_of
from lib.collect.health_series import past
from lib.collect.import_progress import ImportProgress
from lib.collect.left_out import LeftOut
from lib.collect.metric_files import samples_of
from lib.collect.prometheus_history import History, Journal
from lib.collect.prometheus_range import PrometheusRange
from lib.collect.sources import PIECE, BadSource, Source
from lib.collect.stretches import Kept, Parsers, keep, stretches
from lib.collect.taking_in import TakingIn
from lib.errors import SettingsError
from lib.metrics.ingest import Samples
from lib.settings import Settings
from lib.state.fold import readings_of

Readable = Source | PrometheusRange

PORTION_PIECES = 4
FEW_BYTES = 4 << 20
"""Log files that are smaller in all are parsed here: children take a second to start."""
SPOOL_BYTES = 200 << 20
"""Parsing waits while this much is not taken in yet."""

_WAIT_S = 0.2
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """What was read so far; `samples` and `observations` before the stores looked for duplicates. `kept_raw` counts by file
    the log lines that are no records and are kept as they are, `left_out` the lines of other files that are not kept."""

    records: int = 0
    kept_raw: Counter[str] = field(default_factory=Counter)
    left_out: int = 0
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
        """`report` gets the progress a few times per second at most. Raises SettingsError for root on another's folder."""
        self._settings, self._report = settings, report
        self._folder = spool.folder_of(settings.data_dir)
        _refuse_to_act_for_another(self._folder)
        self._writer = spool.Writer(self._folder)
        self._noted_s = 0.0
        now = datetime.now(UTC)
        self._progress = ImportProgress(f"{os.getpid()}-{now:%Y%m%dT%H%M%S}", 0, 0, 0, now, now)
        self._parsers: Parsers | None = None
        self._under_way: deque[tuple[Future[Kept], int, str]] = deque()
        self.tally = Tally()
        self.taken = spool.Taken()

    def run(self, sources: Sequence[Readable]) -> None:
        """Everything, until it is in the stores. Raises SourceError when the stores cannot take it."""
        with _alone(self._folder), TakingIn(self._settings, self._folder) as taking:
            self._progress = replace(self._progress, total_bytes=sum(source.size for source in sources))
            if sum(source.size for source in sources if source.kind == "logs") > FEW_BYTES:
                self._parsers = Parsers(self._folder)
            try:
                self._read_all(sources, taking)
            finally:
                if self._parsers is not None:
                    self._parsers.close()
            taking.finish(lambda: self._note(self._progress.done_bytes, ""))
            self._collect()
            self._note(self._progress.total_bytes, "", done=True)

    def _read_all(self, sources: Sequence[Readable], taking: TakingIn) -> None:
        before = 0
        for source in sources:
            if told := self._never_asked(source.kind):
                where = source.path if isinstance(source, Source) else source.name
                self.tally.problems.append(f"{where}: left out: {told}")
                before += source.size
                continue
            try:
                for at in self._read(source):
                    self._settle(before + min(at, source.size), source.name)
                    taking.wait(SPOOL_BYTES, lambda: self._note(self._progress.done_bytes, self._progress.current))
            except BadSource as error:
                self.tally.problems.append(str(error))
            before += source.size
            self._settle(before, source.name)
        while self._under_way:
            self._settle(before, "", wait=True)

    def _never_asked(self, kind: str) -> str:
        """Why nobody would see what such a source brings; "" where somebody does."""
        settings = self._settings
        if kind == "logs" and settings.elasticsearch_node and not settings.ship_to_elasticsearch:
            return "the logs are read from Elasticsearch; HALO_OPS_SHIP_TO_ELASTICSEARCH lets an import send them there"
        if kind in ("metrics", "samples") and settings.prometheus_url:
            return "the metrics are read from PROMETHEUS_URL; bring them in there (promtool tsdb create-blocks-from openmetrics)"
        return ""

    def _read(self, source: Readable) -> Iterator[int]:
        match source:
            case PrometheusRange():
                return self._samples(source)
            case Source(kind="metrics"):
                return self._metrics(source)
            case Source(kind="health"):
                return self._health(source)
            case _:
                return self._logs(source)

    # Reading

    def _logs(self, source: Source) -> Iterator[int]:
        for stretch, at in stretches(source.path.name, _to_the_end(source, self.tally)):
            if self._parsers is None:
                self._count(keep(self._writer, stretch), source.name)
            else:
                self._under_way.append((self._parsers.submit(stretch), at, source.name))
            yield at

    def _settle(self, done_bytes: int, current: str, *, wait: bool = False) -> None:
        """Counts what the children have parsed."""
        while self._under_way and (wait or self._under_way[0][0].done()):
            future, _, name = self._under_way.popleft()
            self._count(future.result(), name)
        self._note(done_bytes, current)

    def _count(self, kept: Kept, name: str) -> None:
        if kept.half:
            self.tally.problems.append(f"{name}: half a line at its end is left out; import it again when it is whole")
        if kept.name and kept.name not in self._writer.names:
            self._writer.names.append(kept.name)
        self.tally.records += kept.records
        if kept.unparsed:
            self.tally.kept_raw[name] += kept.unparsed
        self.tally.saw(kept.oldest, kept.newest)

    def _metrics(self, source: Source) -> Iterator[int]:
        left_out = LeftOut()
        for samples, at in samples_of(_whole_lines(_to_the_end(source, self.tally)), datetime.now(UTC), left_out):
            if samples is not None:
                self._store(samples)
            yield at
        self._note_left_out(source, left_out)

    def _note_left_out(self, source: Source, left_out: LeftOut) -> None:
        self.tally.left_out += left_out.counts.total()
        self.tally.problems += left_out.told(str(source.path))

    def _samples(self, wanted: PrometheusRange) -> Iterator[int]:
        journal = Journal(self._folder / f"prometheus-{wanted.digest}.journal")
        history = History(wanted, journal)
        try:
            for samples, at in history.portions():
                if samples is not None:
                    self._store(samples)
                yield at
        finally:
            self.tally.problems += history.problems

    def _store(self, samples: Samples) -> None:
        self._writer.metrics(samples)
        self.tally.samples += samples.values.size
        self.tally.saw(
            *(datetime.fromtimestamp(int(ms) / 1000, UTC) for ms in (samples.ts_ms.min(), samples.ts_ms.max()))
        )

    def _health(self, source: Source) -> Iterator[int]:
        left_out = LeftOut()
        for found, at in observations_of(_whole_lines(_to_the_end(source, self.tally)), datetime.now(UTC), left_out):
            self.tally.observations += len(found)
            if found:
                self._writer.health([orjson.dumps(observation) for observation in found])
                readings, _ = readings_of(found)
                series = past(readings, self._settings.job)
                if series.values.size:
                    self._writer.metrics(series)
            yield at
        self._note_left_out(source, left_out)

    # Into the stores

    def _collect(self) -> None:
        for name in list(self._writer.names):
            note = (self._folder / name).with_suffix(".done")
            if note.exists():
                self.taken += spool.Taken(**orjson.loads(note.read_bytes()))
                note.unlink()
            elif (aside := note.with_suffix(".bad")).exists():
                self.tally.problems.append(f"{aside}: the stores could not take it in; the dashboard's log says why")

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


def _to_the_end(source: Source, tally: Tally) -> Iterator[tuple[bytes, int]]:
    """The pieces; where the file cannot be read further it ends there, and the reason is noted."""
    try:
        yield from source.pieces()
    except BadSource as error:
        tally.problems.append(str(error))


def _whole_lines(pieces: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """The same bytes in portions of whole lines, PORTION_PIECES pieces long at least."""
    kept, at = bytearray(), 0
    for piece, at in pieces:
        kept += piece
        if len(kept) < PORTION_PIECES * PIECE:
            continue
        cut = kept.rfind(b"\n") + 1
        if cut:
            yield bytes(kept[:cut]), at
            del kept[:cut]
    if kept:
        yield bytes(kept), at


def _refuse_to_act_for_another(folder: Path) -> None:
    """What root writes could not be taken in by the dashboard, which runs as the folder's owner."""
    owner = folder.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"#{owner}"
        raise SettingsError(
            f"{folder} belongs to {name}, as whom the dashboard runs: run the import so too (sudo -u '{name}' …)"
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One import at a time per data folder: the next one waits for its turn, and says so."""
    with (folder / LOCK).open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            _log.warning(
                "Another import runs (process %s): this one waits until that has ended.", lock.read() or "unknown"
            )
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
