"""Text from logs, labels and /health that wants to be more than text stays text on every page (attack A3)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from lib.ui.pages import PAGES

pytestmark = pytest.mark.browser

HOSTILE = (
    "<img src=http://evil.example/a.png onerror=document.title='owned'>"
    "<script>document.title='owned'</script>![x](http://evil.example/b.png) [y](javascript:alert(1)) :red[z] $\\href{http://evil.example}{w}$"
)


def records() -> Iterator[dict[str, object]]:
    """One record of every shape that pages read, hostile wherever a text may stand."""
    head = {"timestamp": datetime.now(UTC).isoformat(), "service": HOSTILE, "version": HOSTILE}
    yield {**head, "level": "ERROR", "message": HOSTILE, "event": "operation.error", "operation": HOSTILE,
           "error": HOSTILE, "stack": HOSTILE, "leadId": HOSTILE, HOSTILE: HOSTILE}  # fmt: skip
    yield {**head, "level": "INFO", "message": "HTTP Request", "method": HOSTILE, "url": f"/{HOSTILE}", "status": 500,
           "duration": 12, "userAgent": HOSTILE}  # fmt: skip
    yield {**head, "level": "INFO", "message": "Data Synchronization Completed", "event": "sync.completed",
           "source": HOSTILE, "stats": {"processed": 3, "successful": 1, "failed": 2, "duration": 5}}  # fmt: skip
    yield {
        **head,
        "level": "INFO",
        "message": "Lead Created",
        "event": "lead.created",
        "source": HOSTILE,
        "leadId": "1",
    }


def exposition() -> str:
    """Metrics whose label values are hostile."""
    value = HOSTILE.replace("\\", "\\\\").replace('"', '\\"')
    now = datetime.now(UTC).timestamp()
    return "\n".join(
        [
            f'http_requests_total{{method="GET",route="{value}",status_code="{value}"}} {now}',
            f'queue_size{{queue_name="{value}"}} 5000',
            f'lead_sync_total{{source="{value}",status="failed"}} {now}',
            f'lead_conversion_rate{{timeframe="{value}"}} 0.2',
            f'opportunities_created_total{{value_range="{value}"}} {now}',
            f'db_query_duration_seconds_bucket{{query_type="{value}",le="+Inf"}} {now}',
            f'db_errors_total{{error_type="{value}"}} {now}',
            "",
        ]
    )


class Service(BaseHTTPRequestHandler):
    """A monitored service that means harm."""

    def do_GET(self) -> None:
        check = {"status": "unhealthy", "error": HOSTILE}
        health = {"status": "unhealthy", "version": HOSTILE, "checks": {HOSTILE: check, "database": check}}
        body = exposition() if self.path == "/metrics" else json.dumps(health)
        self.send_response(200 if self.path == "/metrics" else 503)
        self.send_header("content-type", "text/plain" if self.path == "/metrics" else "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing: the test's output is the test's."""


@pytest.fixture(scope="module")
def hostile(
    app_server: Callable[..., AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("hostile")
    (folder / "combined.log").write_text("".join(json.dumps(r) + "\n" for r in records()), encoding="utf-8")
    service = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{service.server_port}"
    settings = {
        "HALO_OPS_LOG_FILES": str(folder / "combined*.log"), "HALO_OPS_SCRAPE_TARGETS": f"{base}/metrics",
        "HALO_OPS_HEALTH_TARGETS": f"{base}/health", "HALO_OPS_SCRAPE_INTERVAL_S": "1",
        "HALO_OPS_PROBE_INTERVAL_S": "1", "HALO_OPS_PROBE_FAILURES": "1",
    }  # fmt: skip
    with app_server(folder / "data", **settings) as url:
        yield url
    service.shutdown()
    service.server_close()


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.title)
def test_hostile_text_fetches_nothing_and_runs_nothing(
    entry: object, hostile: str, page: Page, visit: Callable[..., Page], foreign: list[str]
) -> None:
    visit(f"{hostile}/{entry.url_path}?range=15m")  # type: ignore[attr-defined]
    page.wait_for_timeout(2500)

    harmless(page, foreign)
    assert page.title().endswith("Halo Ops") or entry.title in page.title()  # type: ignore[attr-defined]


def harmless(page: Page, foreign: list[str]) -> None:
    """Nothing of the text was fetched, run, or became a link."""
    assert foreign == []
    assert page.locator("[onerror]").count() == 0
    assert page.locator("a[href*='evil.example'], a[href^='javascript'], img[src*='evil.example']").count() == 0
    assert "owned" not in page.title()


def test_hostile_text_in_the_answers_of_checked_sources_stays_text(
    hostile: str, page: Page, visit: Callable[..., Page], foreign: list[str]
) -> None:
    visit(f"{hostile}/setup")
    page.get_by_role("button", name="Check all").click()
    page.get_by_text("Look at it").first.wait_for(timeout=20_000)  # the service reports none of the other checks
    page.wait_for_timeout(1000)

    assert foreign == []
    assert page.locator("[onerror]").count() == 0
    assert page.locator("a[href*='evil.example'], a[href^='javascript'], img[src*='evil.example']").count() == 0
    assert "owned" not in page.title()


def test_hostile_text_in_an_open_record_and_on_a_time_line_stays_text(
    hostile: str, page: Page, visit: Callable[..., Page], foreign: list[str]
) -> None:
    visit(f"{hostile}/logs?range=15m&refresh=Off&follow=lead_id:1&q=_exists_:stack&columns=message&columns=stack")
    page.locator("[data-testid=stDataFrame]").first.locator(".dvn-scroller").click(position={"x": 18, "y": 52})
    page.get_by_role("button", name="Filter out level").wait_for()
    harmless(page, foreign)

    for view in ("Stack", "JSON", "Around it"):
        page.get_by_role("radio", name=view, exact=True).click()
        page.wait_for_timeout(1500)
        harmless(page, foreign)


@pytest.mark.parametrize("expression", ["queue_size", "http_requests_total", "rate(![x](http://evil.example/b.png"])
def test_hostile_labels_and_expressions_stay_text(
    hostile: str, page: Page, visit: Callable[..., Page], foreign: list[str], expression: str
) -> None:
    visit(f"{hostile}/explore?range=15m&refresh=Off&expr={quote(expression)}")
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Insert").click()
    page.get_by_text("Shape").wait_for()

    harmless(page, foreign)


def test_a_table_offers_only_the_download_that_makes_formulas_harmless(
    hostile: str, page: Page, visit: Callable[..., Page]
) -> None:
    visit(f"{hostile}/errors?range=15m&refresh=Off")
    table = page.locator("[data-testid=stDataFrame]").first
    table.hover()
    page.get_by_role("button", name="Search").first.wait_for()  # the table's tools are there

    tools = page.locator("[data-testid=stElementToolbar] button")
    assert page.locator("[data-testid=stElementToolbar] button[aria-label*=CSV]").count() > 0, "look for it anew"
    assert [name for name in (tools.nth(i) for i in range(tools.count())) if name.is_visible()
            and "CSV" in (name.get_attribute("aria-label") or name.inner_text())] == []  # fmt: skip


def test_the_hostile_text_did_arrive(hostile: str, page: Page, visit: Callable[..., Page]) -> None:
    visit(f"{hostile}/?range=15m")

    page.get_by_text("unhealthy").first.wait_for(timeout=15_000)
