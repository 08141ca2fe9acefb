"""Sending tests: by role, at most five a minute, through the outbox, sender and channels that alerts take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from lib.alerts.channels import open_channels
from lib.alerts.console import desk, draft, pace
from lib.alerts.console.desk import Trial
from lib.alerts.console.pace import TooSoon
from lib.alerts.delivery.dispatch import Dispatcher, Plan
from lib.alerts.delivery.sender import Sender
from lib.alerts.model import Measure
from lib.alerts.tables import AlertRow, ChannelRow, CooldownRow, NoticeLogRow, OutboxRow, StoryRow
from lib.errors import Refused
from lib.identity.roles import Action, Actor, Role, Via
from lib.settings import Settings
from lib.state import audit
from lib.state.audit import AuditRow
from lib.state.database import State
from tests import fault_server as faults
from tests.fault_server import FaultServer
from tests.mail_server import Mailbox, mail_server

HOOK = "/services/T/B/x"
HOSTILE = "<!channel> <@U1> <http://evil|ok> ``` *b* <script>alert(1)</script>\r\nBcc: x@evil.example"
ANN = Actor("ann@example.com", Role.OPERATOR, Via.OIDC)
DRAFT = draft.Draft(
    {"alertname": "QueueBacklog", "severity": "critical", "queue_name": HOSTILE},
    {"summary": HOSTILE, "description": HOSTILE}, 1234.0, Measure("", 1.0, ">", 1000.0),
)  # fmt: skip


class World:
    """Slack and a mail server of our own, and the sender between the state and them."""

    def __init__(self, state: State, slack: FaultServer, mail: Mailbox) -> None:
        self.state, self.slack, self.mail = state, slack, mail
        self.settings = Settings(
            _env_file=None, slack_webhook_url=slack.url(HOOK), alert_private_hosts=slack.instance, smtp_host="127.0.0.1",  # type: ignore[call-arg, arg-type]
            smtp_port=mail.port, smtp_security="none", smtp_from="alerts@example.com", smtp_to="ops@example.com",
            public_url="https://ops.example.com",
        )  # fmt: skip
        channels = open_channels(self.settings)
        self.now = datetime.now(UTC)  # the audit's own clock is the machine's
        self.sender = Sender(state, channels, Dispatcher(Plan(tuple(channels))), clock=lambda: self.now)

    def send(self, who: Actor = ANN, channels: tuple[str, ...] = ("slack", "email"), messages: int = 1) -> Trial:
        trial = Trial(self.now, "QueueBacklog", channels)
        notice = draft.notice(DRAFT, self.now, self.settings.public_url)
        audit.act(self.state, who, desk.deed(trial, [notice] * messages, lambda: self.now))
        return trial

    def count(self, table: Any) -> int:
        with self.state.reading() as session:
            return int(session.scalar(select(func.count()).select_from(table)) or 0)


@pytest.fixture
def world(state: State) -> Iterator[World]:
    with ExitStack() as stack:
        slack, mail = stack.enter_context(FaultServer()), stack.enter_context(mail_server())
        slack.says(HOOK, faults.answer(b"ok", 200))
        yield World(state, slack, mail)


def test_a_test_goes_through_the_real_path_and_tells_what_came_back(world: World) -> None:
    trial = world.send()
    waiting = desk.receipts(world.state, trial)
    world.sender.turn()
    done = desk.receipts(world.state, trial)

    assert [one.outcome and one.outcome.state for one in waiting] == ["waiting", "waiting"]
    assert [(one.channel, one.outcome and (one.outcome.state, one.outcome.code)) for one in done] == [
        ("slack", ("sent", 200)), ("email", ("sent", 250)),
    ]  # fmt: skip
    assert done[0].outcome is not None and done[0].outcome.reply == "ok"


def test_what_leaves_is_what_the_preview_shows_but_for_its_key(world: World) -> None:
    notice = draft.notice(DRAFT, world.now, world.settings.public_url)
    shown = desk.for_preview(world.settings)["slack"].render(notice).body
    world.send(channels=("slack",))
    world.sender.turn()

    [request] = world.slack.requests
    left, right = json.loads(request.body), json.loads(shown)
    footers = [one["attachments"][0]["blocks"].pop()["elements"][0]["text"] for one in (left, right)]
    assert left == right
    assert footers[1].endswith("key test/preview")
    assert footers[0].rpartition("key ")[0] == footers[1].rpartition("key ")[0]


def test_the_golden_slack_message_of_a_test_with_hostile_text(world: World) -> None:
    world.send(channels=("slack",))
    world.sender.turn()

    [request] = world.slack.requests
    told = json.loads(request.body)
    text = json.dumps(told, ensure_ascii=False)
    assert told["text"] == (
        "🚨 [TEST] FIRING: QueueBacklog (critical): &lt;!channel&gt; &lt;@U1&gt; &lt;http://evil|ok&gt; ˋˋˋ ∗b∗ "
        "&lt;script&gt;alert(1)&lt;/script&gt; Bcc: x@evil.example"
    )
    assert told["blocks"][0]["text"]["text"] == "🚨 *[TEST] FIRING* `QueueBacklog`"
    assert (told["link_names"], told["unfurl_links"], told["attachments"][0]["color"]) == (0, False, "danger")
    assert "*Value* `1,234 (limit &gt; 1,000)`" in text
    assert "&lt;!channel&gt; &lt;@U1&gt; &lt;http://evil|ok&gt;" in text
    assert not [mark for mark in ("<!", "<@", "<http://evil", "```\\n*b*") if mark in text]


def test_the_golden_mail_of_a_test_with_hostile_text(world: World) -> None:
    world.send(channels=("email",))
    world.sender.turn()

    [(recipients, message)] = world.mail.taken
    html = message.get_body(("html",))
    text = message.get_body(("plain",))
    assert html is not None and text is not None
    assert (recipients, message["Subject"], message["Bcc"]) == (
        ["ops@example.com"],
        "🚨 [TEST] FIRING: QueueBacklog (critical): <!channel> <@U1> <http://evil|ok> ``` *b* <script>alert(1)</script> "
        "Bcc: x@evil.example",
        None,
    )
    assert "<script>" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()
    assert "this is a test: nothing is wrong" in text.get_content()


def test_a_viewer_is_refused_by_the_server_and_nothing_is_queued(world: World) -> None:
    with pytest.raises(Refused, match="needs the role operator"):
        world.send(replace(ANN, role=Role.VIEWER))

    assert (world.count(OutboxRow), world.count(AuditRow)) == (0, 0)


def test_the_sixth_test_within_a_minute_is_refused_and_says_when(world: World) -> None:
    for _ in range(5):
        world.send()
    with pytest.raises(TooSoon, match=r"next test in \d+ s") as refused:
        world.send()

    assert 0 < refused.value.wait_s <= 60
    assert (world.count(OutboxRow), world.count(AuditRow)) == (10, 5)
    assert 0 < desk.wait_s(world.state, ANN, world.now) <= 60


def test_a_minute_later_there_is_room_again_and_others_have_their_own(world: World) -> None:
    for _ in range(5):
        world.send()

    world.send(replace(ANN, name="bo@example.com"))
    world.now += timedelta(seconds=61)

    assert world.send().queued


def test_another_name_without_sign_in_is_no_other_person(world: World) -> None:
    for number in range(5):
        world.send(Actor(f"me {number}", Role.ADMIN, Via.NAME))

    with pytest.raises(TooSoon):
        world.send(Actor("somebody else", Role.ADMIN, Via.NAME))


def test_a_scenario_counts_as_its_messages(world: World) -> None:
    world.send(messages=3)

    with pytest.raises(TooSoon):
        world.send(messages=3)
    assert world.send(messages=2).queued


def test_more_messages_than_the_limit_may_go_at_once_where_none_went_before(world: World) -> None:
    assert len(world.send(messages=6, channels=("slack",)).ids["slack"]) == 6
    with pytest.raises(TooSoon):
        world.send()
    assert desk.wait_s(world.state, ANN, world.now, 6) > 55  # the button says so, too
    assert desk.wait_s(world.state, ANN, world.now + timedelta(seconds=61), 6) == 0


def test_each_test_is_in_the_audit_with_its_channels(world: World) -> None:
    world.send()

    with world.state.reading() as session:
        [row] = session.scalars(select(AuditRow)).all()
        assert (row.who, row.action, row.subject) == (ANN.name, Action.TEST_ALERT, "test of QueueBacklog")
        assert json.loads(row.details) == {"channels": ["slack", "email"], pace.MESSAGES: 1}


def test_tests_are_in_no_record_and_no_statistic(world: World) -> None:
    world.slack.says(HOOK, faults.answer(b"no_service", 404))
    world.send()
    world.sender.turn()

    assert [world.count(table) for table in (AlertRow, NoticeLogRow, CooldownRow, StoryRow)] == [0, 0, 0, 0]
    with world.state.reading() as session:
        assert [row.broken_since for row in session.scalars(select(ChannelRow))] in ([], [None], [None, None])


def test_there_is_no_place_for_a_destination(world: World) -> None:
    """A1: whatever a person types, the messages go where the settings say (SSRF)."""
    free = draft.free("http://169.254.169.254/", "critical", "https://evil.example/ http://127.0.0.1:1/")
    trial = Trial(world.now, "x", ("slack",))
    audit.act(world.state, ANN, desk.deed(trial, [draft.notice(free, world.now, "")], lambda: world.now))
    world.sender.turn()

    assert [request.path for request in world.slack.requests] == [HOOK]
