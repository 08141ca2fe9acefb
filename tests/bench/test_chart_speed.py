"""How fast and how small charts are: the component against the same figures drawn by Streamlit itself, side by side."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
from conftest import DRAWN, ROOT, free_port, opened, serving

pytestmark = [pytest.mark.bench, pytest.mark.browser]
ROUNDS, WARM_UP = 10, 2
BARE = "() => document.querySelectorAll('.js-plotly-plot .main-svg').length >= 12"


@pytest.fixture(scope="module")
def wall_page() -> Iterator[tuple[Page, str]]:
    port = free_port()
    server = [str(ROOT / "tests" / "browser" / "wall" / "server.py"), str(port)]
    with serving(server, port) as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium.new_page(viewport={"width": 1440, "height": 1000}), url
        chromium.close()


def click_to_drawn_ms(page: Page, link: str, drawn: str) -> float:
    """From the click on the menu to the last of six charts, on the browser's own clock; starts on the page without charts."""
    page.get_by_role("link", name="States").click()
    page.wait_for_selector("h1:has-text('States')")
    page.wait_for_timeout(700)
    script = """([link, drawn]) => new Promise(done => {
        const ready = (%s), began = performance.now();
        [...document.querySelectorAll('[data-testid=stPageLink] a')].find(a => a.textContent.includes(link)).click();
        const look = () => ready() ? done(performance.now() - began) : requestAnimationFrame(look);
        requestAnimationFrame(look);
    })"""
    return float(page.evaluate(script % drawn, [link, ""]))


def test_a_page_of_charts_is_drawn_as_fast_as_a_bare_one(wall_page: tuple[Page, str]) -> None:
    page, url = wall_page
    opened(page, f"{url}/states?refresh=Off")
    times: dict[str, list[float]] = {"Charts": [], "Bare": []}

    for _ in range(WARM_UP + ROUNDS):
        times["Charts"].append(click_to_drawn_ms(page, "Charts", f"() => ({DRAWN})() >= 6"))
        times["Bare"].append(click_to_drawn_ms(page, "Bare", BARE))

    ours, bare = (statistics.median(values[WARM_UP:]) for values in times.values())
    print(f"\nclick to last chart, median of {ROUNDS}: ours {ours:.0f} ms, bare {bare:.0f} ms, ratio {ours / bare:.2f}")
    assert ours <= 1.1 * bare


def test_a_refresh_of_six_charts_costs_at_most_100_kib(wall_page: tuple[Page, str]) -> None:
    page, url = wall_page
    received: list[int] = []
    page.on("websocket", lambda s: s.on("framereceived", lambda data: received.append(len(data))))
    opened(page, f"{url}/?refresh=10s", 6)
    page.wait_for_timeout(1000)
    drawn = page.evaluate("() => [...document.querySelectorAll('.live-chart')].map(c => +c.dataset.rendered)")
    received.clear()

    deadline = time.monotonic() + 30
    renewed = "before => [...document.querySelectorAll('.live-chart')].every((c, i) => +c.dataset.rendered > before[i])"
    while not page.evaluate(renewed, drawn):
        assert time.monotonic() < deadline, "no refresh came"
        page.wait_for_timeout(50)
    page.wait_for_timeout(300)

    print(f"\none refresh of six charts (and the header): {sum(received) / 1024:.1f} KiB in {len(received)} frames")
    assert sum(received) > 6 * 5 * 300 * 4, "what was counted holds the data"
    assert sum(received) <= 100 * 1024
