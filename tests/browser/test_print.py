"""On paper, in Chromium: dark becomes light, and a chart fits the narrower card."""

from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image, ImageStat
from playwright.sync_api import Page

pytestmark = pytest.mark.browser
Visit, Poll = Callable[..., Page], Callable[..., None]

BEYOND = """() => [...document.querySelectorAll('.live-chart')].filter(chart => {
    const drawn = chart.querySelector('.cartesianlayer').getBoundingClientRect();
    return drawn.width < 50 || drawn.right > chart.getBoundingClientRect().right + 1;
}).length"""


def brightness(page: Page) -> float:
    """Of the window's mean pixel, 0-255."""
    return float(ImageStat.Stat(Image.open(BytesIO(page.screenshot())).convert("L")).mean[0])


def test_the_dark_theme_prints_on_white(wall: str, visit: Visit, page: Page, poll: Poll) -> None:
    page.emulate_media(color_scheme="dark")
    visit(f"{wall}/?refresh=Off", charts=6)
    poll(lambda: page.evaluate("document.documentElement.dataset.halo") == "dark")
    assert brightness(page) < 60

    page.emulate_media(color_scheme="dark", media="print")

    poll(lambda: brightness(page) > 220)


def test_a_chart_fits_a_card_that_is_narrower_on_paper(wall: str, visit: Visit) -> None:
    page = visit(f"{wall}/?refresh=Off", charts=6)
    page.add_style_tag(content="@media print { .stApp { width: 400px !important; } }")
    page.evaluate(
        "window.addEventListener('beforeprint', () => window.boxes = document.querySelectorAll('.main-svg[viewBox]').length)"
    )

    page.pdf()

    assert page.evaluate("window.boxes") >= 6
    assert page.locator(".main-svg[viewBox]").count() == 0, "on the screen they follow the window again"

    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate(BEYOND) == 0
