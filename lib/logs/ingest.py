"""What goes into a log store: batches of parsed records with the read positions they were parsed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

_TEXT = (
    "id", "level", "message", "service", "version", "event", "request_id", "lead_id", "source", "operation",
    "method", "route", "url", "error", "stack", "pattern", "reason", "fields", "file",
)  # fmt: skip

_COLUMNS: list[tuple[str, pa.DataType, bool]] = [
    ("ts", pa.timestamp("ms", tz="UTC"), False),
    *((name, pa.string(), False) for name in _TEXT),
    ("truncated", pa.bool_(), False),
    ("status", pa.int16(), True),
    *((name, pa.float64(), True) for name in ("duration_ms", "value", "sync_ms")),
    *((name, pa.int64(), True) for name in ("processed", "successful", "failed", "response_bytes")),
]
BATCH = pa.schema([pa.field(name, kind, nullable=nullable) for name, kind, nullable in _COLUMNS])
"""One row per record, redacted. Text that a record lacks is "", numbers are null. `id` is stable: the same line of the
same file generation always has the same id. `pattern` is the normalised text; `fields` is a JSON object of the rest."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far an origin (one generation of one file, or one part of an import) was read; `info` is the reader's own JSON."""

    origin: str
    offset: int
    info: str = "{}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Something lost, skipped or kept unread. `kind`: lost, unparsed, truncated, future, refused. `size` in bytes."""

    ts: datetime
    file: str
    kind: str
    reason: str
    records: int = 0
    size: int = 0


class LogSink(Protocol):
    """A store that records can be written to."""

    def begin(self, positions: Sequence[Checkpoint]) -> None:
        """Told where new origins begin, before the first write of their rows. A store that keeps rows and positions in
        one transaction has nothing to do. Raises SourceError."""

    def write(self, batch: pa.Table, checkpoints: Sequence[Checkpoint] = (), gaps: Sequence[Gap] = ()) -> None:
        """Rows (schema BATCH), their rollups, positions and gaps in one transaction: all or nothing. Raises SourceError.

        A gap that is there already is not kept twice: it was told by a write that seemed to have failed.
        """

    def checkpoints(self) -> list[Checkpoint]:
        """Every position kept, in no order."""

    def forget(self, origins: Sequence[str]) -> None:
        """Drops the positions of files that are gone for good."""
