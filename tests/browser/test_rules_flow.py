"""A rule's limit is changed by an admin in a real browser: chart, replay, diff, history, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from lib.metrics.duckdb import DuckMetrics
from tests.rule_past import write_days

pytestmark = pytest.mark.browser
OFTEN = """
groups:
  - name: often
    interval: 1s
    rules:
      - alert: AskedOften
        expr: quantile_over_time(0.9, queue_size[1h]) > 1e9
"""


@pytest.fixture(scope="module")
def rules_server(tmp_path_factory: pytest.TempPathFactory, app_server: Callable[..., object]) -> Iterator[str]:
    """The product over three days of metrics, and a rule of which a replay takes long enough to be cancelled."""
    folder = tmp_path_factory.mktemp("rules")
    metrics = DuckMetrics(folder / "metrics.duckdb")
    write_days(metrics, datetime.now(UTC).replace(microsecond=0), 3)
    metrics.close()
    (folder / "own.yml").write_text(OFTEN, encoding="utf-8")
    with app_server(folder, HALO_OPS_OWN_RULES_FILE=str(folder / "own.yml")) as url:  # type: ignore[attr-defined]
        yield url


def test_a_limit_is_changed_seen_replayed_saved_and_taken_back(
    rules_server: str, visit: Callable[..., Page], poll: Callable[..., None]
) -> None:
    page = visit(f"{rules_server}/rules?rule=HighErrorRate&range=24h", charts=1)
    limit = page.get_by_role("textbox", name="limit")
    expect(limit).to_have_value("0.05")

    limit.fill("0.5")
    limit.press("Enter")
    expect(page.get_by_text("is above 0.5", exact=False).first).to_be_visible()
    expect(page.locator(".live-chart .annotation-text", has_text="is above 0.5")).to_be_visible()

    page.get_by_role("radio", name="Replay").click()
    expect(page.get_by_text("Your change is replayed beside the rule in force")).to_be_visible()
    page.get_by_test_id("stButton").get_by_role("button", name="Replay").click()
    headline = page.get_by_text(re.compile(r"In force now: .* · Edited: 0 notices"))
    expect(headline).to_be_visible(timeout=60_000)
    expect(page.get_by_text(re.compile("History covers (2.9|3) of 7 days"))).to_be_visible()

    page.get_by_role("radio", name="Rule", exact=True).click()
    expect(limit).to_have_value("0.5")
    page.get_by_role("textbox", name="Why").fill("too loud at night")
    page.get_by_role("button", name="Save", exact=True).click()
    asked = page.get_by_role("dialog")
    asked.get_by_role("textbox", name="Your name").fill("Anna")
    asked.get_by_role("button", name="Use this name").click()
    expect(page.get_by_text("Version 1", exact=True).first).to_be_visible()

    page.get_by_role("radio", name="History").click()
    expect(page.get_by_text("> 0.5", exact=False).last).to_be_visible()
    page.get_by_role("textbox", name="Why go back").fill("it was right")
    page.get_by_role("button", name="Back to the shipped rule").click()
    expect(page.get_by_text("As shipped", exact=True).first).to_be_visible()
    assert "rule=HighErrorRate" in page.url
    page.get_by_role("radio", name="Rule", exact=True).click()
    expect(limit).to_have_value("0.05")


def test_a_replay_says_how_far_it_is_and_is_cancelled(rules_server: str, visit: Callable[..., Page]) -> None:
    page = visit(f"{rules_server}/rules?rule=AskedOften&rule_view=Replay&replay_days=30")
    page.get_by_test_id("stButton").get_by_role("button", name="Replay").click()

    expect(page.get_by_test_id("stProgress")).to_contain_text(re.compile("[1-9][0-9]?% of the past"))
    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_text("Cancelled.")).to_be_visible()


def test_a_click_on_a_row_opens_the_rule_and_the_way_back_leads_to_the_list(
    rules_server: str, visit: Callable[..., Page]
) -> None:
    page = visit(f"{rules_server}/rules")
    table = page.get_by_test_id("stDataFrame").first
    expect(table).to_be_visible()
    box = table.bounding_box()
    assert box is not None

    page.mouse.click(box["x"] + 16, box["y"] + 52)

    expect(page.get_by_role("button", name="All rules")).to_be_visible()
    assert "rule=" in page.url
    page.get_by_role("button", name="All rules").click()
    expect(page.get_by_role("button", name="New rule")).to_be_visible()


def test_on_a_phone_the_figures_to_choose_a_limit_by_stand_one_beside_or_under_the_other(
    rules_server: str, page: Page, visit: Callable[..., Page]
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    visit(f"{rules_server}/rules?rule=HighErrorRate&range=24h", charts=1)
    expect(page.get_by_test_id("stMetric")).to_have_count(4)
    words = page.get_by_text("The condition held", exact=False)
    expect(words).to_be_visible()

    boxes = [one.bounding_box() for one in page.get_by_test_id("stMetric").all()]
    under = words.bounding_box()

    assert under is not None
    rows = sorted({round(box["y"]): box["height"] for box in boxes if box is not None}.items())
    edges = [*(y for y, _ in rows), under["y"]]
    assert all(y + height <= below for (y, height), below in zip(rows, edges[1:], strict=True))
