"""The Alert test page in a browser: see it, send it, read what came back; hostile words load nothing (A2-A5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests import fault_server as faults
from tests.browser.conftest import until
from tests.fault_server import FaultServer
from tests.mail_server import mail_server

pytestmark = pytest.mark.browser
AFTER = re.compile(r"\+\d+:\d\d")
HOSTILE = (
    "<img src=http://evil.example/a.png onerror=document.title='owned'><script>document.title='owned'</script>"
    "![x](http://evil.example/b.png) :red[z] <!channel> <http://evil.example|ok>"
)


RULES = """
groups:
  - name: halo_ops
    interval: 1s
    rules:
      - alert: Drill
        expr: halo_ops_drill > 0
        for: 2s
        labels: {severity: info}
        annotations: {summary: "A drill: nothing is wrong"}
"""


def test_a_drill_is_watched_from_pending_to_told_and_ended_by_hand(
    app_server: Callable[..., AbstractContextManager[str]], tmp_path: Path, visit: Callable[..., Page]
) -> None:
    (tmp_path / "own.yml").write_text(RULES, encoding="utf-8")
    with FaultServer() as slack:
        slack.says("/hook", faults.answer(b"ok", 200))
        environment = {
            "SLACK_WEBHOOK_URL": slack.url("/hook"), "HALO_OPS_ALERT_PRIVATE_HOSTS": slack.instance,
            "HALO_OPS_OWN_RULES_FILE": str(tmp_path / "own.yml"), "HALO_OPS_SCRAPE_INTERVAL_S": "1",
        }  # fmt: skip
        with app_server(tmp_path / "data", **environment) as url:
            page = visit(f"{url}/alert-test?alert_test=Drill")
            page.get_by_role("button", name="Begin the drill").click()
            page.get_by_role("dialog").get_by_label("Your name").fill("ann")
            page.get_by_role("button", name="Use this name").click()
            expect(page.get_by_text("Something is wrong on purpose")).to_be_visible()
            accepted = page.get_by_test_id("stMetric").filter(has_text="Slack accepted")
            expect(accepted).to_contain_text(AFTER, timeout=60_000)
            for step in ("Pending", "Firing"):
                expect(page.get_by_test_id("stMetric").filter(has_text=step)).to_contain_text(AFTER)
            page.get_by_role("button", name="End it now").click()
            expect(page.get_by_text("✓ Over", exact=True)).to_be_visible(timeout=60_000)
            expect(page.get_by_test_id("stMetric").filter(has_text="Slack told of the end")).to_contain_text(AFTER)
            bodies = [request.body.decode() for request in slack.requests]

    assert ["FIRING: Drill" in body for body in bodies] == [True, False]
    assert "RESOLVED after" in bodies[1]


def test_a_course_of_events_is_played_and_its_messages_seen(
    app_server: Callable[..., AbstractContextManager[str]], tmp_path: Path, visit: Callable[..., Page]
) -> None:
    with app_server(tmp_path) as url:
        page = visit(f"{url}/alert-test?alert_test=Scenarios")
        expect(page.get_by_text("6 messages", exact=False).first).to_be_visible()

        page.get_by_role("radio", name="Silence").click()
        page.get_by_text("See the 4 messages").click()

        drawn = page.frame_locator("iframe[title='The message in Slack']")
        expect(drawn.locator("body")).to_contain_text("[TEST] FIRING")
        expect(drawn.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
        page.emulate_media(color_scheme="dark")
        expect(drawn.locator("body")).to_have_css("background-color", "rgb(26, 29, 33)")  # as Slack's own dark theme
        expect(drawn.locator("code").first).to_have_css("color", "rgb(232, 145, 45)")


def test_a_test_is_seen_before_it_is_sent_and_its_receipts_after(
    app_server: Callable[..., AbstractContextManager[str]],
    tmp_path: Path,
    visit: Callable[..., Page],
    foreign: list[str],
) -> None:
    with FaultServer() as slack, mail_server() as mail:
        slack.says("/hook", faults.answer(b"no_service", 404))
        environment = {
            "SLACK_WEBHOOK_URL": slack.url("/hook"), "HALO_OPS_ALERT_PRIVATE_HOSTS": slack.instance,
            "HALO_OPS_SMTP_HOST": "127.0.0.1", "HALO_OPS_SMTP_PORT": str(mail.port), "HALO_OPS_SMTP_SECURITY": "none",
            "HALO_OPS_SMTP_FROM": "alerts@example.com", "HALO_OPS_SMTP_TO": "ops@example.com",
        }  # fmt: skip
        with app_server(tmp_path, **environment) as url:
            page = visit(f"{url}/alert-test?at_about=Free+text")
            page.get_by_label("Title").fill(HOSTILE[:110])
            page.get_by_label("Description").fill(HOSTILE)
            page.get_by_label("Description").press("Control+Enter")
            drawn = page.frame_locator("iframe[title='The message in Slack']")
            expect(drawn.locator("body")).to_contain_text("[TEST] FIRING")
            expect(drawn.locator(".bar")).to_have_css("border-left-color", "rgb(218, 160, 56)")
            expect(drawn.locator("pre")).to_contain_text("<img src=http://evil.example/a.png")
            assert page.locator("iframe[title='The message in Slack']").get_attribute("sandbox") == ""
            sent_before = len(slack.requests) + len(mail.taken)
            page.get_by_role("tab", name="Mail", exact=True).click()
            frame = page.locator("iframe[title='The HTML part of the mail']")
            expect(frame).to_be_visible()
            sandbox = frame.get_attribute("sandbox")
            page.get_by_role("button", name="Send [TEST]").click()
            page.get_by_role("dialog").get_by_label("Your name").fill("ann")
            page.get_by_role("button", name="Use this name").click()
            expect(page.locator(".st-key-receipt_slack_1")).to_contain_text("Not delivered")
            expect(page.locator(".st-key-receipt_slack_1")).to_contain_text("no_service")
            expect(page.locator(".st-key-receipt_slack_1")).to_contain_text("make a new one in Slack")
            expect(page.locator(".st-key-receipt_email_1")).to_contain_text("Accepted")
            title = page.title()
            for sent in range(2, 6):  # five a minute are the limit
                page.get_by_role("button", name="Send [TEST]").click()
                until(lambda sent=sent: len(mail.taken) == sent, page)
            expect(page.get_by_text("5 tests a minute are the limit: next test in")).to_be_visible()
            expect(page.get_by_role("button", name="Send [TEST]")).to_be_disabled()

    assert sent_before == 0
    assert sandbox == ""
    assert [to for to, _ in mail.taken] == 5 * [["ops@example.com"]]
    assert (len(slack.requests), foreign) == (5, [])
    assert "owned" not in title
