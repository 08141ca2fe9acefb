"""The chart component in Chromium: what a refresh keeps, what a drag does, what the theme changes."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
Visit, Poll = Callable[..., Page], Callable[..., None]
CHART = ".live-chart"


def drawings(page: Page) -> int:
    return int(page.evaluate(f"Number(document.querySelector('{CHART}').dataset.rendered)"))


def shown(page: Page, part: str) -> object:
    return page.evaluate(f"(() => {{ const c = document.querySelector('{CHART}'); return {part}; }})()")


def refresh(page: Page, poll: Poll) -> None:
    before = shown(page, "Array.from(c._fullData[0].y).join()")
    page.locator(".st-key-refresh_now button").first.click()
    poll(lambda: shown(page, "Array.from(c._fullData[0].y).join()") != before)


def plot_area(page: Page) -> dict[str, float]:
    chart: Locator = page.locator(f"{CHART} .nsewdrag").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    return dict(box)


def drag(page: Page) -> None:
    box = plot_area(page)
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.3, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=4)
    page.mouse.move(box["x"] + box["width"] * 0.6, y, steps=4)
    page.mouse.up()


def test_a_refresh_keeps_the_chart_its_legend_and_its_zoom(wall: str, visit: Visit, poll: Poll) -> None:
    page = visit(f"{wall}/?refresh=Off", charts=6)
    page.evaluate(f"document.querySelector('{CHART}').dataset.mine = 'yes'")
    page.locator(f"{CHART} .legendtoggle").first.click()
    poll(lambda: shown(page, "c._fullData[0].visible") == "legendonly")
    page.evaluate(f"Plotly.relayout(document.querySelector('{CHART}'), {{'yaxis.range': [40, 60]}})")

    refresh(page, poll)

    assert shown(page, "c.dataset.mine") == "yes"
    assert shown(page, "c._fullData[0].visible") == "legendonly"
    assert shown(page, "c._fullLayout.yaxis.range.join()") == "40,60"


def test_the_timer_alone_brings_new_data_into_the_same_chart(wall: str, visit: Visit, poll: Poll) -> None:
    page = visit(f"{wall}/?refresh=10s", charts=6)
    page.evaluate(f"document.querySelector('{CHART}').dataset.mine = 'yes'")
    before = drawings(page)

    poll(lambda: drawings(page) > before)

    assert shown(page, "c.dataset.mine") == "yes"


def test_a_drag_sets_the_range_of_the_page_and_a_double_click_goes_back(wall: str, visit: Visit, poll: Poll) -> None:
    page = visit(f"{wall}/?range=1h&refresh=Off", charts=6)

    drag(page)

    poll(lambda: "%2F" in page.url or "/20" in page.url.partition("?")[2])
    ends = shown(page, "(new Date(c.layout.xaxis.range[1]) - new Date(c.layout.xaxis.range[0])) / 60000")
    assert 15 <= float(str(ends)) <= 21, "three tenths of an hour"

    box = plot_area(page)
    page.wait_for_timeout(500)  # Plotly takes two clicks right after a drag for part of it
    page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    poll(lambda: "range=1h" in page.url)


def test_every_chart_follows_the_dragged_range(wall: str, visit: Visit, poll: Poll) -> None:
    page = visit(f"{wall}/?range=1h&refresh=Off", charts=6)

    drag(page)

    spans = f"[...document.querySelectorAll('{CHART}')].map(c => c.layout.xaxis.range.map(r => String(r).slice(0, 15)).join())"
    poll(lambda: "%2F" in page.url and len(set(page.evaluate(spans))) == 1)


def test_the_theme_of_the_system_recolours_a_chart_that_is_open(wall: str, visit: Visit, poll: Poll) -> None:
    page = visit(f"{wall}/?refresh=Off", charts=6)
    light = shown(page, "c._fullData[0].line.color")

    page.emulate_media(color_scheme="dark")

    poll(lambda: shown(page, "c._fullData[0].line.color") != light)
    assert shown(page, "c._fullLayout.font.color") != "#1b2430"


def test_a_chart_has_words_for_those_who_do_not_see_it(wall: str, visit: Visit) -> None:
    page = visit(f"{wall}/?refresh=Off", charts=6)

    assert page.get_by_role("img", name="Chart 0: five waves").count() == 1


def test_times_stand_on_the_viewers_clock(wall: str, visit: Visit) -> None:
    span = "range=2026-03-27T09:00/2026-03-27T10:00"

    berlin = shown(visit(f"{wall}/?{span}&refresh=Off", charts=6), "String(c.layout.xaxis.range[0])")
    utc = shown(visit(f"{wall}/?{span}&refresh=Off&zone=UTC", charts=6), "String(c.layout.xaxis.range[0])")

    assert str(berlin).replace(" ", "T").startswith("2026-03-27T09:00")
    assert str(utc).replace(" ", "T").startswith("2026-03-27T09:00")
