"""A dashboard whose metrics are in Prometheus: what is asked where, what the worker does, and what a dead server costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lib.collect.cadence import utc_now
from lib.errors import SourceUnavailable
from lib.settings import Settings
from lib.status import SourceStatus, WorkerStatus
from lib.ui import cache, runtime
from lib.ui.header import source_status
from lib.ui.severity import Status
from lib.wiring import OpenStores, open_stores
from lib.worker import Worker
from tests import fault_server as faults
from tests.fault_server import FaultServer
from tests.test_worker import REPORT, until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHELL = str(Path(__file__).parents[1] / "lib" / "ui" / "shell.py")
QUERY = "/prom/api/v1/query"


def vector(value: float) -> faults.Fault:
    found = [{"metric": {}, "value": [NOW.timestamp(), str(value)]}]
    return faults.json_answer({"status": "success", "data": {"resultType": "vector", "result": found}})


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        running.says("/metrics", faults.answer(b"queue_size 7\n"))
        running.says("/health", faults.json_answer(REPORT))
        running.says(QUERY, vector(utc_now().timestamp()))
        yield running


def settings_of(folder: Path, server: FaultServer, **more: object) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": folder / "data", "scrape_targets": server.url("/metrics"),
            "health_targets": server.url("/health"), "scrape_interval_s": 1, "probe_interval_s": 1,
            "PROMETHEUS_URL": server.url("/prom"), **more,
        }
    )  # fmt: skip


@pytest.fixture
def stores(tmp_path: Path, server: FaultServer) -> Iterator[OpenStores]:
    opened = open_stores(settings_of(tmp_path, server))
    yield opened
    opened.close()


def test_metrics_are_asked_of_prometheus_and_the_probes_own_here(stores: OpenStores, server: FaultServer) -> None:
    server.says(QUERY, vector(5))
    asked = stores.stores.metrics

    assert asked.instant("queue_size", NOW).scalar() == 5
    assert asked.instant("max by (check) (health_check_response_seconds)", NOW).scalar() is None
    assert asked.instant('max({__name__="health_check_up"})', NOW).scalar() is None
    assert len(server.seen(QUERY)) == 1


def test_names_of_both_stores_are_known(stores: OpenStores, server: FaultServer) -> None:
    server.says("/prom/api/v1/label/__name__/values", faults.json_answer({"status": "success", "data": ["up", "a"]}))

    assert stores.stores.metrics.label_values("__name__") == ["a", "up"]
    assert stores.stores.metrics.label_values("__name__", "health_check_up") == []


def test_the_worker_probes_and_leaves_scraping_to_prometheus_and_says_so(
    tmp_path: Path, server: FaultServer, stores: OpenStores, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(settings_of(tmp_path, server), stores)
    worker.start()

    until(lambda: stores.metrics.instant("count(health_check_up)", utc_now()).scalar())
    until(lambda: worker.status().scrape_age_s is not None)

    assert worker.stop()
    assert server.seen("/metrics") == []
    assert worker.status().scrapes == ()
    assert "HALO_OPS_SCRAPE_TARGETS is not scraped here" in caplog.text
    assert stores.stores.metrics.instant("count(health_check_up)", utc_now()).scalar()


def test_a_copy_is_scraped_as_well_where_the_settings_want_one(
    tmp_path: Path, server: FaultServer, stores: OpenStores
) -> None:
    worker = Worker(settings_of(tmp_path, server, scrape_as_well=True), stores)
    worker.start()

    until(lambda: stores.metrics.instant("queue_size", utc_now()).scalar() == 7)

    assert worker.stop()
    assert worker.status().metric_source is not None


@pytest.mark.slow
def test_a_server_that_is_down_at_the_start_stops_nothing_and_is_told(tmp_path: Path, server: FaultServer) -> None:
    with FaultServer() as gone:
        url = gone.url("/prom")
    opened = open_stores(settings_of(tmp_path, server, PROMETHEUS_URL=url))
    worker = Worker(settings_of(tmp_path, server, PROMETHEUS_URL=url), opened)
    worker.start()

    until(lambda: (source := worker.status().metric_source) and source.error)
    until(lambda: opened.metrics.instant("count(health_check_up)", utc_now()).scalar())
    with pytest.raises(SourceUnavailable):
        opened.stores.metrics.instant("up", NOW)

    assert worker.stop()
    status = worker.status().as_json()
    opened.close()
    assert status["status"] == "degraded"
    assert "Connection refused" in status["metric_source"]["error"]


def test_the_age_shown_is_that_of_the_newest_sample(tmp_path: Path, server: FaultServer, stores: OpenStores) -> None:
    server.says(QUERY, vector((utc_now() - timedelta(minutes=3)).timestamp()))
    worker = Worker(settings_of(tmp_path, server), stores)
    worker.start()

    until(lambda: worker.status().scrape_age_s is not None)

    assert worker.stop()
    assert 175 < (worker.status().scrape_age_s or 0) < 200


@pytest.mark.slow
def test_pages_show_the_last_good_values_of_a_server_that_went_down(
    tmp_path: Path, server: FaultServer, stores: OpenStores
) -> None:
    point = {"metric": {"queue_name": "enrichment"}, "values": [[utc_now().timestamp(), "1234"]]}
    matrix = {"status": "success", "data": {"resultType": "matrix", "result": [point]}}
    server.says("/prom/api/v1/query_range", faults.json_answer(matrix))
    runtime.install(runtime.Runtime(settings_of(tmp_path, server), stores.stores, lambda: None))
    cache.forget()
    page = AppTest.from_file(SHELL, default_timeout=30).run().switch_page("../../pages/queues.py").run()
    assert not any("does not answer" in one.value for one in (*page.caption, *page.markdown))

    server.says(QUERY, faults.answer(b"", 503))
    server.says("/prom/api/v1/query_range", faults.answer(b"", 503))
    cache.expire()
    page = page.run()

    assert [str(e) for e in page.exception] == []
    told = r"Prometheus does not answer since \d\d:\d\d:\d\d: this is from"
    assert any(re.search(told, one.value) for one in page.caption)
    runtime.install(None)
    cache.forget()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (SourceStatus("Prometheus", "p:9090"), Status.NO_DATA),
        (SourceStatus("Prometheus", "p:9090", NOW - timedelta(seconds=20)), Status.OK),
        (SourceStatus("Prometheus", "p:9090", NOW - timedelta(minutes=5)), Status.WARNING),
        (SourceStatus("Prometheus", "p:9090", NOW, "HTTP 503"), Status.CRITICAL),
    ],
)
def test_the_header_judges_the_remote_store(source: SourceStatus, expected: Status) -> None:
    assert source_status(source, NOW, 15) == expected


def test_the_header_names_the_server_and_its_reason(tmp_path: Path, server: FaultServer, stores: OpenStores) -> None:
    source = SourceStatus("Prometheus", "prom.example:9090", NOW - timedelta(minutes=5), "HTTP 503: [x](http://evil)")
    status = WorkerStatus(at=NOW, started_at=NOW, metric_source=source)
    runtime.install(runtime.Runtime(settings_of(tmp_path, server), stores.stores, lambda: status))
    cache.forget()

    page = AppTest.from_file(SHELL, default_timeout=30).run()

    runtime.install(None)
    cache.forget()
    tables = [table.value for table in page.dataframe if "newest sample" in table.value.columns]
    assert tables[0].to_dict("records") == [
        {"server": "prom.example:9090", "newest sample": "5 min ago", "reason": "HTTP 503: [x](http://evil)"}
    ]
