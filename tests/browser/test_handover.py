"""A hand-over between two people: one writes a note and says who they are, the other reads it and takes over."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import opened

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def name(page: Page, who: str) -> None:
    """Answers the question who one is."""
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Your name").fill(who)
    dialog.get_by_role("button", name="Use this name").click()
    expect(dialog).to_be_hidden()


def test_a_note_of_one_shift_is_read_by_the_next_which_takes_over(
    dashboard: str, browser: Browser, tmp_path: Path
) -> None:
    anna, boris = (browser.new_context(viewport={"width": 1440, "height": 1000}).new_page() for _ in range(2))
    opened(anna, f"{dashboard}/handover")
    anna.get_by_label("A note for the next shift").fill("HaloPSA is slow ![x](http://evil.example/x.png)")
    anna.get_by_role("button", name="Add note").click()
    name(anna, "Anna")
    note = anna.get_by_text("HaloPSA is slow ![x](http://evil.example/x.png)", exact=True)
    expect(note.first).to_be_visible()
    expect(anna.get_by_label("A note for the next shift")).to_have_value("")

    opened(boris, f"{dashboard}/handover")
    expect(boris.get_by_text("HaloPSA is slow ![x](http://evil.example/x.png)", exact=True).first).to_be_visible()
    with boris.expect_download() as download:
        boris.get_by_role("button", name="Markdown").click()
    report = tmp_path / "report.md"
    download.value.save_as(report)
    boris.get_by_role("button", name="take over").click()
    name(boris, "Boris")

    expect(boris.get_by_text("You have not taken over before")).to_be_hidden()
    expect(boris.get_by_text("HaloPSA is slow", exact=False)).to_be_hidden()
    assert "HaloPSA is slow" in report.read_text(encoding="utf-8")
    assert "](http" not in report.read_text(encoding="utf-8")
    for page in (anna, boris):
        page.context.close()
