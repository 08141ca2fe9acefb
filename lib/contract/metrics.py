"""The metrics that the dashboard expects: names, types, labels, units, and the range that tells a wrong unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The types of the Prometheus text format that occur here."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `labels` beside `job` and `instance`; `buckets` are the finite upper bounds (in `unit`).

    Values outside [`low`, `high`] are in a wrong unit (of a histogram: its mean). `values` are the closed sets among the
    labels. `instead` is a metric that does as well: only both missing is a fault. `own`: written by the collection
    itself, so a service is not asked for it. `optional`: it adds to what is known, so to lack it is no fault. `rare`: a
    service that is well may never have had an occasion to count it.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    instead: str = ""
    own: bool = False
    optional: bool = False
    rare: bool = False

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series in a store, the one to count first."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))
        return (self.name,)


SYNC_STATES = frozenset({"success", "failed"})
VALUE_RANGES = frozenset({"0-25k", "25k-50k", "50k-100k", "100k-250k", "250k+"})
_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

METRICS = (
    Metric("http_requests_total", _C, "Requests answered", ("method", "route", "status_code")),
    Metric("http_request_duration_seconds", _H, "Response time", ("method", "route"), "s", (0.1, 0.5, 1, 2, 5, 10), 0, 30),
    Metric("active_connections", _G, "Connections in use", low=0),
    Metric("lead_sync_total", _C, "Leads synced", ("source", "status"), values={"status": SYNC_STATES}),
    Metric("queue_size", _G, "Items waiting", ("queue_name",), "items", low=0),
    Metric("leads_created_total", _C, "Leads created", ("source",)),
    Metric("prospects_created_total", _C, "Leads converted to prospects"),
    Metric("opportunities_created_total", _C, "Opportunities", ("value_range",), values={"value_range": VALUE_RANGES},
           rare=True),
    Metric("lead_conversion_rate", _G, "Share of leads converted", ("timeframe",), "0–1", low=0, high=1),
    Metric("db_connections_active", _G, "Database connections in use", low=0),
    Metric("db_connections_max", _G, "Database connections that the pool may open", low=1),
    Metric("db_query_duration_seconds", _H, "Query time", ("query_type",), "s", (0.01, 0.05, 0.1, 0.5, 1, 5), 0, 30),
    Metric("db_errors_total", _C, "Database errors", ("error_type",), rare=True),
    Metric("backup_last_success_timestamp_seconds", _G, "End of the last good backup", (), "Unix s", (), 1e9, 1e11),
    Metric("app_info", _G, "Always 1; names the running version", ("version",), low=1, high=1),
    Metric("process_cpu_seconds_total", _C, "Processor time used", unit="s"),
    Metric("process_resident_memory_bytes", _G, "Resident memory", unit="bytes", low=1e6),
    Metric("process_start_time_seconds", _G, "Start of the process", unit="Unix s", low=1e9, high=1e11),
    Metric("process_open_fds", _G, "Open file descriptors", low=0),
    Metric("process_max_fds", _G, "File descriptors allowed", low=1),
    Metric("nodejs_eventloop_lag_seconds", _G, "Event-loop lag (Node)", (), "s", (), 0, 60,
           instead="python_eventloop_lag_seconds"),
    Metric("python_eventloop_lag_seconds", _G, "Event-loop lag (Python)", (), "s", (), 0, 60,
           instead="nodejs_eventloop_lag_seconds"),
    Metric("nodejs_gc_duration_seconds", _H, "Garbage collections (Node)", ("kind",), "s", (), 0, 30,
           instead="python_gc_collections_total"),
    Metric("python_gc_collections_total", _C, "Garbage collections (Python)", ("generation",),
           instead="nodejs_gc_duration_seconds"),
    Metric("halo_ops_disk_free_bytes", _G, "Free bytes of a mount that the dashboard sees", ("mount",), "bytes", low=0, own=True),
    Metric("halo_ops_store_bytes", _G, "Size of an embedded store's file", ("file",), "bytes", low=0, own=True),
    Metric("halo_ops_disk_free_ratio", _G, "Free share of the same mount", ("mount",), "0–1", low=0, high=1, own=True),
    Metric("node_filesystem_avail_bytes", _G, "Free bytes of a host's file system (node_exporter)",
           ("device", "fstype", "mountpoint"), "bytes", low=0, own=True, optional=True),
    Metric("node_filesystem_size_bytes", _G, "Size of a host's file system (node_exporter)",
           ("device", "fstype", "mountpoint"), "bytes", low=0, own=True, optional=True),
    Metric("node_memory_MemAvailable_bytes", _G, "Available memory of a host (node_exporter)", (), "bytes", low=0, own=True,
           optional=True),
    Metric("node_memory_MemTotal_bytes", _G, "Memory of a host (node_exporter)", (), "bytes", low=0, own=True, optional=True),
    Metric("up", _G, "Whether the scrape was answered", low=0, high=1, own=True),
    Metric("scrape_duration_seconds", _G, "How long the scrape took", unit="s", low=0, own=True),
    Metric("health_check_response_seconds", _G, "Response time that /health tells", ("check",), "s", (), 0, 600, own=True),
)  # fmt: skip
"""To add one: a line here. The test of completeness fails when a signal or rule asks for a metric that has none."""

BY_SERIES = {series: metric for metric in METRICS for series in metric.series}
