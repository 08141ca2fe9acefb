"""A small integration's three hours, written through the true sinks: what signals and pages are tested on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lib.alerts.rules import load_rules
from lib.logs.duckdb import DuckLogs
from lib.logs.ingest import BATCH
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.state.database import sqlite_url
from lib.state.health_sql import SqlHealthLog
from lib.state.migrate import open_state
from lib.stores import Stores
from lib.window import Window

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
START = NOW - timedelta(hours=3)
DEPLOY = NOW - timedelta(minutes=90)
"""Version 2.4.0 replaces 2.3.1, and instance b restarts."""

NEW_ERROR = NOW - timedelta(minutes=30)
OLD_PATTERN, NEW_PATTERN = "Token refresh failed: invalid_client", "HaloPSA rejected lead <id>"
RULES = Path(__file__).parent.parent / "deploy" / "prometheus" / "rules.yml"
INSTANCES = ("a:3000", "b:3000")
HOUR = Window(NOW - timedelta(hours=1), NOW)
WHOLE = Window(START, NOW)
QUIET = Window(NOW + timedelta(days=1), NOW + timedelta(days=1, hours=1))

_EMPTY: dict[str, Any] = {
    field.name: None if field.nullable else False if pa.types.is_boolean(field.type) else "" for field in BATCH
} | {"fields": "{}"}


@contextmanager
def empty_stores(folder: Path) -> Iterator[Stores]:
    """Stores without a single record, and the shipped rules."""
    logs, metrics = DuckLogs(folder / "logs.duckdb"), DuckMetrics(folder / "metrics.duckdb")
    state = open_state(sqlite_url(folder / "state.sqlite"))
    health = SqlHealthLog(state)
    try:
        yield Stores(logs, metrics, health, load_rules(RULES))
    finally:
        for store in (logs, metrics, state):
            store.close()


def fill(stores: Stores) -> None:
    """Three hours of requests, errors, syncs, leads, samples and probes."""
    assert isinstance(stores.logs, DuckLogs) and isinstance(stores.metrics, DuckMetrics)
    stores.logs.write(log_records())
    stores.metrics.append(metric_samples())
    assert isinstance(stores.health, SqlHealthLog)
    _probes(stores.health)


def metric_samples() -> Samples:
    """The three hours' samples, for whichever store takes them."""
    return samples(_series())


def log_records() -> pa.Table:
    """The three hours' log."""
    return batch([*_requests(), *_errors(), *_syncs(), *_leads()])


def batch(rows: list[dict[str, Any]]) -> pa.Table:
    """Records as a batch; what a row leaves out is empty, its id is its place."""
    return pa.Table.from_pylist([_EMPTY | {"id": f"r{n}", "service": "crm"} | row for n, row in enumerate(rows)], BATCH)


def record(at: datetime, level: str = "INFO", **fields: Any) -> dict[str, Any]:
    """One record of the version that ran at its time."""
    return {"ts": at, "level": level, "version": "2.3.1" if at < DEPLOY else "2.4.0", "pattern": "p"} | fields


def every(step_s: float, start: datetime = START, end: datetime = NOW) -> Iterator[datetime]:
    """Moments from `start`, before `end`."""
    for n in range(int((end - start).total_seconds() / step_s)):
        yield start + timedelta(seconds=n * step_s)


def _requests() -> Iterator[dict[str, Any]]:
    """Two a minute to /api/leads (80 ms), one in five minutes to /api/reports (800 ms); the latter fail in the last hour."""
    plain = {"message": "HTTP Request", "pattern": "HTTP Request", "method": "GET"}
    for at in every(30):
        yield record(at, **plain, route="/api/leads", status=200, duration_ms=80.0)
    for at in every(300):
        failing = at >= NOW - timedelta(hours=1)
        yield record(at, **plain, route="/api/reports", status=500 if failing else 200, duration_ms=800.0)


def _errors() -> Iterator[dict[str, Any]]:
    failed = {"event": "operation.error", "message": "Operation Failed"}
    for at in every(1200):
        yield record(at, "ERROR", **failed, operation="token.refresh", error=OLD_PATTERN, pattern=OLD_PATTERN)
    for n, at in enumerate(every(300, NEW_ERROR)):
        text, stack = f"HaloPSA rejected lead {n}", f"Error: rejected\n    at push (lead-{n}.js:1)"
        yield record(at, "ERROR", **failed, operation="apollo.push", error=text, stack=stack, pattern=NEW_PATTERN)


def _syncs() -> Iterator[dict[str, Any]]:
    """Ten leads every ten minutes from each source; in the last hour none of ZoomInfo's gets through."""
    done = {"event": "sync.completed", "message": "Data Synchronization Completed", "processed": 10}
    for at in every(600):
        yield record(at, **done, source="apollo", successful=10, failed=0, sync_ms=2000.0)
        good = 10 if at < NOW - timedelta(hours=1) else 0
        yield record(at, **done, source="zoominfo", successful=good, failed=10 - good, sync_ms=4000.0)


