"""An alert from the phone: the link in the Slack message, acknowledge, silence with a preview, and see it muted."""

from __future__ import annotations

import html
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_hostile_text import HOSTILE, harmless

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]

RULES = """
groups:
  - name: flow
    interval: 1s
    rules:
      - alert: QueueBacklog
        expr: queue_size > 1000
        labels: {severity: critical}
        annotations:
          summary: "Queue {{ $labels.queue_name }} holds {{ $value }} items"
          group_by: alertname,queue_name
"""
_LINK = re.compile(r"/alerts\?alert=[0-9a-f]+")
_SILENCE = re.compile(r"/alerts\?silence=[^|>\s]+")


class Night(NamedTuple):
    """The dashboard's address, and the paths that the Slack message leads to: the alert, and a silence of it."""

    url: str
    path: str
    silence: str


class World(BaseHTTPRequestHandler):
    """The monitored service, whose queue is too long, and Slack, which accepts all it is told."""

    told: list[str]

    def do_GET(self) -> None:
        value = HOSTILE.replace("\\", "\\\\").replace('"', '\\"')
        self._answer(f'queue_size{{queue_name="leads"}} 5000\nqueue_size{{queue_name="{value}"}} 4000\n')

    def do_POST(self) -> None:
        self.told.append(self.rfile.read(int(self.headers["content-length"])).decode())
        self._answer("ok")

    def _answer(self, body: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing: the test's output is the test's."""


@pytest.fixture(scope="module")
def night(
    app_server: Callable[..., AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Night]:
    folder: Path = tmp_path_factory.mktemp("night")
    (folder / "rules.yml").write_text(RULES, encoding="utf-8")
    (folder / "own.yml").write_text("groups: []\n", encoding="utf-8")  # the shipped ones may be open at some hour
    World.told = []
    world = ThreadingHTTPServer(("127.0.0.1", 0), World)
    threading.Thread(target=world.serve_forever, daemon=True).start()
    place = f"127.0.0.1:{world.server_port}"
    settings = {
        "HALO_OPS_SCRAPE_TARGETS": f"http://{place}/metrics", "HALO_OPS_SCRAPE_INTERVAL_S": "1",
        "HALO_OPS_RULES_FILE": str(folder / "rules.yml"), "HALO_OPS_OWN_RULES_FILE": str(folder / "own.yml"),
        "SLACK_WEBHOOK_URL": f"http://{place}/hook",
        "HALO_OPS_ALERT_PRIVATE_HOSTS": place, "HALO_OPS_PUBLIC_URL": "https://ops.example.com",
    }  # fmt: skip
    with app_server(folder / "data", **settings) as url:
        deadline = time.monotonic() + 45
        while not (told := [html.unescape(text) for text in World.told if "=leads" in text and _LINK.search(text)]):
            assert time.monotonic() < deadline, "nobody was told"
            time.sleep(0.2)
        yield Night(url, _LINK.findall(told[0])[0], _SILENCE.findall(told[0])[0])
    world.shutdown()
    world.server_close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A phone in Berlin, in the dark."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark", timezone_id="Europe/Berlin"
    )
    yield context.new_page()
    context.close()


def test_the_silence_link_of_a_notice_opens_the_filled_form_with_what_it_hits(
    night: Night, page: Page, visit: Visit
) -> None:
    visit(f"{night.url}{night.silence}")

    expect(page.get_by_label("all must match", exact=False)).to_have_value(re.compile('queue_name="leads"'))
    expect(page.get_by_text("1 of 2 open alerts")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_label("Why (needed)")).to_have_count(0)


def test_the_time_line_tells_each_step_up_to_the_answer_of_slack(night: Night, page: Page, visit: Visit) -> None:
    visit(f"{night.url}{night.path}&refresh=10s")

    line = page.locator("[class*=st-key-line_]")
    expect(line.filter(has_text="accepted with 200")).to_contain_text(re.compile("sent.*slack", re.DOTALL))
    every = " ".join(line.all_inner_texts())
    steps = "pending.*firing.*queued.*slack.*first of its group.*sent.*slack.*accepted with 200"
    assert re.search(steps, every, re.DOTALL), every
    expect(page.get_by_text("fires at > 1\u202f000 items").first).to_be_visible()


def test_what_fires_is_marked_on_the_charts_of_its_topic_and_on_others(night: Night, page: Page, visit: Visit) -> None:
    visit(f"{night.url}/queues?range=5m&refresh=10s", charts=1)
    own = page.locator(".live-chart[aria-label*='Alerts: QueueBacklog']").first
    expect(own).to_be_visible()
    expect(own.locator(".shapelayer path[d$=Z]")).to_have_count(1)  # the shade; a limit's line has no end to close

    visit(f"{night.url}/explore?range=5m&refresh=10s&expr=up", charts=1)
    other = page.locator(".live-chart[aria-label*='Alerts: QueueBacklog']").first
    expect(other.locator(".xy2 path.point").first).to_be_attached()  # the strip stands on an axis of its own


def test_from_the_link_on_a_phone_to_acknowledged_and_silenced(night: Night, phone: Page) -> None:
    page = phone
    page.goto(f"{night.url}{night.path}")
    expect(page.get_by_text("Why was I (not) told?")).to_be_visible()
    expect(page).to_have_title(re.compile(r"^\([0-9]+\) Halo Ops$"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.get_by_label("Note").fill("on it")
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_role("dialog").get_by_label("Your name").fill("Nadia")
    page.get_by_role("dialog").get_by_role("button", name="Use this name").click()
    expect(page.get_by_text("Nadia took it up: on it")).to_be_visible()

    page.get_by_role("button", name="Silence", exact=True).click()
    expect(page.get_by_text("1 of 2 open alerts")).to_be_visible()
    page.get_by_label("Why (needed)").fill("known, ticket 17")
    page.get_by_role("button", name="Silence", exact=True).first.click()

    expect(page.get_by_text("✚ silenced by Nadia")).to_be_visible()
    expect(page).to_have_title("(1) Halo Ops")


def test_a_refresh_keeps_the_half_written_form(night: Night, page: Page, visit: Visit) -> None:
    visit(f"{night.url}/alerts?refresh=10s&silence=alertname%3D%22QueueBacklog%22")
    page.get_by_label("Why (needed)").fill("half a sen")
    before = page.get_by_text("updated").first.inner_text()
    page.wait_for_timeout(13_000)

    assert page.get_by_text("updated").first.inner_text() != before
    expect(page.get_by_label("Why (needed)")).to_have_value("half a sen")
    expect(page.get_by_text("2 of 2 open alerts")).to_be_visible()


@pytest.mark.parametrize("address", ["?show=History", "?show=Rules&rule=QueueBacklog",
                                     "?alertname=QueueBacklog&silence=alertname%3D%22QueueBacklog%22"])  # fmt: skip
def test_hostile_labels_of_alerts_stay_text(
    night: Night, page: Page, visit: Visit, foreign: list[str], address: str
) -> None:
    visit(f"{night.url}/alerts{address}")
    page.wait_for_timeout(1500)

    harmless(page, foreign)


def test_the_hostile_alert_opened_stays_text(night: Night, page: Page, visit: Visit, foreign: list[str]) -> None:
    visit(f"{night.url}/alerts")
    page.get_by_role("button", name="evil.example").first.click()
    page.get_by_text("Why was I (not) told?").wait_for()
    page.wait_for_timeout(1000)
    harmless(page, foreign)

    page.get_by_role("button", name="Silence", exact=True).click()
    page.get_by_label("Why (needed)").wait_for()
    harmless(page, foreign)
