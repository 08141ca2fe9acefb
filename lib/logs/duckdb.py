"""The embedded log store: one DuckDB file that keeps the records and their sums."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pandas as pd
import pyarrow as pa

from lib import notes
from lib.duck import Columns, open_database
from lib.errors import SourceRejected
from lib.logs import answers, newest, questions, rollup
from lib.logs.base import LogQuery
from lib.logs.conditions import Sql, naive
from lib.logs.ingest import BATCH, Checkpoint, Gap
from lib.logs.latency import band_of_bucket, banded, summed
from lib.logs.schema import RECORD_TEXT, SCHEMA
from lib.window import Window

MOST_ROWS = 10_000
"""Records that one search returns at most."""

_NUMBERS = (
    "truncated", "status", "duration_ms", "bucket", "value", "sync_ms", "processed", "successful", "failed",
    "response_bytes",
)  # fmt: skip
_RECORD = ", ".join(("ts", *RECORD_TEXT, *_NUMBERS))
_INSERT = " ".join(("INSERT INTO records (", _RECORD, ") SELECT", _RECORD, "FROM batch"))
_ADD_GAP = "INSERT INTO gaps (SELECT ?, ?, ?, ?, ?, ? EXCEPT SELECT * FROM gaps)"  # a write told as failed may be kept
_MOST_LOG = "48MB"  # about a row group of DuckDB's, so that a row group is packed once and not three times
_ROLL_DELAY = 60  # minutes: late lines of the last hour should not cost a new sum of it


class DuckLogs:
    """LogStore and LogSink on one file, for one process. Close it to let go of the file."""

    name = "logs (embedded)"

    def __init__(self, path: Path, *, memory_limit: str = "320MB", threads: int = 2) -> None:
        self._db = open_database(
            path, SCHEMA, name=self.name, memory_limit=memory_limit, threads=threads, most_log=_MOST_LOG
        )
        self._rolled_until = 0
        self._first_minute: dict[str, int] = {}
        self._writing = threading.Lock()
        self._db.begin(self._load)

    @property
    def recovered_from(self) -> Path | None:
        """Where a damaged file was moved; None normally."""
        return self._db.recovered_from

    def mend(self) -> bool:
        """Opens the file anew where an error made that necessary, an empty one where it was damaged; whether it did.

        Every position must be asked for again then: what a write was told may not be so. Raises SourceError.
        """
        with self._writing:
            mended = self._db.mend()
            if mended:
                self._load()
        return mended

    def _note_replaced(self, moved: Path) -> None:
        """Once per file: what was only in the old one is gone from the pages, and they must say so tomorrow, too."""
        reason = f"the store was damaged and began anew; the old file is {moved.name}"
        gap = Gap(datetime.now(UTC), self._db.path.name, "lost", reason)
        with self._db.write() as writer:
            if not writer.execute("SELECT 1 FROM gaps WHERE reason = ?", [reason]).fetchone():
                _keep_positions(writer, (), [gap])

    def _load(self) -> None:
        moved = self._db.recovered_from
        if moved is not None:
            self._note_replaced(moved)
        self._rolled_until = int(self._db.rows("SELECT coalesce(max(until_minute), 0) FROM rolled")[0][0])
        self._first_minute = dict(self._db.rows("SELECT pattern_id, first_minute FROM patterns"))
        self._db.rows('SELECT max("offset"), max(info) FROM checkpoints')  # damage there must show now, too

    # Writing

    def begin(self, positions: Sequence[Checkpoint]) -> None:
        """Nothing to do: rows and positions are one transaction."""

    def write(self, batch: pa.Table, checkpoints: Sequence[Checkpoint] = (), gaps: Sequence[Gap] = ()) -> None:
        """Rows (schema BATCH), their sums, positions and gaps in one transaction: all or nothing. Raises SourceError."""
        if not batch.schema.equals(BATCH):
            raise SourceRejected("the batch does not have the columns of lib.logs.ingest.BATCH", self.name)
        prepared = rollup.prepare(batch)
        with self._writing:
            fresh = self._new_patterns(prepared)
            with self._db.given("batch", prepared), self._db.write() as writer:
                if len(prepared):
                    self._add(writer, prepared, fresh)
                _keep_positions(writer, checkpoints, gaps)
            self._first_minute.update({row[0]: row[2] for row in fresh})

    def checkpoints(self) -> list[Checkpoint]:
        """Every position kept, in no order."""
        return [Checkpoint(*row) for row in self._db.rows('SELECT origin, "offset", info FROM checkpoints')]

    def forget(self, origins: Sequence[str]) -> None:
        """Drops the positions of files that are gone for good."""
        with self._db.write() as writer:
            writer.execute("DELETE FROM checkpoints WHERE origin IN (SELECT unnest(?))", [list(origins)])

    def compact(self) -> int:
        """Merges partial sums and rolls past hours up; call it every minute or so. Returns how many minutes merged."""
        with self._writing:
            until = self._rolled_until
            with self._db.write() as writer:
                merged = rollup.merge(writer)
                newest = writer.execute("SELECT max(minute) FROM minute_totals").fetchone()
                if newest and newest[0] is not None:
                    until = max(until, (newest[0] - _ROLL_DELAY) // 60 * 60)
                if until > self._rolled_until:
                    rollup.roll(writer, self._rolled_until, until)
                    writer.execute("DELETE FROM rolled")
                    writer.execute("INSERT INTO rolled VALUES (?)", [until])
            self._rolled_until = until
        return merged

    def retain(self, older_than: datetime) -> int:
        """Drops records, sums and gaps of whole hours before `older_than` and frees their space. Returns the records dropped."""
        hour = int(older_than.timestamp()) // 3600 * 60
        moment = naive(datetime.fromtimestamp(hour * 60, UTC))
        with self._writing:
            with self._db.write() as writer:
                found = writer.execute("DELETE FROM records WHERE ts < ?", [moment]).fetchone()
                rollup.drop(writer, hour)
                writer.execute("DELETE FROM gaps WHERE ts < ?", [moment])
            self._first_minute = dict(self._db.rows("SELECT pattern_id, first_minute FROM patterns"))
            dropped = int(found[0]) if found else 0
            if dropped:
                self._db.checkpoint()
        return dropped

    def size_bytes(self) -> int:
        """Bytes on disk."""
        return self._db.size_bytes()

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    def _add(self, writer: duckdb.DuckDBPyConnection, prepared: pa.Table, fresh: list[tuple[str, str, int]]) -> None:
        writer.execute(_INSERT)
        rollup.add(writer)
        if fresh:
            rollup.note_patterns(writer, fresh)
        for first, last in rollup.hour_runs(prepared["minute"].to_numpy(), self._rolled_until):
            rollup.roll(writer, first, last)

    def _new_patterns(self, prepared: pa.Table) -> list[tuple[str, str, int]]:
        return [
            row
            for row in rollup.first_minutes(prepared)
            if row[2] < self._first_minute.get(row[0], row[2] + 1)
        ]  # fmt: skip

    # Questions

    def totals(
        self,
        query: LogQuery,
        by: Sequence[str] = (),
        step: timedelta | None = None,
        measures: Sequence[str] = ("records",),
    ) -> pd.DataFrame:
        """Sums per bucket and group: [`ts` if step,] *by, *measures. Raises QueryError for an unknown name."""
        found = self._ask(questions.totals(query, by, step, measures, self._rolled_until))
        values = {name: answers.MEASURE_DTYPES[name] for name in measures}
        return answers.frame(found, answers.keyed(by, step is not None, values))

    def durations(self, query: LogQuery, by: Sequence[str] = (), step: timedelta | None = None) -> pd.DataFrame:
        """HTTP latency per bucket and group; no row where there was no request. Percentiles are nearest-rank."""
        found = self._ask(questions.latency(query, by, step, self._rolled_until))
        columns = summed(found, (*(("ts",) if step else ()), *by))
        return answers.frame(columns, answers.keyed(by, step is not None, answers.LATENCY_DTYPES))

    def requests(self, query: LogQuery, by: Sequence[str] = (), step: timedelta | None = None) -> pd.DataFrame:
        """Requests per bucket and group; without either exactly one row."""
        found = self._ask(questions.requests(query, by, step, self._rolled_until))
        return answers.frame(found, answers.keyed(by, step is not None, answers.REQUEST_DTYPES))

    def duration_histogram(
        self, query: LogQuery, edges_ms: Sequence[float], step: timedelta | None = None
    ) -> pd.DataFrame:
        """Requests per latency band [edge, next edge): [`ts`,] `low_ms`, `high_ms`, `requests`; every band is there."""
        band_of_bucket(edges_ms)  # wrong edges are refused before the question costs anything
        columns = banded(
            self._ask(questions.latency(query, (), step, self._rolled_until)), edges_ms, stepped=step is not None
        )
        return answers.frame(columns, answers.keyed((), step is not None, answers.HISTOGRAM_DTYPES))

    def patterns(self, query: LogQuery, limit: int = 200) -> pd.DataFrame:
        """Normalised texts, most records first, one row per pattern; `level` is the one that most of them have."""
        return answers.frame(self._ask(questions.patterns(query, limit, self._rolled_until)), answers.PATTERN_DTYPES)

    def search(
        self, query: LogQuery, limit: int = 200, before: tuple[datetime, str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Records, newest first, at most MOST_ROWS; `before` is the (ts, id) of the last row of the page before."""
        limit, dtypes = max(1, min(limit, MOST_ROWS)), answers.search_dtypes(columns)
        with self._db.snapshot() as put:
            found = newest.search(partial(self._put, put), query, tuple(dtypes), limit, before)
        return answers.frame(found, dtypes)

    def record(self, record_id: str) -> dict[str, Any] | None:
        """One record as `search` returns it, `fields` decoded; None where it is not kept (any more)."""
        found = self._ask(questions.record(record_id, tuple(answers.SEARCH_DTYPES)))
        rows = answers.frame(found, answers.SEARCH_DTYPES).to_dict("records")
        if not rows:
            return None
        row = {str(name): value for name, value in rows[0].items()}
        return row | {"fields": _decoded(row["fields"])}

    def count(self, query: LogQuery) -> int:
        """How many records `search` finds in all, in exactly the window."""
        return int(next(iter(self._ask(questions.count(query)).values()))[0])

    def top(self, query: LogQuery, field: str, limit: int = 20) -> pd.DataFrame:
        """The most frequent values of any field: `value` ("" where a record has none), `records`, `share` (0-1)."""
        found = self._ask(questions.top(query, field, max(1, min(limit, MOST_ROWS))))
        return answers.frame(found | {"share": found["records"] / found["counted"]}, answers.TOP_DTYPES)

    def around(self, record_id: str, before: int = 10, after: int = 10, same: str = "service") -> pd.DataFrame:
        """The record with those nearest to it, newest first; empty where it is gone."""
        held = self._rows(questions.anchor(record_id))
        if not held:
            return answers.frame(
                self._ask(questions.record(record_id, tuple(answers.SEARCH_DTYPES))), answers.SEARCH_DTYPES
            )
        place = {"service": held[0][1], "file": held[0][2]}
        near = (same, place.get(same, "")) if same else None
        ask = partial(questions.beside, (held[0][0], record_id), tuple(answers.SEARCH_DTYPES), near=near)
        parts = [
            self._ask(ask(min(after, MOST_ROWS), newer=True)),
            self._ask(questions.record(record_id, tuple(answers.SEARCH_DTYPES))),
            self._ask(ask(min(before, MOST_ROWS), newer=False)),
        ]
        newer, itself, older = (answers.frame(part, answers.SEARCH_DTYPES) for part in parts)
        return pd.concat([newer.iloc[::-1], itself, older], ignore_index=True)

    def trace(self, field: str, value: str, limit: int = 1000) -> pd.DataFrame:
        """Every kept record of one request or lead, the first `limit`, oldest first."""
        limit = max(1, min(limit, MOST_ROWS))
        found = self._ask(questions.trace(field, value, tuple(answers.SEARCH_DTYPES), limit))
        return answers.frame(found, answers.SEARCH_DTYPES)

    def newest(self) -> datetime | None:
        """The time of the newest record; None for an empty store."""
        return self._moment("SELECT max(ts) FROM records")

    def oldest(self) -> datetime | None:
        """The time of the oldest record kept; None for an empty store."""
        return self._moment("SELECT min(ts) FROM records")

    def ever_seen(self, field: str) -> bool:
        """Whether any kept record has a non-empty value in this one of GROUP_FIELDS, `duration_ms` or MEASURES."""
        return bool(self._db.rows(questions.ever_seen(field))[0][0])

    def gaps(self, window: Window) -> pd.DataFrame:
        """What was lost, skipped or kept unread, newest first."""
        return answers.frame(self._ask(questions.gaps(window)), answers.GAP_DTYPES)

    def _ask(self, sql: Sql) -> dict[str, Any]:
        return self._put(self._db.columns, sql)

    def _put(self, columns: Columns, sql: Sql) -> dict[str, Any]:
        return notes.timed(self.name, sql.text, lambda: columns(sql.text, sql.params), _rows)

    def _rows(self, sql: Sql) -> list[tuple[Any, ...]]:
        return notes.timed(self.name, sql.text, lambda: self._db.rows(sql.text, sql.params), len)

    def _moment(self, sql: str) -> datetime | None:
        found = self._db.rows(sql)[0][0]
        return None if found is None else found.replace(tzinfo=UTC)


def _rows(columns: dict[str, Any]) -> int:
    return len(next(iter(columns.values()), ()))


def _keep_positions(writer: duckdb.DuckDBPyConnection, checkpoints: Sequence[Checkpoint], gaps: Sequence[Gap]) -> None:
    if checkpoints:
        writer.executemany(
            "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", [(c.origin, c.offset, c.info) for c in checkpoints]
        )
    if gaps:
        writer.executemany(_ADD_GAP, [(naive(g.ts), g.file, g.kind, g.records, g.size, g.reason) for g in gaps])


def _decoded(fields: str) -> Any:
    try:
        return orjson.loads(fields) if fields else {}
    except orjson.JSONDecodeError:
        return {}
