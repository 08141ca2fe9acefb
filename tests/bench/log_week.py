"""A week of log records as a busy integration writes them: about 100 a minute in some 40 distinct combinations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from lib.logs.ingest import BATCH
from lib.logs.patterns import normalise

END = datetime(2026, 3, 15, tzinfo=UTC)
LENGTH = timedelta(days=7)
ROUTES = ("/api/leads", "/api/leads/{id}", "/api/prospects", "/api/sync", "/api/opportunities", "/health")
ERRORS = tuple(f"upstream {name} answered with status {code}" for name in "abcdefgh" for code in (500, 503))


def week(records: int, part: int = 50_000, seed: int = 1) -> Iterator[pa.Table]:
    """Batches of schema BATCH in the order of time."""
    dice = np.random.default_rng(seed)
    start = int((END - LENGTH).timestamp() * 1000)
    for first in range(0, records, part):
        rows = np.arange(first, min(first + part, records))
        ts = start + (rows * (LENGTH.total_seconds() * 1000 / records)).astype(np.int64)
        yield _batch(dice, rows, ts)


def _batch(dice: np.random.Generator, rows: np.ndarray, ts: np.ndarray) -> pa.Table:
    n = len(rows)
    kind = dice.choice(["http", "error", "event", "info"], n, p=[0.6, 0.05, 0.15, 0.2])
    http, error, event = kind == "http", kind == "error", kind == "event"
    messages = {"http": "HTTP Request", "error": "Operation Failed", "event": "Lead Created", "info": "Queue polled"}
    failed = np.where(error, dice.choice(ERRORS, n), "")
    patterns = {text: normalise(text) for text in (*messages.values(), *ERRORS)}
    message = np.array([messages[k] for k in kind])
    text = {
        "id": [f"{row:x}" for row in rows],
        "level": np.where(error, "ERROR", "INFO"),
        "message": message,
        "service": ["crm"] * n,
        "version": ["1.4.2"] * n,
        "event": np.where(event, "lead.created", np.where(error, "operation.error", "")),
        "source": np.where(event, dice.choice(["apollo", "zoominfo", "website"], n), ""),
        "operation": np.where(error, dice.choice(["createLead", "syncLeads"], n), ""),
        "method": np.where(http, dice.choice(["GET", "POST"], n), ""),
        "route": np.where(http, dice.choice(ROUTES, n), ""),
        "error": failed,
        "pattern": [patterns[str(e or m)] for e, m in zip(failed, message, strict=True)],
        "fields": [f'{{"attempt":{row % 7}}}' for row in rows],
    }
    columns = {f.name: pa.array([""] * n) if f.type == pa.string() else pa.nulls(n, f.type) for f in BATCH}
    columns |= {name: pa.array([str(v) for v in values]) for name, values in text.items()}
    columns["ts"] = pa.array(ts).cast(BATCH.field("ts").type)
    columns["truncated"] = pa.array(np.zeros(n, dtype=bool))
    columns["status"] = pa.array(
        dice.choice(np.array([200, 201, 404, 500], "int16"), n, p=[0.8, 0.1, 0.06, 0.04]), mask=~http
    )
    columns["duration_ms"] = pa.array(np.round(dice.lognormal(4.5, 1.0, n)), mask=~http)
    return pa.table(columns, schema=BATCH)
