"""The embedded metric store: one DuckDB file of samples, asked in PromQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lib import notes
from lib.duck import open_database
from lib.metrics import admission
from lib.metrics.admission import NEVER, Batch
from lib.metrics.base import Result, epoch_ms, grid
from lib.metrics.ingest import Appended, Samples
from lib.metrics.promql.engine import evaluate
from lib.metrics.promql.parse import parse_selector
from lib.metrics.promql.values import Ints, LabelSet, Matcher, Needed, Raw
from lib.metrics.promql.windows import is_stale
from lib.metrics.re2 import Re2
from lib.metrics.reading import read, sparse
from lib.metrics.sample_cache import SampleCache
from lib.metrics.series import SeriesIndex
from lib.window import Window

if TYPE_CHECKING:
    import duckdb

NAME = "metrics"

# A stale marker is kept as NULL: to DuckDB all NaN are one value, so its compression may swap their bits.
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS series (id INTEGER NOT NULL, labels VARCHAR NOT NULL)",
    "CREATE TABLE IF NOT EXISTS samples (series_id INTEGER NOT NULL, ts_ms BIGINT NOT NULL, value DOUBLE)",
)
_REPEATED = """
    SELECT b.row FROM batch b
    SEMI JOIN (SELECT series_id, ts_ms FROM samples WHERE ts_ms BETWEEN $1 AND $2) s
    ON b.series_id = s.series_id AND b.ts_ms = s.ts_ms
