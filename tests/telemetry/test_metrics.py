"""The exposition has the integration's names, labels and buckets, and nothing that prom-client would not write."""

import asyncio
import math
import time

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from lib.telemetry.metrics import Metrics, value_range

LABELS = {
    "http_requests_total": {"method", "route", "status_code"},
    "http_request_duration_seconds": {"method", "route"},
    "active_connections": set(),
    "lead_sync_total": {"source", "status"},
    "queue_size": {"queue_name"},
    "leads_created_total": {"source"},
    "prospects_created_total": set(),
    "opportunities_created_total": {"value_range"},
    "lead_conversion_rate": {"timeframe"},
    "db_connections_active": set(),
    "db_connections_max": set(),
    "db_query_duration_seconds": {"query_type"},
    "db_errors_total": {"error_type"},
    "backup_last_success_timestamp_seconds": set(),
    "app_info": {"version"},
}
BUCKETS = {
    "http_request_duration_seconds": ["0.1", "0.5", "1", "2", "5", "10", "+Inf"],
    "db_query_duration_seconds": ["0.01", "0.05", "0.1", "0.5", "1", "5", "+Inf"],
}


@pytest.fixture
def used(metrics: Metrics) -> Metrics:
    """Every metric with one sample."""
    for name, labels in LABELS.items():
        metric = getattr(metrics, name)
        child = metric.labels(**dict.fromkeys(labels, "x")) if labels else metric
        (getattr(child, "observe", None) or getattr(child, "set", None) or child.inc)(1)
    return metrics


def samples(metrics: Metrics) -> dict[str, list[dict[str, str]]]:
    """Sample name → the label sets that it has in the exposition."""
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(metrics.exposition()[0].decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


@pytest.mark.parametrize("name", LABELS)
def test_every_metric_is_exposed_under_its_name_with_its_labels(used: Metrics, name: str) -> None:
    found = samples(used)

    shown = found[f"{name}_count"] if name in BUCKETS else found[name]
    assert {label for labels in shown for label in labels} == LABELS[name]


@pytest.mark.parametrize("name", BUCKETS)
def test_histograms_have_the_integrations_buckets_written_as_node_writes_them(used: Metrics, name: str) -> None:
    bounds = [labels["le"] for labels in samples(used)[f"{name}_bucket"]]

    assert bounds == BUCKETS[name]


def test_nothing_of_ours_is_exposed_that_is_not_in_the_list(used: Metrics) -> None:
    suffixed = {f"{name}{end}" for name in BUCKETS for end in ("_bucket", "_sum", "_count")}

    ours = {name for name in samples(used) if not name.startswith(("process_", "python_"))}

    assert ours == (set(LABELS) - set(BUCKETS)) | suffixed


def test_process_and_python_metrics_come_along(metrics: Metrics) -> None:
    names = set(samples(metrics))

    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"} <= names
    assert {"python_info", "python_gc_collections_total"} <= names


def test_what_is_not_known_yet_is_absent_and_not_zero(metrics: Metrics) -> None:
    before = set(samples(metrics))
    metrics.backup_last_success_timestamp_seconds.set(1.7e9)
    metrics.db_connections_max.set(15)

    after = set(samples(metrics))

    assert after - before == {"backup_last_success_timestamp_seconds", "db_connections_max"}


def test_the_content_type_is_the_prometheus_text_format(metrics: Metrics) -> None:
    assert metrics.exposition()[1] == "text/plain; version=0.0.4; charset=utf-8"


def test_the_running_version_is_a_label(metrics: Metrics) -> None:
    assert samples(metrics)["app_info"] == [{"version": "1.4.2"}]


def test_two_services_in_one_process_count_apart() -> None:
    one, two = Metrics(), Metrics()

    one.prospects_created_total.inc(3)

    assert b"\nprospects_created_total 3.0\n" in one.exposition()[0]
    assert b"\nprospects_created_total 0.0\n" in two.exposition()[0]


def test_a_given_registry_may_have_the_process_metrics_already() -> None:
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)

    exposed = Metrics(registry).exposition()[0]

    assert exposed.count(b"\nprocess_open_fds ") == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0-25k"), (24_999.99, "0-25k"), (25_000, "25k-50k"), (49_999, "25k-50k"), (50_000, "50k-100k"),
        (100_000, "100k-250k"), (249_999, "100k-250k"), (250_000, "250k+"), (1e12, "250k+"), (-5, "0-25k"),
        (math.nan, "250k+"),  # as the guide's own comparisons have it
    ],
)  # fmt: skip
def test_a_value_falls_into_the_range_that_begins_with_it(value: float, expected: str) -> None:
    assert value_range(value) == expected


def test_the_event_loop_lag_shows_a_loop_that_was_blocked() -> None:
    metrics = Metrics()

    asyncio.run(_blocked_for(metrics, 0.7))

    assert metrics.python_eventloop_lag_seconds is not None
    [lag] = [s.value for family in metrics.python_eventloop_lag_seconds.collect() for s in family.samples]
    assert 0.15 < lag < 5


def test_the_event_loop_may_be_watched_again_after_it_was_stopped() -> None:
    metrics = Metrics()

    asyncio.run(_watched_twice(metrics))

    assert metrics.exposition()[0].count(b"# TYPE python_eventloop_lag_seconds gauge") == 1


async def _blocked_for(metrics: Metrics, seconds: float) -> None:
    watch = metrics.watch_event_loop()
    await asyncio.sleep(0)
    time.sleep(seconds)  # the fault that the metric is for
    await asyncio.sleep(0.01)
    watch.cancel()


async def _watched_twice(metrics: Metrics) -> None:
    metrics.watch_event_loop().cancel()
    metrics.watch_event_loop().cancel()
    await asyncio.sleep(0)
