"""Scenarios: what is played is what the evaluation and the delivery would do, and it leaves nothing behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lib.alerts.console import draft, scenario
from lib.alerts.console.scenario import Step
from lib.alerts.console.stories import STORIES, story
from lib.alerts.delivery.decision import Policy, Why

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DRAFT = draft.free("QueueBacklog", "critical", "too many wait")


def played(key: str, **annotations: str) -> list[Step]:
    told = draft.Draft(DRAFT.labels, {**DRAFT.annotations, **annotations})
    return scenario.play(story(key), told, START)


def sent(steps: list[Step]) -> list[tuple[str, str]]:
    return [
        (scenario.clock(one), scenario.headline(one).removeprefix("[TEST] ").partition(":")[0])
        for one in steps
        if one.notice
    ]


def at(steps: list[Step], clock: str) -> Step:
    return next(one for one in steps if scenario.clock(one) == clock)


def test_a_second_firing_waits_for_the_cooldown_and_flapping_says_little() -> None:
    steps = played("cooldown")

    assert sent(steps) == [
        ("0:30", "FIRING"), ("1:30", "RESOLVED after 1 min"), ("5:30", "FIRING"), ("10:00", "RESOLVED after 7 min"),
        ("10:45", "FIRING"), ("11:00", "RESOLVED after 15 s"),
    ]  # fmt: skip
    assert at(steps, "2:30").reason == "told of this alert less than 5 minutes ago, until 5:30"
    assert at(steps, "12:00").reason == "ended before anybody was told"


def test_a_silence_holds_back_a_firing_and_an_end_until_it_is_over() -> None:
    steps = played("silence")

    assert sent(steps) == [
        ("0:30", "FIRING"), ("10:00", "RESOLVED after 3 min"), ("20:00", "FIRING"), ("23:00", "RESOLVED after 9 min"),
    ]  # fmt: skip
    assert at(steps, "4:00").reason == "silenced"


def test_a_channel_that_is_away_is_tried_again_and_told_the_state_of_the_end() -> None:
    steps = played("outage")

    tries = [one.reason for one in steps if one.decision == "not delivered" and one.after < timedelta(minutes=5)]
    assert [reason.rpartition("in ")[2] for reason in tries] == [
        "1 s",
        "2 s",
        "4 s",
        "8 s",
        "16 s",
        "32 s",
        "64 s",
        "128 s",
    ]
    assert sent(steps) == [("5:00", "FIRING"), ("9:22", "RESOLVED after 6 min")]


def test_what_still_fires_is_said_again_after_the_repeat_time_of_the_rule() -> None:
    assert [clock for clock, _ in sent(played("repeat"))] == ["0:30", "4:00:31", "8:00:32", "8:17:00"]
    assert len(sent(played("repeat", repeat_interval="2h"))) == 6


def test_a_rule_that_does_not_announce_ends_has_none_in_its_scenario() -> None:
    assert {words for _, words in sent(played("cooldown", send_resolved="false"))} == {"FIRING"}


@pytest.mark.parametrize("key", [one.key for one in STORIES])
def test_every_message_is_marked_and_every_step_tells_something(key: str) -> None:
    steps = played(key)

    assert all(notice.test for notice in scenario.messages(steps))
    assert all(one.what or one.decision for one in steps)
    assert [one.after for one in steps] == sorted(one.after for one in steps)


def test_every_decision_has_words() -> None:
    assert set(scenario.DECISIONS) == set(Why)
    assert Policy().cooldown == timedelta(minutes=5)  # the words say so
