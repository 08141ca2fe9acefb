"""The folder through which an import reaches the stores: Arrow files, each taken in by one transaction and removed."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lib.collect.files import HEAD, Known, digest_of_head
from lib.logs.ingest import BATCH, Checkpoint, Gap, LogSink
from lib.metrics.ingest import MetricSink, Samples

ORIGIN = "import:"
"""What the origin of an imported part begins with."""

_STALE_S = 3600.0
_log = logging.getLogger(__name__)


class HealthSink(Protocol):
    """A history of /health that a past can be added to."""

    def import_observations(self, observations: Iterable[Mapping[str, Any]]) -> int:
        """Takes in {target, ts, status_code, body}, any order, any number of times; how many were usable."""


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where an import goes; `logs` is None where log records are kept by another than this process."""

    logs: LogSink | None
    metrics: MetricSink
    health: HealthSink


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the files taken in: records, samples and observations stored, and how many were there already."""

    files: int = 0
    records: int = 0
    samples: int = 0
    observations: int = 0
    duplicates: int = 0

    def __add__(self, other: Taken) -> Taken:
        mine, theirs = asdict(self), asdict(other)
        return Taken(**{name: mine[name] + theirs[name] for name in mine})


@dataclass(frozen=True, slots=True)
class LogPart:
    """A stretch of one source: bytes [start, end) as records. `origin` is the identity of what comes before, `first` the
    source's first bytes (HEAD at most), by which a file that was followed or that has grown is known."""

    origin: str
    start: int
    end: int
    first: bytes
    batch: pa.Table
    gaps: tuple[Gap, ...] = ()


