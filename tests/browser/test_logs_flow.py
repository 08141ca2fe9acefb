"""The Logs page as somebody uses it: type, open, filter out, follow, and send the address to a colleague."""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.sync_api import Page, expect

from lib.ui.pages import PAGES

pytestmark = pytest.mark.browser
Visit, Poll = Callable[..., Page], Callable[..., None]


@pytest.fixture(scope="module")
def served(
    app_server: Callable[..., AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("flow")
    lines = []
    for n in range(12):
        at = (datetime.now(UTC) - timedelta(minutes=5, seconds=-n)).isoformat()
        head = {"timestamp": at, "service": "crm", "requestId": f"req-{n // 3}", "email": "jane.roe@example.com"}
        lines.append({**head, "level": "info", "message": "API Request Started"})
        lines.append({**head, "level": "error", "message": "Operation Failed", "operation": ("push", "pull")[n % 2],
                      "error": f"gave up after {n} s", "stack": "Error: gave up\n    at push (a.js:1)"})  # fmt: skip
    (folder / "combined.log").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with app_server(folder / "data", HALO_OPS_LOG_FILES=str(folder / "combined*.log")) as url:
        deadline = time.monotonic() + 30
        while httpx.get(f"{url}/api/health", trust_env=False).json()["tail"]["records"] < len(lines):
            assert time.monotonic() < deadline, "the lines were not read"
            time.sleep(0.1)
        yield url


def tick_first_row(page: Page, table: int = 0) -> None:
    page.wait_for_timeout(2000)  # a table that is just drawn anew is soon not this one any more, and takes no click yet
    grid = page.locator("[data-testid=stDataFrame]").nth(table)
    grid.scroll_into_view_if_needed()
    grid.locator(".dvn-scroller").click(position={"x": 18, "y": 52})


def test_from_a_typed_query_to_a_followed_request_and_back_by_its_address(
    served: str, visit: Visit, poll: Poll, page: Page
) -> None:
    visit(f"{served}/logs?range=1h&refresh=Off", charts=1)
    expect(page.get_by_text("Showing 24 of 24")).to_be_visible()

    page.keyboard.press("/")
    page.keyboard.type('"gave up" level:error')
    page.keyboard.press("Enter")
    expect(page.get_by_text("Showing 12 of 12")).to_be_visible()

    tick_first_row(page)
    expect(page.get_by_role("button", name="Filter out operation")).to_be_visible()
    expect(page.get_by_text("j***@example.com")).to_be_visible()
    assert page.get_by_text("jane.roe").count() == 0
    page.get_by_role("button", name="Filter out operation").click()
    expect(page.get_by_text("Showing 6 of 6")).to_be_visible()

    page.get_by_role("button", name="Follow its request").click()
    expect(page.get_by_text(re.compile(r"6 records over"))).to_be_visible()
    poll(lambda: all(part in page.url for part in ("q=", "record=", "follow=", "operation")))

    page.reload()
    expect(page.get_by_text("Showing 6 of 6")).to_be_visible()
    expect(page.get_by_text(re.compile(r"6 records over"))).to_be_visible()
    expect(page.get_by_role("button", name="Filter out operation")).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value(re.compile('"gave up" level:error NOT operation'))


def test_a_wrong_query_is_pointed_at(served: str, visit: Visit) -> None:
    page = visit(f"{served}/logs?range=1h&refresh=Off&q=level:error+(gave")

    expect(page.get_by_text("This cannot be asked")).to_be_visible()
    expect(page.locator("[data-testid=stCode]")).to_contain_text("^")


def test_the_keys_n_and_N_go_from_error_to_error(served: str, visit: Visit, poll: Poll) -> None:
    page = visit(f"{served}/logs?range=1h&refresh=Off", charts=1)
    expect(page.get_by_role("button", name="Next error (n)")).to_be_enabled()

    page.keyboard.press("n")
    poll(lambda: "record=" in page.url)
    first = page.url.partition("record=")[2]
    expect(page.get_by_text("gave up after 11 s").locator("visible=true").first).to_be_visible()
    page.keyboard.press("n")
    poll(lambda: page.url.partition("record=")[2] not in ("", first))
    expect(page.get_by_text("gave up after 10 s").locator("visible=true").first).to_be_visible()

    expect(page.get_by_role("button", name="Previous error (N)")).to_be_enabled()
    page.keyboard.press("N")
    poll(lambda: page.url.partition("record=")[2] == first)


@pytest.mark.parametrize("address", ["logs?range=1h", "explore?range=1h&expr=up"])
def test_nothing_is_beyond_the_edge_of_a_narrow_screen(served: str, visit: Visit, page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})

    visit(f"{served}/{address}&refresh=Off")
    page.wait_for_timeout(1000)

    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 390
    assert {entry.url_path for entry in PAGES} >= {"logs", "explore"}


def test_a_file_has_the_times_of_the_viewer_who_clicked_for_it(served: str, visit: Visit, page: Page) -> None:
    """The browser is in Berlin, the server and its team are not."""
    visit(f"{served}/logs?range=1h&refresh=Off", charts=1)

    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV, 24 rows").click()

    offset = datetime.now(ZoneInfo("Europe/Berlin")).strftime("%z")
    rows = list(csv.DictReader(Path(saved.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    assert saved.value.suggested_filename.endswith("_Europe-Berlin.csv")
    assert len(rows) == 24
    assert {row["ts"][-6:] for row in rows} == {f"{offset[:3]}:{offset[3:]}"}
