"""A server stops and comes back under an open page: its own cards say since when and keep their values; no other does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lib.logs.elastic.client import Access as ElasticAccess
from lib.logs.elastic.client import Connection
from lib.logs.elastic.store import ElasticLogs
from lib.metrics.prometheus import Access, PrometheusMetrics
from lib.settings import Settings
from lib.stores import Stores
from lib.ui import cache, runtime
from lib.ui.pages import entry
from tests.logs.indices import Indices
from tests.prometheus_server import prometheus
from tests.seed import HOUR, NOW, RULES, empty_stores, fill, log_records, metric_samples
from tests.servers.gate import Gate

pytestmark = pytest.mark.live
SHELL = str(Path(__file__).parents[2] / "lib" / "ui" / "shell.py")
OLD = re.compile(r"(.*) does not answer since \d\d:\d\d:\d\d: this is from")
Gates = dict[str, Gate]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory, elasticsearch9: str) -> Iterator[tuple[Stores, Gates]]:
    """The seeded hours on servers, each behind a door."""
    folder, indices = tmp_path_factory.mktemp("outage"), Indices(elasticsearch9)
    indices.write(log_records())
    with (
        empty_stores(folder) as embedded,
        prometheus(folder / "prometheus") as server,
        Gate(elasticsearch9) as elastic_gate,
        Gate(server.url) as metrics_gate,
    ):
        fill(embedded)
        server.write(metric_samples())
        logs = ElasticLogs(
            Connection(ElasticAccess((elastic_gate.url,), f"{indices.prefix}-*")), clean=lambda value: value
        )
        metrics = PrometheusMetrics(Access(metrics_gate.url), clock=lambda: NOW)
        yield (
            replace(embedded, logs=logs, metrics=metrics, remote=True),
            {"logs (Elasticsearch)": elastic_gate, "Prometheus": metrics_gate},
        )
        logs.close()
        metrics.close()
    indices.close()


@pytest.fixture
def page(remote: tuple[Stores, Gates], tmp_path: Path) -> Iterator[AppTest]:
    """The Errors page, open: it asks both."""
    cache.forget()
    runtime.install(runtime.Runtime(Settings(data_dir=tmp_path, rules_file=RULES), remote[0], lambda: None))
    test = AppTest.from_file(SHELL, default_timeout=60)
    test.query_params["range"] = f"{HOUR.start:%Y-%m-%dT%H:%M}/{NOW:%Y-%m-%dT%H:%M}"
    test.query_params["zone"] = "UTC"
    yield test.run().switch_page(str(entry("errors").path)).run()
    runtime.install(None)
    cache.forget()


def silent(page: AppTest) -> set[str]:
    """The sources that the page's cards say do not answer, with the time since when; a card without a value would say no such."""
    assert [str(e) for e in page.exception] == []
    assert not any("Source down" in one.value for one in page.markdown)
    return {found[1].split("] ")[-1].replace("\\", "") for one in page.caption if (found := OLD.search(one.value))}


def figures(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def refreshed(page: AppTest) -> AppTest:
    cache.expire()
    return page.run()


@pytest.mark.parametrize("source", ["logs (Elasticsearch)", "Prometheus"])
def test_only_the_cards_of_a_stopped_server_show_old_values_and_they_recover_by_themselves(
    source: str, page: AppTest, remote: tuple[Stores, Gates]
) -> None:
    gate, before = remote[1][source], figures(page)
    assert silent(page) == set()

    gate.shut()
    page = refreshed(page)

    assert silent(page) == {source}
    assert figures(page) == before  # the last good values

    gate.open()
    deadline = time.monotonic() + 60  # a server that was down is left alone for a while
    while silent(refreshed(page)):
        assert time.monotonic() < deadline, "it did not recover"
        time.sleep(0.2)
    assert figures(page) == before
