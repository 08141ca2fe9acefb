"""Keeps the sums: what each write adds to them, how partial sums are merged and hours are rolled up."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lib.logs.latency import buckets_of
from lib.logs.schema import GROUPS, LATENCY_GROUPS, SUMS, total

_HTTP, _API = "HTTP Request", "API Request Completed"
_BY = ", ".join(GROUPS)
_LATENCY_BY = ", ".join(LATENCY_GROUPS)
_ADDED = ", ".join(map(total, SUMS))
_NEW = ", ".join(total(name) for name in SUMS if name != "records")
_ADDED_LATENCY = "sum(requests), sum(sum_ms), max(max_ms)"

_ADD_TOTALS = " ".join((
    "INSERT INTO minute_totals SELECT minute,", _BY.replace("status", "coalesce(CAST(status AS VARCHAR), '')"),
    ", count(*),", _NEW, "FROM batch GROUP BY ALL",
))  # fmt: skip
_ADD_LATENCY = " ".join((
    "INSERT INTO minute_latency SELECT minute, message = 'HTTP Request',",
    _LATENCY_BY.replace("status", "coalesce(CAST(status AS VARCHAR), '')"),
    ", bucket, count(*), sum(duration_ms), max(duration_ms) FROM batch WHERE bucket IS NOT NULL GROUP BY ALL",
))  # fmt: skip

RESOLVED_LATENCY = " ".join((
    "SELECT minute,", _LATENCY_BY, ", bucket, requests, sum_ms, max_ms FROM minute_latency AS found",
    "WHERE minute >= ? AND minute < ? AND (http OR NOT EXISTS (SELECT 1 FROM minute_latency AS better",
    "WHERE better.minute >= ? AND better.minute < ? AND better.http",
    "AND better.minute = found.minute AND better.service = found.service))",
))  # fmt: skip
"""Rows of one kind per minute and service: `HTTP Request`, else `API Request Completed`. Takes the range twice."""


def pattern_id(pattern: str) -> str:
    """The name of a pattern: 16 hexadecimal digits of its text; "" for ""."""
    return hashlib.blake2b(pattern.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest() if pattern else ""


def prepare(batch: pa.Table) -> pa.Table:
    """The batch with what the tables need besides: `minute`, `pattern_id`, `bucket`; `level` in upper case."""
    batch = batch.combine_chunks()
    names = {text: pattern_id(text) for text in map(str, pc.unique(batch["pattern"]).to_pylist())}
    ids = [names[str(text)] for text in batch["pattern"].to_pylist()]
    millis = batch["ts"].cast(pa.int64()).to_numpy()
    return (
        batch.append_column("pattern_id", pa.array(ids, pa.string()))
        .append_column("minute", pa.array((millis // 60_000).astype(np.int32)))
        .append_column("bucket", _buckets(batch))
        .set_column(batch.schema.get_field_index("level"), "level", pc.utf8_upper(batch["level"]))
        .set_column(batch.schema.get_field_index("ts"), "ts", batch["ts"].cast(pa.timestamp("us")))
    )


def _buckets(batch: pa.Table) -> pa.Array[Any]:
    duration = batch["duration_ms"].to_numpy(zero_copy_only=False)
    counted = pc.is_in(batch["message"], pa.array([_HTTP, _API])).to_numpy() & np.isfinite(duration)
    return pa.array(buckets_of(np.where(counted, duration, 0.0)), mask=~counted)


def add(writer: duckdb.DuckDBPyConnection) -> None:
    """Appends the sums of the prepared view `batch`."""
    writer.execute(_ADD_TOTALS)
    writer.execute(_ADD_LATENCY)
    writer.execute("INSERT INTO written_minutes SELECT DISTINCT minute FROM batch")


def merge(writer: duckdb.DuckDBPyConnection) -> int:
    """Merges the partial sums of every minute that several writes added to, but the newest. Returns how many minutes."""
    writer.execute("CREATE OR REPLACE TEMP TABLE to_merge AS SELECT minute FROM written_minutes "
                   "WHERE minute < (SELECT max(minute) FROM written_minutes) GROUP BY minute HAVING count(*) > 1")  # fmt: skip
    found = writer.execute("SELECT count(*), min(minute), max(minute) FROM to_merge").fetchone()
    assert found is not None
    minutes, first, last = found
    if minutes:
        _replace(writer, "minute_totals", ("SELECT minute,", _BY, ",", _ADDED), first, last)
        grouped = ("SELECT minute, http,", _LATENCY_BY, ", bucket,", _ADDED_LATENCY)
        _replace(writer, "minute_latency", grouped, first, last)
    writer.execute("DELETE FROM written_minutes WHERE minute IN (SELECT minute FROM to_merge)")
    writer.execute("INSERT INTO written_minutes FROM to_merge")
    writer.execute("DROP TABLE to_merge")
    return int(minutes)


def _replace(writer: duckdb.DuckDBPyConnection, table: str, select: Sequence[str], first: int, last: int) -> None:
    chosen = " ".join(("FROM", table, "WHERE minute BETWEEN ? AND ? AND minute IN (SELECT minute FROM to_merge)"))
    writer.execute(" ".join(("CREATE OR REPLACE TEMP TABLE merged AS", *select, chosen, "GROUP BY ALL")), [first, last])
    writer.execute(" ".join(("DELETE", chosen)), [first, last])
    writer.execute(" ".join(("INSERT INTO", table, "FROM merged")))
    writer.execute("DROP TABLE merged")


def roll(writer: duckdb.DuckDBPyConnection, first: int, last: int) -> None:
    """Makes the hour rows of the minutes [first, last) anew; both are whole hours."""
    for table in ("hour_totals", "hour_latency"):
        writer.execute(" ".join(("DELETE FROM", table, "WHERE minute >= ? AND minute < ?")), [first, last])
    writer.execute(
        " ".join((
            "INSERT INTO hour_totals SELECT minute // 60 * 60,", _BY, ",", _ADDED, ", min(minute), max(minute)",
            "FROM minute_totals WHERE minute >= ? AND minute < ? GROUP BY ALL",
        )),
        [first, last],
    )  # fmt: skip
    writer.execute(
        " ".join((
            "INSERT INTO hour_latency SELECT minute // 60 * 60,", _LATENCY_BY, ", bucket,", _ADDED_LATENCY,
            "FROM (", RESOLVED_LATENCY, ") GROUP BY ALL",
        )),
        [first, last, first, last],
    )  # fmt: skip


def drop(writer: duckdb.DuckDBPyConnection, before: int) -> None:
    """Drops every sum before the minute `before` (a whole hour) and the patterns that no kept record has."""
    for table in ("minute_totals", "minute_latency", "hour_totals", "hour_latency", "written_minutes"):
        writer.execute(" ".join(("DELETE FROM", table, "WHERE minute < ?")), [before])
    writer.execute("DELETE FROM patterns WHERE pattern_id NOT IN (SELECT pattern_id FROM minute_totals)")


def first_minutes(prepared: pa.Table) -> list[tuple[str, str, int]]:
    """(pattern_id, pattern, first minute) of every pattern in the batch."""
    firsts = prepared.select(["pattern_id", "pattern", "minute"]).group_by(["pattern_id", "pattern"])
    columns = firsts.aggregate([("minute", "min")])
    found = zip(*(columns[name].to_pylist() for name in ("pattern_id", "pattern", "minute_min")), strict=True)
    return [row for row in found if row[0]]


def note_patterns(writer: duckdb.DuckDBPyConnection, rows: Sequence[tuple[str, str, int]]) -> None:
    """Keeps the text and the earliest minute of patterns that are new or were seen earlier than known."""
    writer.execute(
        "INSERT INTO patterns SELECT unnest(?), unnest(?), unnest(CAST(? AS INTEGER[])) ON CONFLICT (pattern_id) "
        "DO UPDATE SET first_minute = least(first_minute, excluded.first_minute)",
        [list(column) for column in zip(*rows, strict=True)],
    )


def hour_runs(minutes: npt.NDArray[np.int32], rolled_until: int) -> list[tuple[int, int]]:
    """Runs [first, last) of whole hours before the rolled mark that these minutes fall in."""
    hours = np.unique(minutes[minutes < rolled_until] // 60)
    runs = np.split(hours, np.flatnonzero(np.diff(hours) > 1) + 1) if len(hours) else []
    return [(int(run[0]) * 60, int(run[-1] + 1) * 60) for run in runs]
