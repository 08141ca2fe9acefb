"""Winston's JSON lines into record batches; what cannot be read is kept as a record that says why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import orjson
import pyarrow as pa

from lib.collect.columns import Groups, Span
from lib.logs.ingest import BATCH, Gap
from lib.logs.patterns import normalise, route_of
from lib.redact import redact, redact_text

MAX_LINE = 64 * 1024
"""Bytes of a line that are kept."""
FUTURE = timedelta(minutes=10)
UNPARSED = "UNPARSED"

_EARLIEST_MS = 946_684_800_000  # 2000-01-01: what claims to be older is a broken clock
_LATEST_MS = 253_402_300_799_000
_SECONDS_BELOW = 100_000_000_000
_INT64 = 1 << 63
_LAST_WORD = 2048  # characters; a longer one is no word
_LEVELS = {"WARNING": "WARN"}
_TEXTS = ("message", "service", "version", "event", "source", "operation", "method")
_BLANK = b" \t\r\x00"
_UNREADABLE = (ValueError, TypeError, RecursionError, OverflowError)


class Line(NamedTuple):
    """One line as read: `position` is its byte offset in the generation `origin`, `file` the name it had then."""

    origin: str
    position: int
    file: str
    raw: bytes
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """`batch` of schema BATCH, gaps (one per file, kind and reason), and counts of records."""

    batch: pa.Table
    gaps: tuple[Gap, ...] = ()
    unparsed: int = 0
    truncated: int = 0
    redacted: int = 0


@dataclass(slots=True)
class _Tally:
    now: datetime
    now_ms: int
    latest_ms: int
    redacted: int = 0
    records: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    sizes: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def note(self, line: Line, kind: str, reason: str) -> None:
        self.records[line.file, kind, reason] += 1
        self.sizes[line.file, kind, reason] += len(line.raw)

    def of(self, kind: str) -> int:
        return sum(count for key, count in self.records.items() if key[1] == kind)


def parse_lines(lines: Sequence[Line], now: datetime) -> Parsed:
    """Every line that is not blank as one record, in order. Never raises for what a line holds.

    A time stamp that is missing, unreadable or over ten minutes ahead of `now` becomes `now`, with a `reason`.
    """
    now_ms = int(now.timestamp() * 1000)
    tally = _Tally(now, now_ms, now_ms + int(FUTURE.total_seconds() * 1000))
    full = [line for line in lines if line.raw.strip(_BLANK)]
    groups = _by_shape(full, tally)
    tables, order = groups.tables([f"{_prefix(line.origin)}{line.position:x}" for line in full])
    rows = [_row(full[place], groups.odd[place], tally) for place in sorted(groups.odd)]
    gaps = tuple(
        Gap(now, file, kind, reason, records=count, size=tally.sizes[file, kind, reason])
        for (file, kind, reason), count in tally.records.items()
    )
    batch = _in_order([*tables, _table(rows)], [*order, *sorted(groups.odd)])
    return Parsed(batch, gaps, tally.of("unparsed"), tally.of("truncated"), tally.redacted + groups.redacted)


def _by_shape(full: Sequence[Line], tally: _Tally) -> Groups:
    groups = Groups(Span(_EARLIEST_MS, tally.latest_ms))
    for place, line in enumerate(full):
        try:
            record = None if line.truncated else _object(line.raw)
        except _UNREADABLE:
            record = None
        if record is None:
            groups.odd[place] = None
        else:
            groups.add(place, line.file, record)
    return groups


def _table(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ((),) * len(BATCH)
    arrays = [pa.array(column, type=kind) for column, kind in zip(columns, BATCH.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=BATCH)


def _in_order(tables: Sequence[pa.Table], places: Sequence[int]) -> pa.Table:
    """The rows of all tables by their places, which are 0, 1, 2, …"""
    table = pa.concat_tables(tables).combine_chunks()
    return table if len(tables) == 1 else table.take(np.argsort(np.array(places, dtype=np.int64)))


@lru_cache(maxsize=4096)
def _prefix(origin: str) -> str:
    return blake2b(origin.encode(), digest_size=8).hexdigest() + "-"


def _row(line: Line, record: dict[str, Any] | None, tally: _Tally) -> tuple[Any, ...]:
    """One line by itself; `record` is what it holds where that is known."""
    raw = line.raw.strip(_BLANK)  # NULs in front: the hole of a writer that did not notice a truncation
    if line.truncated:
        tally.note(line, "truncated", f"longer than {MAX_LINE} bytes")
        return _unparsed(line, raw, tally, f"longer than {MAX_LINE} bytes")
    try:
        clean, count = redact(_object(raw) if record is None else record)
        found = _parsed(line, clean, tally)
    except _UNREADABLE as error:
        reason = _reason(raw, error)
        tally.note(line, "unparsed", reason)
        return _unparsed(line, raw, tally, reason)
    tally.redacted += count
    return found


def _object(raw: bytes) -> dict[str, Any]:
    """What the line holds. Raises what _UNREADABLE lists."""
    record: dict[str, Any] = orjson.loads(raw)
    if type(record) is not dict:
        raise ValueError("not a JSON object")
    return record


def _reason(raw: bytes, error: Exception) -> str:
    """A short set of reasons, so that they can be counted: the parser's own words name positions."""
    if raw.startswith(b"\xef\xbb\xbf"):
        return "starts with a byte order mark"
    if b"\x00" in raw:
        return "holds NUL bytes"
    try:
        raw.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    if isinstance(error, orjson.JSONDecodeError):
        return "not JSON"
    return "not a JSON object" if "object" in str(error) else "JSON that cannot be stored"


