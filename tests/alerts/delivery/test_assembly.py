"""From the settings to Slack, a mailbox and a program's hook, over real sockets; the dead-man ping; wrong settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from lib import settings as configuration
from lib.alerts.channels import NAMES, digests, open_channels
from lib.alerts.channels.outbound import Allowed, Outbound
from lib.alerts.delivery.assembly import Delivery
from lib.alerts.delivery.pulse import Pulse
from lib.errors import DeliveryError, SettingsError
from lib.settings import Settings
from lib.state.database import State
from tests import fault_server as faults
from tests.alerts.delivery.world import World, at
from tests.fault_server import FaultServer
from tests.mail_server import Mailbox, mail_server

SECRET = "a-secret-of-24-characters"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        for path in ("/slack", "/hook", "/ping"):
            running.says(path, faults.answer("ok"))
        yield running


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mail_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(server: FaultServer, box: Mailbox, **more: object) -> Settings:
    told: dict[str, object] = {
        "SLACK_WEBHOOK_URL": server.url("/slack"), "smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_security": "none",
        "smtp_from": "ops@example.com", "smtp_to": "a@example.com, b@example.com", "webhook_url": server.url("/hook"),
        "webhook_secret": SECRET, "alert_private_hosts": server.instance, "public_url": "https://ops.example/",
        "deadman_url": server.url("/ping"),
    }  # fmt: skip
    return configuration.load(**(told | more))


def test_a_fault_reaches_all_three_and_its_end_too(state: State, server: FaultServer, box: Mailbox) -> None:
    world = World(state)
    delivery = Delivery(loaded(server, box), state, tuple, clock=lambda: world.now)
    world.dispatcher = delivery.dispatcher

    def round_() -> None:
        for _, _, turn in delivery.loops():
            turn()

    one = world.fire("HighErrorRate", {"description": "7.3% fail"}, instance="app-1")
    round_()
    world.go(720).resolve(one)
    round_()

    texts = [json.loads(request.body)["text"] for request in server.seen("/slack")]
    assert texts == [
        "🚨 FIRING: HighErrorRate (critical): 7.3% fail",
        "✅ RESOLVED after 12 min: HighErrorRate (critical), it was: 7.3% fail",
    ]
    assert [json.loads(request.body)["status"] for request in server.seen("/hook")] == ["firing", "resolved"]
    assert [str(mail["Subject"]) for _, mail in box.taken] == texts
    assert box.taken[0][0] == ["a@example.com", "b@example.com"]
    assert [one.last_success for one in _statuses(delivery)] == [at(720)] * 3
    assert len(server.seen("/ping")) == 2


def _statuses(delivery: Delivery) -> tuple[object, ...]:
    delivery.decide()
    return delivery.status()


def test_who_does_not_hold_the_lease_neither_decides_nor_sends(state: State, server: FaultServer, box: Mailbox) -> None:
    world = World(state)
    world.fire()
    delivery = Delivery(loaded(server, box), state, tuple, clock=lambda: world.now, holds=lambda _: 0)

    for _, _, turn in delivery.loops()[:-1]:
        turn()

    assert server.requests == []
    assert box.taken == []


def test_a_channel_is_set_up_by_its_first_setting_alone() -> None:
    assert open_channels(configuration.load()) == {}
    one = configuration.load(SLACK_WEBHOOK_URL="https://hooks.slack.com/services/T/B/x")
    assert list(open_channels(one)) == ["slack"]


def test_only_a_channels_own_settings_change_its_digest_and_no_secret_is_in_it(
    server: FaultServer, box: Mailbox
) -> None:
    before, after = digests(loaded(server, box)), digests(loaded(server, box, smtp_password=SecretStr("canary")))

    assert [name for name in NAMES if before[name] != after[name]] == ["email"]
    assert "canary" not in repr(after)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HALO_OPS_SMTP_HOST", "smtp.example.com", "HALO_OPS_SMTP_FROM"),
        ("HALO_OPS_SMTP_TO", "Ops <ops@example.com>", "mail address"),
        ("HALO_OPS_SMTP_FROM", "ops@example.com\r\nBcc: x@y", "mail address"),
        ("HALO_OPS_SMTP_SECURITY", "maybe", "starttls"),
        ("HALO_OPS_WEBHOOK_URL", "https://hooks.example.com/", "HALO_OPS_WEBHOOK_SECRET"),
        ("HALO_OPS_WEBHOOK_URL", "hooks.example.com", "https://"),
        ("SLACK_WEBHOOK_URL", "canary", "https://"),
        ("HALO_OPS_ALERT_HOSTS", "https://hooks.example.com", "host name"),
        ("HALO_OPS_PUBLIC_URL", "javascript:alert(1)", "http"),
        ("HALO_OPS_DEADMAN_MINUTES", "0", "from 1 to 1440"),
    ],
)
def test_a_wrong_setting_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=words) as refused:
        configuration.load()

    assert "canary" not in str(refused.value)


def test_a_route_to_a_channel_that_is_not_set_up_stops_the_start(state: State) -> None:
    told = configuration.load(SLACK_WEBHOOK_URL="https://hooks.slack.com/services/T/B/x", routes="critical=slack,email")

    with pytest.raises(SettingsError, match="“email” is no channel that is set up; there is: slack"):
        Delivery(told, state, tuple)


def test_the_ping_comes_as_often_as_it_is_wanted_and_stops_while_something_is_ill(server: FaultServer) -> None:
    now, well = [at(0)], [True]
    outbound = Outbound(Allowed(frozenset(), frozenset({server.instance})))
    pulse = Pulse(server.url("/ping"), outbound, timedelta(minutes=5), lambda: well[0], lambda: now[0])
    heard = []
    for second in range(0, 1201, 60):
        now[0] = at(second)
        well[0] = second < 700
        if pulse.turn():
            heard.append(second)

    assert heard == [0, 300, 600]


def test_a_ping_that_fails_comes_again_a_minute_later_and_a_clock_put_back_does_not_stop_it(
    server: FaultServer,
) -> None:
    server.says("/ping", faults.answer("no", 500), faults.answer("ok"))
    now = [at(7200)]
    outbound = Outbound(Allowed(frozenset(), frozenset({server.instance})))
    pulse = Pulse(server.url("/ping"), outbound, timedelta(minutes=5), lambda: True, lambda: now[0])
    with pytest.raises(DeliveryError):
        pulse.turn()
    now[0] = at(7259)
    assert not pulse.turn()
    now[0] = at(7260)
    assert pulse.turn()

    now[0] = at(3600)

    assert pulse.turn()