"""


class DuckMetrics:
    """MetricStore and MetricSink on a DuckDB file. One process owns the file; threads may share the object."""

    name = NAME

    def __init__(self, path: Path) -> None:
        self._database = open_database(path, _SCHEMA, name=NAME)
        self._re2 = Re2(self._database.rows)
        self._cache = SampleCache()
        self._writing = threading.Lock()
        self._index = SeriesIndex()
        self._newest: Ints = np.empty(0, dtype=np.int64)
        self._oldest: Ints = np.empty(0, dtype=np.int64)
        self._database.begin(self._load)

    @property
    def recovered_from(self) -> Path | None:
        """Where a damaged file was moved; None normally."""
        return self._database.recovered_from

    def mend(self) -> bool:
        """Opens the file anew where an error made that necessary, an empty one where it was damaged; whether it did.
        Raises SourceError."""
        with self._writing:
            mended = self._database.mend()
            if mended:
                self._load()
        return mended

    def _load(self) -> None:
        self._index = SeriesIndex()
        self._cache.clear()
        for number, labels in self._database.rows("SELECT id, labels FROM series ORDER BY id"):
            self._index.add(number, json.loads(labels))
        self._measure()

    def _measure(self) -> None:
        """Reads each series' oldest and newest time."""
        size = max(self._index.all(), default=-1) + 1
        self._newest, self._oldest = np.full(size, NEVER), np.full(size, -(NEVER + 1))
        sql = "SELECT series_id, min(ts_ms), max(ts_ms) FROM samples GROUP BY series_id"
        for number, oldest, newest in self._database.rows(sql):
            self._oldest[number], self._newest[number] = oldest, newest

    def instant(self, expression: str, at: datetime) -> Result:
        """The expression's value at one moment. Raises QueryError, SourceError."""
        return self._evaluated(expression, np.array([epoch_ms(at)], dtype=np.int64))

    def range(self, expression: str, window: Window, step: timedelta) -> Result:
        """The expression at window.start, start + step, … ≤ window.end. Raises QueryError, SourceError."""
        return self._evaluated(expression, grid(window, step))

    def _evaluated(self, expression: str, ts_ms: Ints) -> Result:
        return notes.timed(self.name, expression, lambda: evaluate(self, expression, ts_ms), lambda r: len(r.labels))

    def label_values(self, label: str, matcher: str = "") -> list[str]:
        """Every value of a label (``__name__``: metric names), sorted; `matcher` is a series selector."""
        found = self._find(parse_selector(matcher)) if matcher else self._index.all()
        return sorted({labels.get(label, "") for labels in found.values()} - {""})

    def newest(self) -> datetime | None:
        """The time of the newest sample; None for an empty store."""
        newest = self._newest.max(initial=NEVER)
        return None if newest == NEVER else _moment(int(newest))

    def oldest(self) -> datetime | None:
        """The time of the oldest sample kept; None for an empty store."""
        oldest = self._oldest.min(initial=-(NEVER + 1))
        return None if oldest == -(NEVER + 1) else _moment(int(oldest))

    def series_count(self) -> int:
        """How many series hold samples."""
        return len(self._index)

    def size_bytes(self) -> int:
        """Bytes on disk."""
        return self._database.size_bytes()

    def close(self) -> None:
        """Lets another process have the file."""
        self._database.close()

    def select(self, matchers: Sequence[Matcher], needed: Needed) -> Raw:
        """The needed samples of the series that meet `matchers`, stale markers among them."""
        found = self._find(matchers)
        if not found:
            return Raw([], np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))
        wanted, thinned = np.array(list(found), dtype=np.int64), sparse(needed)
        columns = self._cache.get(
            (wanted.tobytes(), thinned),
            needed.after_ms,
            needed.until_ms,
            lambda after_ms, until_ms: read(self._database, wanted, after_ms, until_ms, thinned),
        )
        held = np.diff(columns.offsets) > 0
        labels = [series for series, some in zip(found.values(), held, strict=True) if some]
        return Raw(labels, np.append(columns.offsets[:-1][held], columns.offsets[-1]), columns.ts_ms, columns.values)

    def capture(self, pattern: str, values: Sequence[str]) -> list[list[str] | None]:
        """Per value, the groups of an anchored RE2 match, or None for no match."""
        return self._re2.capture(pattern, values)

    def _find(self, matchers: Sequence[Matcher]) -> dict[int, LabelSet]:
        return self._index.find(matchers, self._re2.matches)

    def append(self, samples: Samples, *, live: bool = True) -> Appended:
        """All or nothing, in one transaction. `live` refuses samples older than a series' newest; an import does not."""
        if not samples.ts_ms.size:
            return Appended(0)
        with self._writing:
            numbers, new = self._index.resolve(samples.labels)
            self._grow(max(numbers) + 1)
            batch = Batch.of(np.array(numbers, dtype=np.int64)[samples.series], samples.ts_ms, samples.values)
            batch, duplicate, older = self._admitted(batch, live=live)
            if len(batch):
                self._insert(batch, new)
            return Appended(len(batch), duplicate, older)

    def _grow(self, size: int) -> None:
        missing = max(size - self._newest.size, 0)
        if missing:
            self._newest = np.append(self._newest, np.full(missing + 1024, NEVER))
            self._oldest = np.append(self._oldest, np.full(missing + 1024, -(NEVER + 1)))

    def _admitted(self, batch: Batch, *, live: bool) -> tuple[Batch, int, int]:
        if live:
            return admission.live(batch, self._newest)
        batch, duplicate = admission.imported(batch)
        inside = (batch.ts_ms >= self._oldest[batch.series]) & (batch.ts_ms <= self._newest[batch.series])
        if not inside.any():
            return batch, duplicate, 0
        repeated = self._repeated(batch, np.nonzero(inside)[0])
        kept = np.ones(len(batch), dtype=bool)
        kept[repeated] = False
        return batch.where(kept), duplicate + repeated.size, 0

    def _repeated(self, batch: Batch, rows: Ints) -> Ints:
        """Which of these rows of the batch are stored already."""
        first, last = int(batch.ts_ms[rows].min()), int(batch.ts_ms[rows].max())
        table = _table(row=rows, series_id=batch.series[rows].astype(np.int32), ts_ms=batch.ts_ms[rows])
        with self._database.write() as writer, self._database.given("batch", table):
            found = writer.execute(_REPEATED, [first, last]).fetchnumpy()["row"]
        return np.asarray(found, dtype=np.int64)

    def _insert(self, batch: Batch, new: dict[int, LabelSet]) -> None:
        stored = set(batch.series.tolist()) if new else set()
        added = {number: labels for number, labels in new.items() if number in stored}
        table = _table(series_id=batch.series.astype(np.int32), ts_ms=batch.ts_ms).append_column(
            "value", pa.array(batch.values, mask=is_stale(batch.values))
        )
        with self._database.write() as writer:
            if added:
                _insert_series(writer, added)
            with self._database.given("batch", table):
                writer.execute("INSERT INTO samples SELECT series_id, ts_ms, value FROM batch")
        for number, labels in added.items():
            self._index.add(number, labels)
        np.maximum.at(self._newest, batch.series, batch.ts_ms)
        np.minimum.at(self._oldest, batch.series, batch.ts_ms)
        self._cache.written(int(batch.ts_ms.min()), int(batch.ts_ms.max()))

    def retain(self, older_than: datetime) -> int:
        """Drops the samples before `older_than`, and series left without any; how many samples went."""
        limit = epoch_ms(older_than)
        with self._writing:
            with self._database.write() as writer:
                dropped = writer.execute("DELETE FROM samples WHERE ts_ms < $1", [limit]).fetchone()
                count = int(dropped[0]) if dropped else 0
                if count:
                    writer.execute("DELETE FROM series WHERE id NOT IN (SELECT DISTINCT series_id FROM samples)")
            if count:
                self._forget()
        if count:
            self._database.checkpoint()
        return count

    def _forget(self) -> None:
        left = {row[0] for row in self._database.rows("SELECT id FROM series")}
        self._index.remove([number for number in self._index.all() if number not in left])
        self._cache.clear()
        self._measure()


def _table(**columns: np.ndarray) -> pa.Table:
    return pa.table({name: pa.array(column) for name, column in columns.items()})


def _insert_series(writer: duckdb.DuckDBPyConnection, added: dict[int, LabelSet]) -> None:
    texts = [json.dumps(labels, ensure_ascii=True, sort_keys=True) for labels in added.values()]
    writer.execute("INSERT INTO series SELECT unnest($1::INTEGER[]), unnest($2::VARCHAR[])", [list(added), texts])


def _moment(ts_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ts_ms)