def _unparsed(line: Line, raw: bytes, tally: _Tally, reason: str) -> tuple[Any, ...]:
    text = raw[:MAX_LINE].decode("utf-8", "backslashreplace").replace("\x00", "␀").replace("\ufeff", "\\ufeff")
    text, count = redact_text(_whole_words(text[:MAX_LINE]) if line.truncated else text[:MAX_LINE])
    tally.redacted += count
    return (
        tally.now_ms, f"{_prefix(line.origin)}{line.position:x}", UNPARSED, text, *("",) * 12,
        normalise(text[:2000]), reason, "{}", line.file, line.truncated, *(None,) * 8,
    )  # fmt: skip


def _whole_words(text: str) -> str:
    """What was cut off without its last word: the beginning of a credential does not look like one."""
    end = max(text.rfind(sign, len(text) - _LAST_WORD) for sign in " \t\"',")
    return text if end < 0 else text[: end + 1]


def _parsed(line: Line, record: dict[str, Any], tally: _Tally) -> tuple[Any, ...]:
    take = record.pop
    ts_ms, reason = _time(take("timestamp", None), take("@timestamp", None), tally)
    if reason.startswith("dated"):
        tally.note(line, "future", reason)
    level = _text(take("level", "")).upper()
    message, service, version, event, source, operation, method = [_text(take(name, "")) for name in _TEXTS]
    lead_id = _text(take("leadId", "")) or _lead_of(record)
    error, stack = _error(record)
    url, route = _text(take("url", "")), _text(take("route", ""))
    status = _status(record)
    duration_ms, value = _number(record, "duration"), _number(record, "value")
    processed, successful, failed, sync_ms = _stats(record)
    size = _whole(record, "responseSize")
    return (
        ts_ms, f"{_prefix(line.origin)}{line.position:x}", _LEVELS.get(level, level), message, service, version,
        event, _text(take("requestId", "")), lead_id, source, operation, method, route or route_of(url), url, error, stack,
        normalise(error or message), reason, _fields(record), line.file, False, status, duration_ms, value, sync_ms,
        processed, successful, failed, size,
    )  # fmt: skip


def _fields(record: dict[str, Any]) -> str:
    if not record:
        return "{}"
    try:
        return orjson.dumps(record).decode()
    except TypeError:  # deeper than the writer goes
        return orjson.dumps(redact(record)[0]).decode()


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    return "" if value is None else _compact(value)


def _compact(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return orjson.dumps(redact(value)[0]).decode()


def _time(timestamp: Any, fallback: Any, tally: _Tally) -> tuple[int, str]:
    given = fallback if timestamp is None else timestamp
    if given is None:
        return tally.now_ms, "no time stamp: stored under the time it was read"
    ts_ms = _epoch_ms(given)
    if ts_ms is None or not _EARLIEST_MS <= ts_ms <= _LATEST_MS:
        return tally.now_ms, "time stamp not readable: stored under the time it was read"
    if ts_ms > tally.latest_ms:
        return tally.now_ms, "dated over ten minutes ahead: stored under the time it was read"
    return ts_ms, ""


def _epoch_ms(given: Any) -> int | None:
    if type(given) is str:
        try:
            moment = datetime.fromisoformat(given)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000) if 1970 < moment.year < 9999 else None
    if not _is_number(given):
        return None
    return round(given * 1000 if abs(given) < _SECONDS_BELOW else given)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return type(value) in (int, float) and math.isfinite(value)


def _lead_of(record: dict[str, Any]) -> str:
    context = record.get("context")
    return _text(context.get("leadId")) if type(context) is dict else ""


def _error(record: dict[str, Any]) -> tuple[str, str]:
    error, stack = record.pop("error", ""), _text(record.pop("stack", ""))
    if type(error) is dict:
        stack = stack or _text(error.get("stack"))
        return _text(error.get("message")) or _compact(error), stack
    return _text(error), stack


def _status(record: dict[str, Any]) -> int | None:
    for name in ("status", "statusCode"):
        value = record.get(name)
        if type(value) is str and value.isascii() and value.isdigit() and len(value) < 5:
            value = int(value)
        if type(value) is int and 0 <= value < 32768:
            del record[name]
            return value
    return None


def _number(record: dict[str, Any], name: str) -> float | None:
    value = record.get(name)
    if not _is_number(value):
        return None  # what is no number stays among the other fields
    del record[name]
    return float(value)


def _whole(record: dict[str, Any], name: str) -> int | None:
    value = record.get(name)
    if not _is_number(value) or not -_INT64 < value < _INT64:
        return None
    del record[name]
    return int(value)


def _stats(record: dict[str, Any]) -> tuple[int | None, int | None, int | None, float | None]:
    stats = record.get("stats")
    if type(stats) is not dict:
        return None, None, None, None
    found = _whole(stats, "processed"), _whole(stats, "successful"), _whole(stats, "failed"), _number(stats, "duration")
    if not stats:
        del record["stats"]
    return found
