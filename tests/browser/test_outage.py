"""Elasticsearch and Prometheus stop and come back while a page is open: only their cards show it, and nobody reloads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from lib.metrics.ingest import Samples
from tests.logs.indices import Indices
from tests.prometheus_server import prometheus
from tests.servers.gate import Gate

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.timeout(400)]
SOON_MS = 60_000
"""A refresh every 10 s, and the pause between two tries of a server that was down; the header tries it least often."""

LOGS, METRICS = "logs (Elasticsearch)", "Prometheus"


@dataclass(frozen=True)
class World:
    """The dashboard's address and the doors of its two servers."""

    url: str
    logs: Gate
    metrics: Gate


@pytest.fixture(scope="module")
def world(
    elasticsearch9: str,
    app_server: Callable[..., AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    folder, now = tmp_path_factory.mktemp("outage"), datetime.now(UTC)
    logs = Indices(elasticsearch9)
    logs.put(document(n, now - timedelta(minutes=1) - n * timedelta(seconds=20)) for n in range(30))
    with prometheus(folder / "prometheus") as server, Gate(elasticsearch9) as elastic, Gate(server.url) as metrics:
        server.write(requests_until(now + timedelta(minutes=6)))
        with app_server(
            folder / "data",
            ELASTICSEARCH_NODE=elastic.url,
            HALO_OPS_ES_INDEX=f"{logs.prefix}-*",
            PROMETHEUS_URL=metrics.url,
        ) as url:
            yield World(url, elastic, metrics)
    logs.close()


def document(number: int, at: datetime) -> tuple[str, str, dict[str, object]]:
    """An error of our template."""
    return (
        f"{at:%Y.%m.%d}", f"e{number}",
        {"timestamp": at.isoformat(), "@timestamp": at.isoformat(), "level": "ERROR", "service": "crm", "message": "Operation Failed",
         "event": "operation.error", "operation": "lead.push", "error": "CRM says no", "pattern": "CRM says no", "pattern_id": "p1"},
    )  # fmt: skip


def requests_until(end: datetime) -> Samples:
    """Half an hour of a counter in which one request of ten fails."""
    first_ms = int((end - timedelta(minutes=30)).timestamp() * 1000)
    ts_ms = np.arange(first_ms, int(end.timestamp() * 1000), 15_000, dtype="int64")
    labels = tuple({"__name__": "http_requests_total", "job": "crm", "status_code": code} for code in ("200", "503"))
    count = len(ts_ms)
    values = [np.arange(count) * 9.0, np.arange(count) * 1.0]
    return Samples(labels, np.repeat(np.arange(2, dtype="int32"), count), np.tile(ts_ms, 2), np.concatenate(values))


OLD = re.compile(r"does not answer since (\d\d:\d\d:\d\d): this is from")


def test_a_stopped_server_costs_its_own_cards_and_they_come_back_by_themselves(
    world: World, visit: Callable[..., Page], page: Page
) -> None:
    visit(f"{world.url}/errors?range=15m&refresh=10s&zone=UTC", charts=2)
    page.evaluate("window.neverReloaded = true")
    before = figures(page)
    assert before[:2] == ["30", "100 %"]
    expect(page.get_by_text(OLD)).to_have_count(0)

    stopped = datetime.now(UTC)
    world.metrics.shut()
    only_old(page, METRICS, stopped)
    assert figures(page) == before

    stopped = datetime.now(UTC)
    world.metrics.open()
    world.logs.shut()
    only_old(page, LOGS, stopped)
    assert figures(page) == before
    assert httpx.get(f"{world.url}/livez", trust_env=False).status_code == 200

    world.logs.open()
    expect(page.get_by_text(OLD)).to_have_count(0, timeout=SOON_MS)
    expect(page.get_by_text("does not answer")).to_have_count(0, timeout=SOON_MS)
    assert figures(page) == before
    assert page.evaluate("window.neverReloaded") is True


def figures(page: Page) -> list[str]:
    """What the page's first card says, in words."""
    return page.get_by_test_id("stMetricValue").all_inner_texts()[:3]


def only_old(page: Page, source: str, stopped: datetime) -> None:
    """Waits until cards show old values of `source`, said to be down since it was, and of nothing else; none is empty."""
    told = page.get_by_text(OLD)
    mine = told.filter(has_text=source)
    expect(mine.first).to_be_visible(timeout=SOON_MS)
    expect(told.filter(has_not_text=source)).to_have_count(0, timeout=SOON_MS)
    expect(page.get_by_text("Source down")).to_have_count(0)
    said = OLD.search(mine.first.inner_text())
    assert said is not None
    since = datetime.combine(stopped, time.fromisoformat(said[1]), UTC) - stopped.replace(microsecond=0)
    assert since % timedelta(days=1) <= datetime.now(UTC) - stopped + timedelta(seconds=1)  # also over midnight
