"""A log store in memory, and a tail whose process can be killed, for the tests of the tail."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow as pa

from lib.collect.tail import Tail
from lib.errors import SourceUnavailable
from lib.logs.ingest import BATCH, Checkpoint, Gap

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class MemoryLogs:
    """A LogSink: `rows` in order, positions by origin, gaps. `failing` makes every write fail."""

    def __init__(self) -> None:
        self.rows: list[dict] = []
        self.kept: dict[str, Checkpoint] = {}
        self.told: list[Gap] = []
        self.failing = False

    def begin(self, positions: Sequence[Checkpoint]) -> None:
        """Rows and positions are kept together."""

    def write(self, batch: pa.Table, checkpoints: Sequence[Checkpoint] = (), gaps: Sequence[Gap] = ()) -> None:
        if self.failing:
            raise SourceUnavailable("asked to fail", "memory")
        assert batch.schema.equals(BATCH)
        self.rows += batch.to_pylist()
        self.kept |= {one.origin: one for one in checkpoints}
        self.told += [gap for gap in gaps if gap not in self.told]

    def checkpoints(self) -> list[Checkpoint]:
        return list(self.kept.values())

    def forget(self, origins: Sequence[str]) -> None:
        for origin in origins:
            self.kept.pop(origin, None)

    @property
    def messages(self) -> list[str]:
        return [row["message"] for row in self.rows]


class Desk:
    """A folder of log files, a store, and a tail that reads the one into the other."""

    def __init__(self, folder: Path, pattern: str = "combined*", **options: object) -> None:
        self.folder, self.sink, self.time_s = folder, MemoryLogs(), 1000.0
        self._pattern, self._options, self._written = pattern, options, 0
        self.tail = self._new()

    def _new(self) -> Tail:
        options = {"monotonic": lambda: self.time_s} | self._options
        return Tail([f"{self.folder}/{self._pattern}"], self.sink, lambda: NOW, **options)

    def path(self, name: str = "combined.log") -> Path:
        return self.folder / name

    def write(self, count: int = 1, name: str = "combined.log") -> list[str]:
        """Appends records whose messages are `line <n>`, never the same twice; the messages."""
        messages = [f"line {self._written + i}" for i in range(count)]
        self._written += count
        with self.path(name).open("ab") as file:
            file.write(b"".join(line_of(message) for message in messages))
        return messages

    @property
    def count(self) -> int:
        """How many records `write` has written."""
        return self._written

    def poll(self, passes: int = 1) -> None:
        for _ in range(passes):
            self.tail.poll()

    def settle(self) -> None:
        """Polls until every wait is over."""
        for _ in range(8):
            self.tail.poll()
            self.time_s += 30

    def restart(self) -> None:
        """What a kill -9 and a start do: everything in memory is gone."""
        self.tail.close()
        self.tail = self._new()

    def copytruncate(self, to: str, name: str = "combined.log") -> None:
        self.path(to).write_bytes(self.path(name).read_bytes())
        os.truncate(self.path(name), 0)


def line_of(message: str, **more: object) -> bytes:
    record = {"timestamp": "2024-11-01T11:00:00.000Z", "level": "INFO", "message": message} | more
    return orjson.dumps(record) + b"\n"
