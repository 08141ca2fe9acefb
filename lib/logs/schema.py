"""The tables of the embedded log store.

`minute` counts minutes since 1970 UTC. Rollup rows are partial sums: each write appends its own, every question adds
them up, and compaction merges them. Hour tables hold the same sums for the hours before the rolled mark, with
latencies already taken from one kind of record per minute and service.
"""

from __future__ import annotations

GROUPS = (
    "service", "version", "level", "event", "source", "operation", "method", "route", "status", "pattern_id",
)  # fmt: skip
"""Group columns of the totals tables, all text; `status` is "" or three digits."""

SUMS = {
    "records": "BIGINT", "value": "DOUBLE", "processed": "BIGINT", "successful": "BIGINT", "failed": "BIGINT",
    "sync_ms": "DOUBLE", "response_bytes": "BIGINT",
}  # fmt: skip
"""Summed columns of the totals tables; NULL where no record of the group had the number."""

LATENCY_GROUPS = ("service", "version", "method", "route", "status")

RECORD_TEXT = (
    "id", "level", "message", "service", "version", "event", "request_id", "lead_id", "source", "operation", "method",
    "route", "url", "error", "stack", "pattern_id", "reason", "fields", "file",
)  # fmt: skip


_MOST = (1 << 63) - 1


def total(name: str) -> str:
    """The sum of one of SUMS: a whole number stops at what 64 bits hold, or two absurd ones in a log would keep every
    later line out."""
    if SUMS[name] != "BIGINT":
        return f"sum({name})"
    return (
        f"CASE WHEN sum({name}) > {_MOST} THEN {_MOST} WHEN sum({name}) < -{_MOST} THEN -{_MOST} ELSE sum({name}) END"
    )


def _columns(*parts: str) -> str:
    return ", ".join(parts)


_TEXT = [f"{name} VARCHAR NOT NULL" for name in GROUPS]
_SUMS = [f"{name} {kind}" for name, kind in SUMS.items()]
_LATENCY = [
    *(f"{name} VARCHAR NOT NULL" for name in LATENCY_GROUPS),
    "bucket SMALLINT NOT NULL", "requests BIGINT NOT NULL", "sum_ms DOUBLE NOT NULL", "max_ms DOUBLE NOT NULL",
]  # fmt: skip
_PLAIN = {"request_id": " USING COMPRESSION uncompressed"}
"""Random texts hardly shrink, and one of a million is found five times as quickly where none has to be unpacked."""
_RECORD = [
    "ts TIMESTAMP NOT NULL",
    *(f"{name} VARCHAR NOT NULL{_PLAIN.get(name, '')}" for name in RECORD_TEXT),
    "truncated BOOLEAN NOT NULL", "status SMALLINT", "duration_ms DOUBLE", "bucket SMALLINT", "value DOUBLE",
    "sync_ms DOUBLE", "processed BIGINT", "successful BIGINT", "failed BIGINT", "response_bytes BIGINT",
]  # fmt: skip

_TABLES = {
    "records": _columns(*_RECORD),
    "minute_totals": _columns("minute INTEGER NOT NULL", *_TEXT, *_SUMS),
    "hour_totals": _columns("minute INTEGER NOT NULL", *_TEXT, *_SUMS, "first_minute INTEGER", "last_minute INTEGER"),
    "minute_latency": _columns("minute INTEGER NOT NULL", "http BOOLEAN NOT NULL", *_LATENCY),
    "hour_latency": _columns("minute INTEGER NOT NULL", *_LATENCY),
    "patterns": "pattern_id VARCHAR PRIMARY KEY, pattern VARCHAR NOT NULL, first_minute INTEGER NOT NULL",
    "written_minutes": "minute INTEGER NOT NULL",
    "rolled": "until_minute INTEGER NOT NULL",
    "checkpoints": 'origin VARCHAR PRIMARY KEY, "offset" BIGINT NOT NULL, info VARCHAR NOT NULL',
    "gaps": "ts TIMESTAMP NOT NULL, file VARCHAR NOT NULL, kind VARCHAR NOT NULL, records BIGINT NOT NULL, "
    "bytes BIGINT NOT NULL, reason VARCHAR NOT NULL",
}
SCHEMA = tuple(f"CREATE TABLE IF NOT EXISTS {name} ({columns})" for name, columns in _TABLES.items())
