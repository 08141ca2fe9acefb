"""Every metric the service exposes, by the names, labels and buckets that the dashboards and rules read."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

HTTP_BUCKETS_S = (0.1, 0.5, 1, 2, 5, 10)
QUERY_BUCKETS_S = (0.01, 0.05, 0.1, 0.5, 1, 5)
VALUE_RANGES = ((25_000, "0-25k"), (50_000, "25k-50k"), (100_000, "50k-100k"), (250_000, "100k-250k"))
LAG_PERIOD_S = 0.5
LAG_KEPT = 30
"""The lag shown is the worst of the last 30 rounds (15 s, a usual scrape interval), or no scrape would see a spike."""


def value_range(value: float) -> str:
    """The `value_range` label of an opportunity's value: 0-25k, 25k-50k, 50k-100k, 100k-250k or 250k+."""
    return next((name for limit, name in VALUE_RANGES if value < limit), "250k+")


class Metrics:
    """The metrics of one service. Each attribute has its metric's full name, as it stands in the exposition.

    Labels in braces, in their order: `http_requests_total{method,route,status_code}`,
    `http_request_duration_seconds{method,route}`, `active_connections`, `lead_sync_total{source,status}` (status
    "success" or "failed", counted in leads), `queue_size{queue_name}`, `leads_created_total{source}`,
    `prospects_created_total`, `opportunities_created_total{value_range}`, `lead_conversion_rate{timeframe}` (0-1),
    `db_connections_active`, `db_connections_max`, `db_query_duration_seconds{query_type}`,
    `db_errors_total{error_type}`, `backup_last_success_timestamp_seconds` (Unix time), `app_info{version}`,
    `python_eventloop_lag_seconds`.

    `registry` None: one of its own, so that two services in one process stay apart.
    """

    def __init__(self, registry: CollectorRegistry | None = None, *, version: str = "") -> None:
        self.registry = CollectorRegistry(auto_describe=True) if registry is None else registry
        self._http()
        self._leads()
        self._database()
        self.app_info = self._gauge("app_info", "Always 1; the label is the running version", "version")
        self.app_info.labels(version).set(1)
        self.python_eventloop_lag_seconds: Gauge | None = None  # only a service with a loop has one
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            with suppress(ValueError):  # a registry that was given may have them already
                collector(registry=self.registry)

    def _http(self) -> None:
        self.http_requests_total = self._counter(
            "http_requests_total", "Total number of HTTP requests", "method", "route", "status_code"
        )
        self.http_request_duration_seconds = Histogram(
            "http_request_duration_seconds", "Duration of HTTP requests in seconds", ("method", "route"),
            buckets=HTTP_BUCKETS_S, registry=self.registry,
        )  # fmt: skip
        self.active_connections = self._gauge("active_connections", "Number of active connections")
        self.queue_size = self._gauge("queue_size", "Current queue size", "queue_name")

    def _leads(self) -> None:
        self.lead_sync_total = self._counter(
            "lead_sync_total", "Total number of lead synchronization operations", "source", "status"
        )
        self.leads_created_total = self._counter("leads_created_total", "Total number of leads created", "source")
        self.prospects_created_total = self._counter("prospects_created_total", "Total number of prospects created")
        self.opportunities_created_total = self._counter(
            "opportunities_created_total", "Total number of opportunities created", "value_range"
        )
        self.lead_conversion_rate = self._gauge(
            "lead_conversion_rate", "Current lead to prospect conversion rate", "timeframe"
        )

    def _database(self) -> None:
        self.db_connections_active = self._gauge("db_connections_active", "Number of active database connections")
        self.db_connections_max = self._gauge("db_connections_max", "Most database connections that the pool opens")
        self.db_query_duration_seconds = Histogram(
            "db_query_duration_seconds", "Duration of database queries", ("query_type",),
            buckets=QUERY_BUCKETS_S, registry=self.registry,
        )  # fmt: skip
        self.db_errors_total = self._counter("db_errors_total", "Total number of database errors", "error_type")
        self.backup_last_success_timestamp_seconds = self._gauge(
            "backup_last_success_timestamp_seconds", "When the last good backup ended, Unix time"
        )
        # Zero would say "no pool" and "the last backup is from 1970": not exposed until it is known.
        self.db_connections_max.set(math.nan)
        self.backup_last_success_timestamp_seconds.set(math.nan)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def exposition(self) -> tuple[bytes, str]:
        """What GET /metrics answers: the body in the Prometheus text format, and its content type."""
        return generate_latest(_AsPromClient(self.registry)), CONTENT_TYPE_PLAIN_0_0_4

    def watch_event_loop(self) -> asyncio.Task[None]:
        """Keep `python_eventloop_lag_seconds` of the running loop up to date until the task returned is cancelled.

        The lag is by how much a timer rang late: its worst in the last 15 s. Keep a reference to the task.
        """
        if self.python_eventloop_lag_seconds is None:
            self.python_eventloop_lag_seconds = self._gauge(
                "python_eventloop_lag_seconds", "How late the event loop ran a timer, worst of 15 s"
            )
        lag = _measure_lag(self.python_eventloop_lag_seconds)
        return asyncio.get_running_loop().create_task(lag, name="event-loop-lag")


class _AsPromClient(Collector):
    """The registry's families as Node's prom-client writes them, so that one query reads Node and Python services.

    No `_created` series (the library's own switch for them is global, and would change a program that merely imports
    this package); `le="1"`, not "1.0", or `sum by (le)` keeps the two apart; what is NaN, not known yet, is left out.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            shown = (s for s in family.samples if not s.name.endswith("_created") and not math.isnan(s.value))
            family.samples = [s._replace(labels=_short_bounds(s.labels)) if "le" in s.labels else s for s in shown]
            yield family


def _short_bounds(labels: dict[str, str]) -> dict[str, str]:
    return {**labels, "le": labels["le"].removesuffix(".0")}


async def _measure_lag(gauge: Gauge) -> None:
    loop = asyncio.get_running_loop()
    lags: deque[float] = deque(maxlen=LAG_KEPT)
    while True:
        due = loop.time() + LAG_PERIOD_S
        await asyncio.sleep(LAG_PERIOD_S)
        lags.append(max(0.0, loop.time() - due))
        gauge.set(max(lags))