@dataclass(slots=True)
class Writer:
    """Puts parts into the folder, each under its final name only when it is whole."""

    folder: Path
    names: list[str] = field(default_factory=list)

    def logs(self, part: LogPart) -> None:
        """Records of one stretch of a log file."""
        about = {
            "origin": part.origin,
            "start": part.start,
            "end": part.end,
            "first": part.first.hex(),
            "gaps": part.gaps,
        }
        self._write("logs", part.batch, about)

    def metrics(self, samples: Samples) -> None:
        """Samples with their own times."""
        table = pa.table(
            {"series": pa.array(samples.series), "ts_ms": pa.array(samples.ts_ms), "value": pa.array(samples.values)}
        )
        self._write("metrics", table, {"labels": [dict(labels) for labels in samples.labels]})

    def health(self, observations: list[bytes]) -> None:
        """Observations of /health, each a JSON object."""
        self._write("health", pa.table({"observation": pa.array(observations, pa.binary())}), {})

    def _write(self, kind: str, table: pa.Table, about: Mapping[str, Any]) -> None:
        name = f"{time.time_ns():020d}-{os.getpid()}-{len(self.names):06d}.arrow"
        table = table.replace_schema_metadata({b"kind": kind.encode(), b"about": orjson.dumps(about)})
        part = self.folder / (name + ".part")
        try:
            with pa.OSFile(str(part), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
        except OSError:
            part.unlink(missing_ok=True)  # the disk may be full
            raise
        part.rename(self.folder / name)
        self.names.append(name)


def place_of(data_dir: Path) -> Path:
    """Where the spool of a data folder is, or would be."""
    return data_dir / "spool"


def folder_of(data_dir: Path) -> Path:
    """The spool of a data folder, made if missing, readable by its owner only."""
    folder = place_of(data_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def pending(folder: Path) -> list[Path]:
    """The files that wait to be taken in, oldest first."""
    return sorted(folder.glob("*.arrow"))


def pending_bytes(folder: Path) -> int:
    """The size of what waits."""
    total = 0
    for path in pending(folder):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # taken in between
            continue
    return total


def drain(
    folder: Path, sinks: Sinks, *, stop: Callable[[], bool] = lambda: False, beat: Callable[[], None] = lambda: None
) -> Taken:
    """Takes in every waiting file, oldest first, each in one transaction. Raises SourceError; the file then stays.

    `stop` is asked and `beat` called before each file. What was taken in before is recognised and not added again. A
    file that cannot be read is put aside as `*.bad`. For each file a `*.done` note tells the import what became of it.
    """
    taken, known = Taken(), None
    for path in pending(folder):
        if stop():
            break
        beat()
        known = known or _Known(sinks.logs.checkpoints() if sinks.logs else ())
        try:
            one = _take(path, sinks, known)
        except (pa.ArrowInvalid, KeyError, ValueError, OSError) as error:
            _log.warning("%s cannot be taken in and is put aside: %s", path.name, error)
            path.rename(path.with_suffix(".bad"))
            one = Taken(files=1)
        else:
            path.with_suffix(".done").write_bytes(orjson.dumps(asdict(one)))
            path.unlink()
        taken += one
    _tidy(folder)
    return taken


class _Known:
    """How far each origin was taken in, and which files the tail follows or followed, by their first bytes."""

    def __init__(self, checkpoints: Iterable[Checkpoint]) -> None:
        self.offsets: dict[str, int] = {}
        self._followed: set[tuple[int, str]] = set()
        self._short: dict[str, int] = {}
        for one in checkpoints:
            if one.origin.startswith(ORIGIN):
                self.took(one)
            elif (known := Known.loads(one.info)) is not None and known.head.length:
                self._followed.add((known.head.length, known.head.digest))

    def took(self, one: Checkpoint) -> None:
        """Notes a part; a file that was shorter than HEAD then has another origin when it has grown."""
        self.offsets[one.origin] = one.offset
        if size := int(orjson.loads(one.info).get("short", 0)):
            self._short[one.origin] = size

    def reached(self, origin: str, first: bytes, end: int) -> int:
        """How far the part [.., end) of this origin is stored already."""
        for length in {length for length, _ in self._followed if length <= len(first)}:
            if (length, digest_of_head(first[:length])) in self._followed:
                return end
        reached = [self.offsets.get(origin, 0)]
        if origin == origin_of(first):
            sizes = (
                (size, self.offsets[earlier], earlier) for earlier, size in self._short.items() if size < len(first)
            )
            reached += [offset for size, offset, earlier in sizes if origin_of(first[:size]) == earlier]
        return max(reached)


def origin_of(first: bytes) -> str:
    """The origin of a file's first part, by its first bytes."""
    return ORIGIN + blake2b(first, digest_size=16).hexdigest()


def _take(path: Path, sinks: Sinks, known: _Known) -> Taken:
    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
        about = orjson.loads(table.schema.metadata[b"about"])
        match table.schema.metadata[b"kind"]:
            case b"logs" if sinks.logs is None:
                raise ValueError("log records are read from Elasticsearch and are not imported")
            case b"logs":
                assert sinks.logs is not None
                return _take_logs(table, about, sinks.logs, known)
            case b"metrics":
                samples = Samples(
                    tuple(about["labels"]), *(table[name].to_numpy() for name in ("series", "ts_ms", "value"))
                )
                stored = sinks.metrics.append(samples, live=False)
                return Taken(1, samples=stored.stored, duplicates=stored.duplicate + stored.out_of_order)
            case _:
                told = [orjson.loads(one or b"{}") for one in table["observation"].to_pylist()]
                return Taken(1, observations=sinks.health.import_observations(told))


def _take_logs(table: pa.Table, about: Mapping[str, Any], sink: LogSink, known: _Known) -> Taken:
    origin, start, end = str(about["origin"]), int(about["start"]), int(about["end"])
    first = bytes.fromhex(about["first"])
    reached = known.reached(origin, first, end)
    fresh = table.replace_schema_metadata(None).cast(BATCH)
    if reached >= end:
        return Taken(1, duplicates=len(fresh))
    if reached > start:  # the source has grown since its last import
        fresh = fresh.filter(pa.array(_positions(fresh) >= reached))
    gaps = [Gap(**one | {"ts": _moment(one["ts"])}) for one in about["gaps"]] if reached <= start else []
    position = Checkpoint(origin, end, orjson.dumps({"short": len(first)}).decode() if len(first) < HEAD else "{}")
    sink.write(fresh, [position], gaps)
    known.took(position)
    return Taken(1, records=len(fresh), duplicates=len(table) - len(fresh))


def _positions(batch: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    text = pc.struct_field(pc.extract_regex(batch["id"], r"-(?P<at>[0-9a-f]+)$"), "at")
    return np.array([int(at, 16) for at in text.to_pylist()], dtype=np.int64)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _tidy(folder: Path) -> None:
    """Notes and half-written files of imports that ended long ago."""
    for path in (*folder.glob("*.done"), *folder.glob("*.part")):
        try:
            if time.time() - path.stat().st_mtime > _STALE_S:
                path.unlink()
        except FileNotFoundError:
            continue
