"""Database metrics of a SQLAlchemy engine: query times by kind, errors by type, connections in use and allowed."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from lib.telemetry.metrics import Metrics

KINDS = ("select", "insert", "update", "delete")


def instrument(engine: Engine, metrics: Metrics) -> None:
    """Measure everything this engine runs from now on (of an async engine: give its `sync_engine`).

    Sets `db_query_duration_seconds{query_type}`, `db_errors_total{error_type}` (the driver's exception class: its text
    would make a series per value), `db_connections_active` and `db_connections_max` (pool size + overflow; +Inf for a
    pool without a limit). A pool that is exhausted tells no hook: wrap what takes a connection in `counting_timeouts`.
    """
    _watch_queries(engine, metrics)
    _watch_pool(engine, metrics)


@contextmanager
def counting_timeouts(metrics: Metrics) -> Iterator[None]:
    """Counts the pool's own time-out (no connection became free) as a database error, and lets it through."""
    try:
        yield
    except PoolTimeout:
        metrics.db_errors_total.labels("PoolTimeout").inc()
        raise


def query_type(sql: str) -> str:
    """select, insert, update, delete, or other: by the statement's first word."""
    words = sql.split(None, 1)
    first = words[0].lower() if words else ""
    return first if first in KINDS else "other"


def _watch_queries(engine: Engine, metrics: Metrics) -> None:
    def before(_conn: Any, _cursor: Any, _sql: str, _values: Any, context: Any, _many: bool) -> None:
        context.telemetry_started = time.perf_counter()

    def after(_conn: Any, _cursor: Any, sql: str, _values: Any, context: Any, _many: bool) -> None:
        elapsed_s = time.perf_counter() - context.telemetry_started
        metrics.db_query_duration_seconds.labels(query_type(sql)).observe(elapsed_s)

    def failed(context: ExceptionContext) -> None:
        metrics.db_errors_total.labels(type(context.original_exception).__name__).inc()

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)


def _watch_pool(engine: Engine, metrics: Metrics) -> None:
    if isinstance(engine.pool, QueuePool):
        # Read at each scrape, through the engine: dispose() gives it a new pool.
        metrics.db_connections_active.set_function(lambda: _checked_out(engine))
        overflow = engine.pool._max_overflow
        metrics.db_connections_max.set(math.inf if overflow < 0 else engine.pool.size() + overflow)
        return
    event.listen(engine, "checkout", lambda *_: metrics.db_connections_active.inc())
    event.listen(engine, "checkin", lambda *_: metrics.db_connections_active.dec())
    metrics.db_connections_max.set(math.inf)


def _checked_out(engine: Engine) -> float:
    return float(engine.pool.checkedout()) if isinstance(engine.pool, QueuePool) else 0.0
