"""Tables in Chromium: a click opens a row, the address keeps it, a key goes on to the next."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from lib.logs.duckdb import DuckLogs
from tests.seed import NOW, batch, empty_stores, fill, record

pytestmark = pytest.mark.browser
Visit, Poll = Callable[..., Page], Callable[..., None]
Serve = Callable[..., AbstractContextManager[str]]
HOURS = f"range={NOW - timedelta(hours=3):%Y-%m-%dT%H:%M}/{NOW:%Y-%m-%dT%H:%M}&zone=UTC&refresh=Off"


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory, app_server: Serve) -> Iterator[str]:
    """The product on three hours with a dozen routes."""
    folder = tmp_path_factory.mktemp("tables")
    with empty_stores(folder) as stores:
        fill(stores)
        assert isinstance(stores.logs, DuckLogs)
        rows = [
            record(NOW - timedelta(minutes=5), message="HTTP Request", method="GET", route=f"/api/r{n}", status=200,
                   duration_ms=5.0)
            for n in range(12)
        ]  # fmt: skip
        stores.logs.write(batch([row | {"id": f"more{n}"} for n, row in enumerate(rows)]))
    kept = {"HALO_OPS_RETENTION_LOGS_DAYS": "3650", "HALO_OPS_RETENTION_METRICS_DAYS": "3650"}
    with app_server(folder, **kept) as url:
        yield url


def click_cell(page: Page, table: str, row: int) -> None:
    box = page.locator(f".st-key-{table} canvas, [class*='st-key-{table}_'] canvas").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 120, box["y"] + 35 * (row + 1) + 17)


def test_a_click_opens_a_pattern_the_address_keeps_it_and_the_keys_go_on(seeded: str, visit: Visit, poll: Poll) -> None:
    page = visit(f"{seeded}/errors?{HOURS}", charts=2)

    click_cell(page, "patterns", 0)
    poll(lambda: "pattern_id=" in page.url)
    expect(page.get_by_text("Newest record of the pattern")).to_be_visible()
    first = page.url.partition("pattern_id=")[2]

    page.keyboard.press("n")
    poll(lambda: "pattern_id=" in page.url and page.url.partition("pattern_id=")[2] != first)

    expect(page.get_by_role("button", name="Previous error (N)")).to_be_enabled()
    page.keyboard.press("N")
    poll(lambda: page.url.partition("pattern_id=")[2] == first)

    linked = visit(page.url, charts=2)
    expect(linked.get_by_text("Newest record of the pattern")).to_be_visible()


def test_a_click_on_any_other_table_shows_the_row_whole_as_json(seeded: str, visit: Visit) -> None:
    page = visit(f"{seeded}/errors?{HOURS}", charts=2)
    page.locator(".st-key-versions canvas").first.scroll_into_view_if_needed()

    click_cell(page, "versions", 0)

    expect(page.locator("[data-testid=stCode]").filter(has_text='"version"')).to_be_visible()


def test_a_long_table_is_filtered_by_words_in_its_file_and_its_address_too(
    seeded: str, visit: Visit, poll: Poll
) -> None:
    page = visit(f"{seeded}/performance?{HOURS}", charts=6)
    expect(page.get_by_text("CSV, 14 rows")).to_be_visible()

    page.get_by_role("textbox", name="Filter 14 rows").fill("API/r1")
    page.keyboard.press("Enter")

    expect(page.get_by_text("Showing 3 of 14")).to_be_visible()
    poll(lambda: "find_routes=API" in page.url)
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV, 3 rows").click()
    lines = saved.value.path().read_text("utf-8-sig").splitlines()
    assert sorted(line.split(",")[1] for line in lines[1:]) == ["/api/r1", "/api/r10", "/api/r11"]

    linked = visit(page.url, charts=6)
    expect(linked.get_by_text("Showing 3 of 14")).to_be_visible()
    expect(linked.get_by_role("textbox", name="Filter 14 rows")).to_have_value("API/r1")

    linked.get_by_role("textbox", name="Filter 14 rows").fill("nowhere")
    linked.keyboard.press("Enter")
    linked.get_by_role("button", name="Clear the filter").click()

    expect(linked.get_by_text("CSV, 14 rows")).to_be_visible()
    poll(lambda: "find_routes" not in linked.url)
