"""Batches of log records for tests: only what matters is given, the rest is as a quiet record has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lib.logs.ingest import BATCH

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def batch(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """A table of schema BATCH; a missing `id` is the row's number, a missing `ts` is NOON."""
    full = []
    for number, row in enumerate(rows):
        blank: dict[str, Any] = {f.name: ("" if f.type == pa.string() else None) for f in BATCH}
        full.append(blank | {"id": str(number), "ts": NOON, "truncated": False, "level": "INFO", "fields": "{}"} | row)
    return pa.Table.from_pylist(full, schema=BATCH)


def request(ms: float, **more: Any) -> dict[str, Any]:
    """An `HTTP Request` record that took `ms`."""
    return {
        "message": "HTTP Request", "duration_ms": float(ms), "method": "GET", "route": "/a", "status": 200,
        "service": "crm", "pattern": "HTTP Request",
    } | more  # fmt: skip