def _leads() -> Iterator[dict[str, Any]]:
    """Twelve leads an hour, three converted, one opportunity worth 30,000."""
    for n, at in enumerate(every(300)):
        yield record(at, event="lead.created", lead_id=f"L{n}", source="apollo" if n % 3 else "zoominfo")
        if n % 4 == 0:
            yield record(at, event="lead.converted", lead_id=f"L{n}")
        if n % 12 == 0:
            yield record(at, event="opportunity.created", value=30_000.0)


def samples(series: dict[tuple[tuple[str, str], ...], np.ndarray[Any, Any]], step_s: int = 15) -> Samples:
    """One batch of series that all have a value every `step_s` from START to NOW."""
    ts_ms = (np.arange(int(START.timestamp()), int(NOW.timestamp()) + 1, step_s) * 1000).astype("int64")
    count = len(series)
    return Samples(
        tuple(dict(labels) for labels in series),
        np.repeat(np.arange(count, dtype="int32"), len(ts_ms)),
        np.tile(ts_ms, count),
        np.concatenate([np.broadcast_to(values, ts_ms.shape) for values in series.values()]).astype("float64"),
    )


def _series() -> dict[tuple[tuple[str, str], ...], np.ndarray[Any, Any]]:
    t = np.arange(0, 3 * 3600 + 1, 15, dtype="float64")
    found: dict[tuple[tuple[str, str], ...], np.ndarray[Any, Any]] = {}

    def add(name: str, values: Any, **labels: str) -> None:
        key = (("__name__", name), ("job", "crm"), *sorted(labels.items()))
        found[key] = np.broadcast_to(np.asarray(values, dtype="float64"), t.shape)

    for instance in INSTANCES:
        _http(add, t, instance)
        _process(add, t, instance)
    add("queue_size", np.maximum(t - 9000, 0) * 0.5, instance="a:3000", queue_name="enrichment")
    add("queue_size", 20, instance="a:3000", queue_name="webhooks")
    for source, failed in (("apollo", 0.0), ("zoominfo", 0.5)):
        add("lead_sync_total", t * 0.5, instance="a:3000", source=source, status="success")
        if failed:
            add("lead_sync_total", t * failed, instance="a:3000", source=source, status="failed")
    add("lead_conversion_rate", 0.25, instance="a:3000", timeframe="30d")
    add("opportunities_created_total", t / 3600, instance="a:3000", value_range="25k-50k")
    add("backup_last_success_timestamp_seconds", START.timestamp(), instance="a:3000")
    return found


def _http(add: Any, t: np.ndarray[Any, Any], instance: str) -> None:
    """One request a second per instance: 90 % at once, the rest within 1 s; 2 % fail."""
    labels = {"instance": instance, "method": "GET", "route": "/api/leads"}
    add("http_requests_total", t * 0.98, **labels, status_code="200")
    add("http_requests_total", t * 0.02, **labels, status_code="503")
    for bound, part in (("0.1", 0.9), ("0.5", 0.9), ("1", 1.0), ("2", 1.0), ("5", 1.0), ("10", 1.0), ("+Inf", 1.0)):
        add("http_request_duration_seconds_bucket", t * part, **labels, le=bound)
    for bound, part in (("0.01", 0.5), ("0.05", 1.0), ("+Inf", 1.0)):
        add("db_query_duration_seconds_bucket", t * part, instance=instance, query_type="select", le=bound)
    add("db_query_duration_seconds_count", t, instance=instance, query_type="select")
    add("db_errors_total", t / 60, instance=instance, error_type="timeout")


def _process(add: Any, t: np.ndarray[Any, Any], instance: str) -> None:
    restarted = instance == "b:3000"
    began = np.where(restarted & (t >= 5400), DEPLOY.timestamp(), START.timestamp() - 3600)
    add("up", 1, instance=instance)
    add("scrape_duration_seconds", 0.02, instance=instance)
    add("app_info", 1, instance=instance, version="2.4.0")
    add("process_start_time_seconds", began, instance=instance)
    add("process_cpu_seconds_total", t * 0.25, instance=instance)
    add("process_resident_memory_bytes", 100 * 2**20, instance=instance)
    add("process_open_fds", 50, instance=instance)
    add("process_max_fds", 1000, instance=instance)
    add("python_eventloop_lag_seconds", 0.004, instance=instance)
    add("active_connections", 3, instance=instance)
    add("db_connections_active", 6, instance=instance)
    add("db_connections_max", 10, instance=instance)
    add("health_check_response_seconds", 0.05, instance=instance, check="database")


def _probes(health: SqlHealthLog) -> None:
    """A probe every 15 s; the database of instance a is down for ten minutes, an hour ago; nothing in the first hour."""
    for at in every(15, START + timedelta(hours=1), NOW + timedelta(seconds=15)):
        down = NOW - timedelta(hours=1) <= at < NOW - timedelta(minutes=50)
        for instance in INSTANCES:
            bad = down and instance == INSTANCES[0]
            check = {"status": "unhealthy", "error": "connection refused"} if bad else {"status": "healthy"}
            body = {"status": check["status"], "version": "2.4.0", "uptime": 60, "checks": {"database": check}}
            health.observe(instance, at, 503 if bad else 200, body, response_ms=50)
