"""The Alert test page: what is shown before it is sent, who may send, and what came back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from streamlit.testing.v1 import AppTest

from lib import wiring
from lib.alerts.channels import open_channels
from lib.alerts.delivery.dispatch import Dispatcher, Plan
from lib.alerts.delivery.sender import Sender
from lib.identity.roles import Actor, Role, Via
from lib.settings import Settings
from lib.ui import cache, identity, runtime
from lib.ui.pages import entry
from tests import fault_server as faults
from tests.fault_server import FaultServer

ROOT = Path(__file__).parents[2]
ANN = Actor("ann@example.com", Role.OPERATOR, Via.OIDC)
EVE = Actor("eve@example.com", Role.VIEWER, Via.OIDC)
HOSTILE = "![x](http://evil.example/a.png) <img src=http://evil.example/b.png>"
Drawn = Callable[..., AppTest]


class Place:
    """The page over its own stores, with Slack set up at a server of ours."""

    def __init__(self, folder: Path, slack: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slack, self._patch = slack, monkeypatch
        self.settings = Settings(
            _env_file=None, data_dir=folder, slack_webhook_url=slack.url("/x"), alert_private_hosts=slack.instance,  # type: ignore[call-arg, arg-type]
        )  # fmt: skip
        self.opened = wiring.open_stores(self.settings)
        channels = open_channels(self.settings)
        self.sender = Sender(
            self.opened.state, channels, Dispatcher(Plan(tuple(channels))), clock=lambda: datetime.now(UTC)
        )
        runtime.install(runtime.Runtime(self.settings, self.opened.stores, lambda: None, self.opened.state))

    def page(self, who: Actor = ANN, **query: str) -> AppTest:
        self._patch.setattr(identity, "connection", lambda: who)
        page = AppTest.from_file(str(ROOT / "lib" / "ui" / "shell.py"), default_timeout=30)
        page.run().switch_page(str(entry("alert-test").path))
        for name, value in query.items():
            page.query_params[name] = value
        page.run()
        assert [str(error) for error in page.exception] == []
        return page


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with FaultServer() as slack:
        slack.says("/x", faults.answer(b"ok", 200))
        made = Place(tmp_path, slack, monkeypatch)
        yield made
        runtime.install(None)
        cache.forget()
        made.opened.close()


def said(page: AppTest) -> str:
    return "\n".join(str(one.value) for one in (*page.caption, *page.markdown, *page.error, *page.text, *page.code))


def framed(page: AppTest) -> str:
    """What the frames of the page are given to show."""
    return "\n".join(
        str(orjson.loads(one.proto.json)["html"]) for one in page.get("bidi_component") if "html" in one.proto.json
    )


def forged(page: AppTest) -> None:
    """Presses the button although it is disabled, as a forged message of a browser would."""
    page.button(key="send_one")._value = True
    page.run()


def test_the_exact_json_and_the_drawn_message_stand_before_the_button_is_pressed(place: Place) -> None:
    page = place.page()

    assert '"🚨 *[TEST] FIRING* `HighErrorRate`"' in said(page)
    assert "🚨 <b>[TEST] FIRING</b> <code>HighErrorRate</code>" in framed(page)
    assert "Mail is not set up. Set HALO_OPS_SMTP_HOST" in said(page)
    assert place.slack.requests == []


def test_a_test_is_sent_and_its_receipt_shown(place: Place) -> None:
    page = place.page()
    page.button(key="send_one").click().run()
    waits = said(page)
    place.sender.turn()
    page.run()

    assert "Waits for the sender" in waits
    assert "✓ Accepted" in said(page)
    assert "code 200" in said(page)
    assert len(place.slack.requests) == 1


def test_a_refusal_of_slack_is_shown_raw_with_what_to_do(place: Place) -> None:
    place.slack.says("/x", faults.answer(b"no_service", 404))
    page = place.page()
    page.button(key="send_one").click().run()
    place.sender.turn()
    page.run()

    assert "Not delivered" in said(page)
    assert "HTTP 404: no_service" in [one.value for one in page.code]
    assert "SLACK" in said(page) and "make a new one in Slack" in said(page)


def test_a_viewer_sees_the_preview_and_is_told_what_sending_needs(place: Place) -> None:
    page = place.page(EVE)

    assert page.button(key="send_one").disabled
    assert "Needs the role operator; you act as viewer." in said(page)
    forged(page)
    place.sender.turn()
    assert place.slack.requests == []


def test_after_five_the_button_waits_and_says_how_long(place: Place) -> None:
    page = place.page()
    for _ in range(5):
        page.button(key="send_one").click().run()
    place.sender.turn()
    page.run()

    assert page.button(key="send_one").disabled
    assert "5 tests a minute are the limit: next test in" in said(page)
    forged(page)
    place.sender.turn()
    assert len(place.slack.requests) == 5


def test_hostile_words_are_nowhere_markup(place: Place) -> None:
    page = place.page(at_about="Free text")
    page.text_input(key="at_title").set_value(HOSTILE)
    page.text_area(key="at_text").set_value(HOSTILE)
    page.run()

    assert [str(error) for error in page.exception] == []
    assert not [one.value for one in (*page.markdown, *page.caption) if "](http" in one.value or "<img" in one.value]
    assert HOSTILE in "\n".join(one.value for one in page.code)


def test_a_scenario_shows_each_step_with_its_decision_and_sends_nothing(place: Place) -> None:
    page = place.page(alert_test="Scenarios")

    table = page.dataframe[0].value
    assert list(table["decision"]).count("✓ sent") == 6
    assert "told of this alert less than 5 minutes ago, until 5:30" in list(table["reason"])
    assert place.slack.requests == []


def test_a_drill_needs_its_role(place: Place) -> None:
    page = place.page(EVE, alert_test="Drill")

    assert page.button(key="at_drill_begin").disabled
    assert "Needs the role operator; you act as viewer." in said(page)
