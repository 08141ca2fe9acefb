"""Sending tests: recorded, counted and queued in one transaction, then handed over by the same sender as alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.orm import Session

from lib.alerts.channels import CHANNELS, open_channels, open_outbound
from lib.alerts.channels.email import EmailChannel, MailServer
from lib.alerts.channels.slack import SlackChannel
from lib.alerts.channels.webhook import WebhookChannel
from lib.alerts.console import pace
from lib.alerts.delivery.trial import Outcome, outcomes, send_test
from lib.alerts.model import Channel, Notice
from lib.identity.roles import Action, Actor
from lib.settings import Settings
from lib.state.audit import Deed
from lib.state.database import State

SOURCE = "alert tests"
TITLES = {"slack": "Slack", "email": "Mail", "webhook": "Webhook"}
WHAT_TO_SET = {
    "slack": "Set SLACK_WEBHOOK_URL.",
    "email": "Set HALO_OPS_SMTP_HOST, HALO_OPS_SMTP_FROM and HALO_OPS_SMTP_TO.",
    "webhook": "Set HALO_OPS_WEBHOOK_URL, HALO_OPS_WEBHOOK_SECRET and HALO_OPS_ALERT_HOSTS.",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """Tests sent at once. `ids` fill when they are queued: per channel one per message."""

    at: datetime
    title: str
    channels: tuple[str, ...]
    ids: dict[str, list[int]] = field(default_factory=dict)

    @property
    def queued(self) -> bool:
        """Whether they were: the person may, and had some left."""
        return bool(self.ids)


@dataclass(frozen=True, slots=True)
class Receipt:
    """How one test went. `outcome` None: its row is not there (any more)."""

    channel: str
    number: int
    outcome: Outcome | None


def configured(settings: Settings) -> dict[str, Channel]:
    """The channels that can be sent on."""
    return open_channels(settings)


def for_preview(settings: Settings) -> dict[str, Channel]:
    """Every channel, so that its messages can be seen before it is set up; with invented addresses where it is not."""
    ours, way = open_channels(settings), open_outbound(settings)
    mail = MailServer("", 587, "starttls", "alerts@example.com", ("you@example.com",))
    others: dict[str, Channel] = {
        "slack": SlackChannel("", way, settings.zone), "email": EmailChannel(mail, settings.zone),
        "webhook": WebhookChannel("", "", way),
    }  # fmt: skip
    return {entry.name: ours.get(entry.name, others[entry.name]) for entry in CHANNELS}


def deed(trial: Trial, notices: Sequence[Notice], clock: Callable[[], datetime]) -> Deed:
    """What sends them: for `lib.state.audit.act`, which asks for the role and raises Refused, TooSoon among them.

    There is no place in it for an address: a channel's settings alone say where it goes.
    """

    def change(session: Session) -> None:
        now = clock()
        pace.hold(session, now)
        for channel in trial.channels:
            for notice in notices:
                trial.ids.setdefault(channel, []).append(send_test(session, channel, replace(notice, test=True), now))

    details = {"channels": list(trial.channels), pace.MESSAGES: len(notices)}
    return Deed(Action.TEST_ALERT, f"test of {trial.title}"[:200], change, details)


def receipts(state: State, trial: Trial) -> list[Receipt]:
    """How each test of the trial is now, channel by channel. Raises SourceError."""
    every = [test for tests in trial.ids.values() for test in tests]
    with state.reading(SOURCE) as session:
        found = outcomes(session, every)
    return [
        Receipt(channel, number, found.get(test))
        for channel, tests in trial.ids.items() for number, test in enumerate(tests, 1)
    ]  # fmt: skip


def wait_s(state: State, actor: Actor, now: datetime, count: int = 1) -> float:
    """Seconds until this person may send `count` more messages; 0: now. Raises SourceError."""
    with state.reading(SOURCE) as session:
        return pace.wait_s(session, actor.name, actor.via.value, now, count=count)
