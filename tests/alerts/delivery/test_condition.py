"""A channel that breaks: everybody else is told, nothing is lost, a person or new settings make it whole again (F20)."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import select

from lib.alerts.delivery.condition import ChannelStatus, note_settings, rearm, statuses
from lib.errors import Refused
from lib.identity.roles import Actor, Role, Via
from lib.state.audit import AuditRow
from lib.state.database import State
from tests.alerts.delivery.world import World, at, refusal, trouble

OPERATOR = Actor("anna@example.com", Role.OPERATOR, Via.OIDC)
VIEWER = Actor("vera@example.com", Role.VIEWER, Via.OIDC)


@pytest.fixture
def world(state: State) -> World:
    made = World(state, "slack", "email")
    made.slack.answers = [refusal()]
    made.fire()
    made.tick(0, 3)
    return made


def status(world: World, name: str = "slack") -> ChannelStatus:
    with world.state.reading() as session:
        return statuses(session, [name])[0]


def test_it_is_red_with_its_reason_and_nothing_more_is_sent_there(world: World) -> None:
    world.fire("B")
    world.tick(4, 400)

    found = status(world)
    assert (found.broken, found.broken_since, found.broken_why) == (True, at(0), "HTTP 404: no_service")
    assert world.slack.sent == []
    assert world.kinds()[-2:] == ["channel_broken", "channel_broken"]
    assert status(world, "email").last_success == at(4)


def test_after_rearming_the_state_of_that_moment_is_told_and_the_others_hear_that_it_is_over(world: World) -> None:
    ended = world.go(10).fire("Short")
    world.tick(10, 20)
    world.resolve(ended)
    world.go(60)
    with world.state.writing() as session:
        rearm(session, OPERATOR, "slack", world.now)
    world.tick(60, 65)

    assert [(n.kind.value, n.group["alertname"]) for n in world.slack.sent] == [("firing", "A")]
    told = [(n.kind.value, n.group["alertname"]) for n in world.channels["email"].sent]
    assert sorted(told[-2:]) == [("resolved", "ChannelBroken"), ("resolved", "Short")]
    assert not status(world).broken
    with world.state.reading() as session:
        assert session.scalars(select(AuditRow)).one().action == "alert.channel_rearm"


def test_a_viewer_may_not_rearm(world: World) -> None:
    with pytest.raises(Refused), world.state.writing() as session:
        rearm(session, VIEWER, "slack", world.now)

    assert status(world).broken


def test_changed_settings_rearm_it_and_the_same_ones_do_not(world: World) -> None:
    with world.state.writing() as session:
        note_settings(session, {"slack": "one"}, world.now)
    world.slack.answers = [refusal(), refusal()]
    world.fire("B")
    world.tick(4, 6)
    assert status(world).broken

    with world.state.writing() as session:
        assert note_settings(session, {"slack": "one"}, world.now) == []
    assert status(world).broken
    with world.state.writing() as session:
        assert note_settings(session, {"slack": "two"}, world.now) == ["slack"]
    assert not status(world).broken


def test_a_channel_that_breaks_again_tells_the_others_again_after_the_cooldown(world: World) -> None:
    with world.state.writing() as session:
        rearm(session, OPERATOR, "slack", world.now)
    world.tick(4, 8)
    world.slack.answers = [refusal()]
    world.fire("C")
    world.tick(10, 320)

    broken = [n.kind.value for n in world.channels["email"].sent if n.group["alertname"] == "ChannelBroken"]
    assert broken == ["firing", "resolved", "firing"]


def test_where_every_channel_is_broken_all_of_them_say_so(state: State) -> None:
    world = World(state, "slack", "email")
    for channel in world.channels.values():
        channel.answers = [refusal(410), refusal(410)]
    world.fire()
    world.tick(0, 10)

    assert [status(world, name).broken for name in world.channels] == [True, True]


def test_trouble_that_passes_is_shown_while_it_lasts(state: State) -> None:
    world = World(state)
    world.slack.answers = [trouble(), trouble()]
    world.fire()
    world.tick(0, 1)
    assert (status(world).failing_why, status(world).waiting, status(world).broken) == ("HTTP 503", 1, False)
    assert status(world).next_try == at(3)

    world.tick(2, 4)

    found = status(world)
    assert (found.failing_why, found.waiting, found.last_success, found.next_try) == ("", 0, at(3), None)


def test_a_channel_that_wants_to_be_left_alone_says_until_when(state: State) -> None:
    world = World(state)
    world.slack.answers = [trouble(429, retry_after_s=30)]
    world.fire()
    world.tick(0, 1)
    world.go(5).fire("B")

    assert status(world).next_try == at(30)


def test_the_log_says_once_that_a_channel_fails_that_it_is_broken_and_that_it_works_again(
    state: State, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(state)
    world.slack.answers = [trouble(), trouble(), trouble(500)]
    with caplog.at_level(logging.INFO, "lib.alerts.delivery"):
        world.fire()
        world.tick(0, 10)
        world.slack.answers = [refusal()]
        world.go(11).fire("B")
        world.tick(11, 12)

    assert [(line.levelname, line.getMessage()) for line in caplog.records] == [
        ("WARNING", "slack: a notice was not accepted, it is tried again in 1 s: HTTP 503"),
        ("WARNING", "slack: a notice was not accepted, it is tried again in 4 s: HTTP 500"),
        ("INFO", "slack accepts notices again, after 7 s"),
        (
            "WARNING",
            "slack: it is broken, nothing more is sent there until it is re-armed or its settings change: "
            "HTTP 404: no_service",
        ),
    ]


@pytest.mark.parametrize("down", [False, True], ids=["its alert ended", "the dashboard was stopped"])
def test_one_try_that_fails_days_after_another_does_not_break_the_channel_f19(state: State, down: bool) -> None:
    world, later = World(state), 3 * 86_400
    world.slack.answers = [trouble(), trouble()]
    first = world.fire()
    world.tick(0, 1)
    world.slack.answers = [trouble(), trouble()]
    if not down:  # nothing is left to tell, so that nothing is tried
        world.resolve(first)
    world.restart()
    world.go(later).fire("B")
    world.turn()

    found = status(world)
    assert (found.broken, found.failing_why, found.failing_since) == (False, "HTTP 503", at(later))
    world.tick(later + 1, later + 10)
    assert "firing" in world.slack.kinds
    assert not status(world).failing_why


def test_mail_that_hangs_does_not_hold_up_slack(state: State) -> None:
    world = World(state, "slack", "email")
    world.channels["email"].answers = [trouble(0)] * 50
    world.fire()

    assert world.sender.turn("slack") == 1
    assert world.sender.turn("email") == 0
