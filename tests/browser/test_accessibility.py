"""Every page for people who do not see or point as most do: judged by axe-core in both themes, walked by keyboard, at 390 px."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from lib.ui.pages import PAGES, Entry
from tests import npm
from tests.seed import NOW, empty_stores, fill

from .conftest import opened, until

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.timeout(300)]
Serve = Callable[..., AbstractContextManager[str]]
HOURS = f"range={NOW - timedelta(hours=3):%Y-%m-%dT%H:%M}/{NOW:%Y-%m-%dT%H:%M}&zone=UTC&refresh=Off"
WIDE = ViewportSize(width=1440, height=1600)
WIDTH = "Math.max(document.documentElement.scrollWidth, document.querySelector('.stMain').scrollWidth)"
STREAMLITS_OWN = {"scrollable-region-focusable": "<pre "}
"""What axe finds and we cannot change, by its rule and how the element begins.

The box of `st.code` with a height scrolls and takes no attribute of ours; browsers let Tab reach what scrolls by themselves.
"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script that judges a page."""
    modules = npm.installed(Path(__file__).parent / "node", "axe")
    return (modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory, app_server: Serve) -> Iterator[str]:
    """The product on three hours of a small integration."""
    folder = tmp_path_factory.mktemp("accessibility")
    with empty_stores(folder) as stores:
        fill(stores)
    kept = {"HALO_OPS_RETENTION_LOGS_DAYS": "3650", "HALO_OPS_RETENTION_METRICS_DAYS": "3650"}
    with app_server(folder, **kept) as url:
        yield url


@pytest.fixture(scope="module")
def viewer(browser: Browser) -> Iterator[Page]:
    """One viewer, who goes from page to page: scripts are loaded once."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    yield context.new_page()
    context.close()


def found(page: Page) -> list[str]:
    """What axe has to say of the page as it is drawn now, a line per rule and element."""
    judged: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:160]} {node['failureSummary']}"
        for rule in judged["violations"]
        for node in rule["nodes"]
        if not node["html"].startswith(STREAMLITS_OWN.get(rule["id"], "\0"))
    ]


def at(viewer: Page, url: str, charts: int = 0) -> Page:
    """The page at an address, wide and in the light theme, with the frame's own styles and keys."""
    viewer.set_viewport_size(WIDE)
    viewer.emulate_media(color_scheme="light")
    opened(viewer, url, charts)
    expect(viewer.locator("html")).to_have_attribute("data-halo", "light")
    return viewer


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.title)
def test_a_page_can_be_read_and_heard_in_both_themes_and_held_in_a_hand(
    entry: Entry, viewer: Page, seeded: str, axe: str
) -> None:
    at(viewer, f"{seeded}/{entry.url_path}?{HOURS}")
    expect(viewer.get_by_role("heading", level=1)).to_be_visible()
    viewer.wait_for_timeout(700)  # cards come one after another; what is not there yet is not judged
    viewer.evaluate(axe)

    in_light = found(viewer)
    viewer.emulate_media(color_scheme="dark")
    expect(viewer.locator("html")).to_have_attribute("data-halo", "dark")

    in_dark = found(viewer)
    viewer.set_viewport_size({"width": 390, "height": 844})

    assert (in_light, in_dark) == ([], [])
    until(lambda: viewer.evaluate(WIDTH) <= 390, viewer, within_s=10)  # tables follow a little later


MARK = """() => { let n = 0;
  for (const one of document.querySelectorAll("a[href], button:not([disabled]), input:not([disabled]), summary"))
    if (one.checkVisibility({visibilityProperty: true, opacityProperty: true}) && one.tabIndex >= 0
        && one.getBoundingClientRect().width > 1) one.dataset.reach = ++n;
  return n; }"""
FOCUSED = """() => { const one = document.activeElement?.closest("[data-reach]"); return one ? Number(one.dataset.reach) : 0; }"""
NAMES = """(numbers) => numbers.map(n => document.querySelector(`[data-reach="${n}"]`)?.outerHTML.slice(0, 160))"""


def test_everything_that_can_be_clicked_is_reached_by_tab(viewer: Page, seeded: str) -> None:
    at(viewer, f"{seeded}/errors?{HOURS}", charts=2)
    viewer.wait_for_timeout(1500)
    every = viewer.evaluate(MARK)
    reached: set[int] = set()

    for _ in range(4 * every):  # tables take some for themselves
        viewer.keyboard.press("Tab")
        reached.add(viewer.evaluate(FOCUSED))
        if len(reached - {0}) == every:
            break

    missed = sorted(set(range(1, every + 1)) - reached)
    assert every > 30
    assert viewer.evaluate(NAMES, missed) == []


def test_a_slash_finds_the_filter_of_a_page_and_the_logs_where_there_is_none(viewer: Page, seeded: str) -> None:
    at(viewer, f"{seeded}/setup?{HOURS}")
    expect(viewer.get_by_role("textbox", name="Filter")).to_be_visible()
    viewer.keyboard.press("/")
    expect(viewer.get_by_role("textbox", name="Filter")).to_be_focused()

    at(viewer, f"{seeded}/?{HOURS}", charts=3)
    viewer.keyboard.press("/")
    expect(viewer.get_by_role("heading", name="Logs", exact=True)).to_be_visible()
    viewer.keyboard.press("/")
    expect(viewer.get_by_role("searchbox")).to_be_focused()


def test_the_keys_are_told_by_a_question_mark(viewer: Page, seeded: str) -> None:
    at(viewer, f"{seeded}/?{HOURS}", charts=3)

    viewer.keyboard.press("?")

    expect(viewer.get_by_text("next and previous error, on Errors and Logs")).to_be_visible()


def test_a_button_that_cannot_be_pressed_yet_can_still_be_read_in_the_dark(viewer: Page, seeded: str) -> None:
    at(viewer, f"{seeded}/alert-test?{HOURS}")
    viewer.emulate_media(color_scheme="dark")
    expect(viewer.locator("html")).to_have_attribute("data-halo", "dark")

    send = viewer.get_by_role("button", name="Send [TEST]")

    expect(send).to_be_disabled()
    assert send.evaluate("one => getComputedStyle(one).color") != "rgb(15, 20, 26)"
