"""Each way in which telemetry can be missing or wrong has its finding, on real stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.contract import judge
from lib.contract.base import Finding, Verdict
from lib.contract.judge_logs import recent
from lib.contract.metrics import METRICS
from lib.contract.uses import Uses
from lib.errors import SourceUnavailable
from lib.logs.duckdb import DuckLogs
from lib.metrics.duckdb import DuckMetrics
from lib.state.health_sql import SqlHealthLog
from lib.stores import Stores
from tests.seed import NOW, batch, empty_stores, every, fill, record, samples

OK, MISSING, DOUBTFUL = Verdict.OK, Verdict.MISSING, Verdict.DOUBTFUL


class Down:
    """A store that never answers."""

    name = "down"

    def __getattr__(self, asked: str) -> Any:
        def refuse(*_: object, **__: object) -> None:
            raise SourceUnavailable("does not answer", "down")

        return refuse


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    with empty_stores(tmp_path) as opened:
        yield opened


def judged(stores: Stores) -> dict[str, Finding]:
    return {finding.item: finding for finding in judge.judge(stores, NOW, Uses())}


def metric(stores: Stores, name: str, values: float | np.ndarray = 1.0, **labels: str) -> None:
    assert isinstance(stores.metrics, DuckMetrics)
    key = (("__name__", name), ("instance", "a:1"), *sorted(labels.items()))
    stores.metrics.append(samples({key: np.asarray(values, dtype="float64")}))


def logged(stores: Stores, rows: list[dict[str, Any]]) -> None:
    assert isinstance(stores.logs, DuckLogs)
    stores.logs.write(batch(rows))


def test_empty_stores_have_everything_missing_and_nothing_fine(stores: Stores) -> None:
    found = judged(stores)

    optional = {item for item, finding in found.items() if finding.verdict is OK}
    assert optional == {metric.name for metric in METRICS if metric.optional}
    doubtful = {item for item, finding in found.items() if finding.verdict is DOUBTFUL}
    assert doubtful == {"opportunities_created_total", "db_errors_total"}
    assert all(finding.hint for item, finding in found.items() if item not in optional)


def test_what_is_only_nice_to_have_is_a_fault_once_it_was_there_and_went_away(stores: Stores) -> None:
    metric(stores, "node_memory_MemTotal_bytes", 8e9)

    later = {f.item: f for f in judge.judge(stores, NOW + timedelta(hours=2), Uses())}

    assert later["node_memory_MemTotal_bytes"].verdict is MISSING
    assert (later["node_filesystem_size_bytes"].verdict, later["node_filesystem_size_bytes"].count) == (OK, None)


def test_a_store_that_is_down_is_not_checked_and_the_others_are(stores: Stores) -> None:
    fill(stores)

    found = judged(replace(stores, metrics=Down()))  # type: ignore[arg-type]

    assert found["queue_size"].verdict is Verdict.UNKNOWN
    assert found["every record: level"].verdict is OK
    assert found["/health: database"].verdict is OK


def test_a_good_metric_has_its_series_its_labels_and_its_age(stores: Stores) -> None:
    fill(stores)

    found = judged(stores)["queue_size"]

    assert (found.verdict, found.count, found.said) == (OK, 2, "2 series, queue_name ×2")
    assert found.last_seen == NOW


def test_what_is_not_sent_any_more_is_missing_with_its_last_time(stores: Stores) -> None:
    metric(stores, "active_connections", 3.0)

    found = {f.item: f for f in judge.judge(stores, NOW + timedelta(hours=2), Uses())}["active_connections"]

    assert found.verdict is MISSING
    assert found.last_seen is not None
    assert abs(found.last_seen - NOW) <= timedelta(minutes=5)


def test_what_seldom_happens_may_not_be_there_yet_after_a_restart(stores: Stores) -> None:
    metric(stores, "opportunities_created_total", 3.0, value_range="0-25k")

    later = {f.item: f for f in judge.judge(stores, NOW + timedelta(hours=2), Uses())}["opportunities_created_total"]

    assert later.verdict is DOUBTFUL
    assert later.hint.startswith("After a restart it is not there until it next happens.")


@pytest.mark.parametrize(
    ("name", "labels", "values", "item", "verdict", "said"),
    [
        ("queue_length", {}, 1, "queue_size", MISSING, "never seen"),
        ("http_requests", {"method": "GET"}, 1, "http_requests_total", MISSING, "http_requests is there"),
        ("queue_size_bucket", {"le": "1"}, 1, "queue_size", MISSING, "exported as a histogram"),
        ("http_request_duration_seconds", {"quantile": "0.9"}, 1, "http_request_duration_seconds", MISSING, "without buckets"),
        ("http_request_duration_milliseconds_bucket", {"le": "1"}, 1, "http_request_duration_seconds", MISSING, "is there"),
        ("queue_size", {}, 1, "queue_size", DOUBTFUL, "no series has the label queue_name"),
        ("lead_sync_total", {"source": "a", "status": "ok"}, 1, "lead_sync_total", DOUBTFUL, "status is ok"),
        ("lead_conversion_rate", {"timeframe": "30d"}, 25, "lead_conversion_rate", DOUBTFUL, "over the possible 1"),
        ("backup_last_success_timestamp_seconds", {}, 1.77e12, "backup_last_success_timestamp_seconds", DOUBTFUL, "over"),
        ("db_query_duration_seconds_bucket", {"query_type": "s", "le": "5"}, 1, "db_query_duration_seconds", DOUBTFUL, "+Inf"),
        ("http_requests_total", {"method": "GET", "status_code": "200", "route": "/api/leads/48213"}, 1,
         "http_requests_total", DOUBTFUL, "are addresses, such as /api/leads/48213"),
    ],
)  # fmt: skip
def test_a_metric_that_is_wrong_is_told_and_how(
    stores: Stores, *, name: str, labels: dict[str, str], values: float, item: str, verdict: Verdict, said: str
) -> None:
    metric(stores, name, values, **labels)

    found = judged(stores)[item]

    assert found.verdict is verdict
    assert said in found.said
    assert found.hint


def test_templates_of_routes_are_no_addresses(stores: Stores) -> None:
    for route in ("/api/leads/:id", "/", "/api/v1/leads/{id}/sync", "unknown"):
        metric(stores, "http_requests_total", 1, method="GET", status_code="200", route=route)

    assert judged(stores)["http_requests_total"].verdict is OK


def test_a_label_full_of_ids_is_a_cardinality_explosion(stores: Stores) -> None:
    assert isinstance(stores.metrics, DuckMetrics)
    keys = {(("__name__", "queue_size"), ("queue_name", f"q-{n}")): np.asarray(1.0) for n in range(201)}
    stores.metrics.append(samples(keys, step_s=600))

    found = judged(stores)["queue_size"]

    assert "queue_name has 201 values" in found.said


def test_a_counter_that_falls_again_and_again_is_no_counter(stores: Stores) -> None:
    metric(stores, "leads_created_total", np.resize([5.0, 1.0], 721), source="apollo")

    assert "in an hour" in judged(stores)["leads_created_total"].said


def test_a_histogram_in_ms_is_told_by_its_mean(stores: Stores) -> None:
    fill(stores)
    metric(stores, "http_request_duration_seconds_sum", 80_000.0, method="GET", route="/x")
    metric(stores, "http_request_duration_seconds_count", 1000.0, method="GET", route="/x")

    assert "the mean is 80 s" in judged(stores)["http_request_duration_seconds"].said


def test_one_of_node_and_python_is_enough_and_none_is_one_gap(stores: Stores) -> None:
    before = judged(stores)
    metric(stores, "python_eventloop_lag_seconds", 0.01)

    after = judged(stores)

    assert "nodejs_eventloop_lag_seconds" in before
    assert "python_eventloop_lag_seconds" not in before
    assert "nodejs_eventloop_lag_seconds" not in after
    assert after["python_eventloop_lag_seconds"].verdict is OK


def requests(n: int, **fields: Any) -> list[dict[str, Any]]:
    given = {
        "message": "HTTP Request",
        "method": "GET",
        "route": "/x",
        "url": "/x",
        "status": 200,
        "fields": '{"ip": "::1"}',
    }
    moments = list(every(60, NOW - timedelta(hours=1)))[:n]
    return [record(at, **(given | {"duration_ms": 80.0 + i} | fields)) for i, at in enumerate(moments)]


def test_good_requests_are_fine_with_all_their_fields(stores: Stores) -> None:
    logged(stores, requests(40))

    found = judged(stores)

    wrong = [i for i, f in found.items() if i.startswith(("HTTP Request", "every record")) and f.verdict is not OK]
    assert wrong == []


def test_two_records_of_one_request_are_normal_and_said_to_be(stores: Stores) -> None:
    done = {"message": "API Request Completed", "request_id": "r", "method": "", "route": "", "url": ""}
    logged(stores, requests(40) + requests(40, **done))

    found = judged(stores)

    assert found["API Request Completed"].verdict is OK
    assert "normal" in found["API Request Completed"].said
    assert found["every record: message"].verdict is OK


def test_runs_of_two_sources_that_end_in_the_same_ms_are_not_one_that_is_there_twice(stores: Stores) -> None:
    run = {"message": "Data Synchronization Completed", "event": "sync.completed"}
    logged(stores, [record(at, **run, source=source) for at in every(300) for source in ("apollo", "zoominfo")])

    assert judged(stores)["Data Synchronization Completed"].verdict is OK


@pytest.mark.parametrize(
    ("rows", "item", "said"),
    [
        (requests(40, duration_ms=0.08), "HTTP Request: duration", "mean is 0.08 ms"),
        (requests(40, version=""), "every record: version", "40 of 40 records without it"),
        (requests(40, level="NOTICE"), "every record: level", "NOTICE"),
        (requests(40, reason="time stamp not readable: stored under the time it was read"), "every record: timestamp", "40 of"),
        (requests(40) + requests(40), "every record: message", "100% of the newest records are there twice"),
        (requests(20) + requests(3, level="ERROR", message="m") * 2, "every record: message", "errors are there twice"),
        (requests(5, level="UNPARSED", message="<html>"), "every record: message", "5 lines that are no JSON"),
        (requests(30, duration_ms=None), "HTTP Request: duration", "in none of the records"),
        (requests(10) + requests(30, fields="{}"), "HTTP Request: ip", "only in 25% of the records"),
    ],
)  # fmt: skip
def test_a_log_that_is_wrong_is_told_and_how(stores: Stores, rows: list[dict[str, Any]], item: str, said: str) -> None:
    logged(stores, rows)

    found = judged(stores)[item]

    assert found.verdict in (DOUBTFUL, MISSING)
    assert said in found.said
    assert found.hint


def test_seconds_in_the_log_show_by_the_metrics_however_slow_the_service(stores: Stores) -> None:
    metric(stores, "http_request_duration_seconds_sum", 4000.0, method="GET", route="/x")
    metric(stores, "http_request_duration_seconds_count", 1000.0, method="GET", route="/x")
    logged(stores, requests(40, duration_ms=4.0))

    assert "mean is 4 ms" in judged(stores)["HTTP Request: duration"].said


def test_an_event_of_last_week_is_missing_with_its_last_time(stores: Stores) -> None:
    at = NOW - timedelta(days=7)
    logged(stores, [record(at, event="lead.created", message="Lead Created"), *requests(3)])

    found = judged(stores)["Lead Created"]

    assert (found.verdict, found.last_seen) == (MISSING, at)


def test_an_epoch_as_response_time_is_no_latency_and_a_check_that_is_not_reported_is_missing(stores: Stores) -> None:
    assert isinstance(stores.health, SqlHealthLog)
    checks = {"database": {"status": "healthy", "response_time": 1_772_452_800_000}, "queue": {"status": "odd"}}
    stores.health.observe("a:1", NOW, 200, {"status": "healthy", "version": "1", "uptime": 5, "checks": checks})

    found = judged(stores)

    assert "no latency" in found["/health: database"].said
    assert found["/health: queue"].verdict is DOUBTFUL
    assert found["/health: apollo"].verdict is MISSING
    assert found["/health: service"].verdict is OK


def test_the_worst_comes_first_and_alerts_before_cards(stores: Stores) -> None:
    fill(stores)

    found = judge.judge(stores, NOW, judge.uses_of(stores))

    order = [list(Verdict).index(finding.verdict) for finding in found]
    assert order == sorted(order)
    fine = [finding for finding in found if finding.verdict is OK]
    assert fine[0].dead[0].startswith("Alert ")
    assert recent(NOW).end > NOW
