"""The frame in Chromium: addresses, widths, keys, and text from outside."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from lib.ui.pages import PAGES, Entry

pytestmark = pytest.mark.browser
Visit, Poll = Callable[..., Page], Callable[..., None]
Serve = Callable[..., AbstractContextManager[str]]


@pytest.mark.parametrize("address", ["states", "bare"])
def test_a_deep_link_gets_the_frame(wall: str, visit: Visit, address: str) -> None:
    page = visit(f"{wall}/{address}?range=3h")

    expect(page.locator(".st-key-range_popover")).to_contain_text("Last 3h")
    expect(page.locator(".st-key-header")).to_contain_text("DEMO")


@pytest.mark.parametrize("entry", [e for e in PAGES if e.path.exists()], ids=lambda e: e.title)
def test_a_deep_link_that_is_the_first_request_of_a_server_gets_the_frame(
    entry: Entry, visit: Visit, tmp_path: Path, app_server: Serve
) -> None:
    with app_server(tmp_path) as url:
        page = visit(f"{url}/{entry.url_path}?range=3h")

        expect(page.locator(".st-key-range_popover")).to_contain_text("Last 3h")
        expect(page.get_by_role("link", name=entry.title).first).to_be_visible()


def test_the_range_survives_a_change_of_page_and_is_in_its_address(wall: str, visit: Visit, poll: Poll) -> None:
    page = visit(f"{wall}/?range=3h&refresh=Off")

    page.get_by_role("link", name="States").click()

    poll(lambda: "/states?" in page.url and "range=3h" in page.url and "refresh=Off" in page.url)
    expect(page.locator(".st-key-range_popover")).to_contain_text("Last 3h")

    page.go_back()
    expect(page.get_by_role("heading", name="Charts", exact=True)).to_be_visible()
    assert "range=3h" in page.url


def test_a_link_that_is_clicked_before_the_controls_are_there_loses_nothing(wall: str, page: Page, poll: Poll) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/*Selectbox*.js", hold, times=1)
    page.goto(f"{wall}/?range=3h&refresh=Off&zone=UTC&compare=true")

    page.get_by_role("link", name="States").click()
    poll(lambda: held)
    held[0].continue_()

    kept = ("/states?", "range=3h", "refresh=Off", "zone=UTC", "compare=true")
    poll(lambda: all(part in page.url for part in kept))
    expect(page.locator(".st-key-range_popover")).to_contain_text("Last 3h")
    expect(page.locator(".st-key-header")).to_contain_text("UTC")


def test_a_preset_changes_the_address_and_can_be_taken_back(wall: str, visit: Visit, poll: Poll) -> None:
    page = visit(f"{wall}/states?range=1h")

    page.locator(".st-key-range_popover button").first.click()
    page.get_by_role("radio", name="12h", exact=True).click()
    poll(lambda: "range=12h" in page.url)
    page.keyboard.press("Escape")
    page.locator(".st-key-range_back button").first.click()

    poll(lambda: "range=1h" in page.url)


def test_a_range_that_is_none_is_said_and_the_page_stays(wall: str, visit: Visit) -> None:
    page = visit(f"{wall}/states?range=yesteryear")

    expect(page.locator(".st-key-range_popover")).to_contain_text("not a range")
    expect(page.get_by_role("heading", name="States", exact=True)).to_be_visible()


def test_keys_pause_and_open_the_range(wall: str, visit: Visit, poll: Poll) -> None:
    page = visit(f"{wall}/states")
    poll(lambda: page.evaluate("document.documentElement.style.getPropertyValue('--halo-primary')"))
    # a key presses what is drawn, and the frame may still come
    expect(page.locator(".st-key-pause button").first).to_be_visible()

    page.keyboard.press("t")
    expect(page.get_by_role("textbox", name="Or type one")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("p")

    expect(page.locator(".st-key-pause")).to_contain_text("play_arrow")


@pytest.mark.parametrize("address", ["", "states"])
def test_a_narrow_screen_has_nothing_beyond_its_edge(wall: str, visit: Visit, page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})

    visit(f"{wall}/{address}")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 390


def test_text_from_outside_fetches_and_runs_nothing(wall: str, visit: Visit, foreign: list[str]) -> None:
    page = visit(f"{wall}/states")

    expect(page.get_by_text("Source down")).to_be_visible()
    assert foreign == []
    assert page.locator("[onerror], .stMain img, .stMain a[href*='evil']").count() == 0
    assert page.title() == "Halo Ops"


def test_nothing_is_fetched_from_elsewhere(wall: str, visit: Visit, foreign: list[str]) -> None:
    visit(f"{wall}/", charts=6)

    assert foreign == []


def test_the_header_says_what_is_wrong_with_collection(wall: str, visit: Visit) -> None:
    header = visit(f"{wall}/states").locator(".st-key-header")

    expect(header).to_contain_text(re.compile(r"Logs \d+ s ago"))
    expect(header).to_contain_text("Scrape 1 of 2 failing")
    expect(header).to_contain_text("2.4 MiB lost ◆ 3 lines unread")
    expect(header).to_contain_text("the old file is metrics.duckdb.corrupt-x")
    expect(header).to_contain_text("Europe/Berlin")


@pytest.mark.parametrize("width", [390, 1440])
def test_the_runbook_link_of_an_alert_leads_to_its_own_part(dashboard: str, page: Page, width: int) -> None:
    """Regression: the parts had other names than the links, so that every link ended at the top of the page."""
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{dashboard}/runbooks#channelbroken")
    expect(page.get_by_role("heading", name="ChannelBroken")).to_be_in_viewport()

    page.goto(f"{dashboard}/runbooks")
    page.get_by_role("link", name="QueueBacklog", exact=True).click()
    expect(page.get_by_role("heading", name="QueueBacklog")).to_be_in_viewport()
