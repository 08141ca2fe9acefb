from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lib.alerts.engine.state import Change, Health, RuleState
from lib.alerts.engine.step import Answer, Data, restored, step
from lib.alerts.model import AlertState
from lib.alerts.rules import Rule

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STEP = timedelta(seconds=15)
RULE = Rule("Backlog", "queue_size > 1000", for_s=30, labels={"severity": "warning"}, group="g")
ONE, TWO = {"__name__": "queue_size", "queue_name": "a"}, {"__name__": "queue_size", "queue_name": "b"}
HOLDS = Answer([ONE], [2000.0], [])
BOTH = Answer([ONE, TWO], [2000.0, 3000.0], [])
NOT = Answer([], [], [ONE])
NONE = Answer([], [], [], data=Data.GONE, missing="queue_size")
FAILED = Answer(error="no answer")


class Course:
    """A rule and what happened to it, one answer every 15 s."""

    def __init__(self, rule: Rule = RULE) -> None:
        self.rule = rule
        self.state = RuleState()
        self.at = T0 - STEP
        self.changes: list[Change] = []

    def goes(self, *answers: Answer) -> Course:
        for answer in answers:
            self.at += STEP
            self.state, changes = step(self.rule, self.state, answer, self.at)
            self.changes += changes
        return self

    @property
    def kinds(self) -> list[str]:
        return [change.kind for change in self.changes]

    @property
    def states(self) -> list[AlertState]:
        return [episode.state for episode in self.state.open.values()]


def test_a_condition_is_pending_until_it_held_for_its_time_and_then_fires() -> None:
    course = Course().goes(HOLDS, HOLDS)
    assert course.states == [AlertState.PENDING]

    course.goes(HOLDS)

    (episode,) = course.state.open.values()
    assert (episode.state, episode.active_at, episode.fired_at) == (AlertState.FIRING, T0, T0 + 2 * STEP)
    assert course.kinds == ["pending", "firing"]
    assert episode.labels == {"alertname": "Backlog", "queue_name": "a", "severity": "warning"}


def test_without_a_time_it_fires_at_once() -> None:
    assert Course(replace(RULE, for_s=0)).goes(HOLDS).kinds == ["firing"]


def test_a_pending_alert_that_ends_is_dropped_without_a_word() -> None:
    course = Course().goes(HOLDS, NOT)

    assert (course.kinds, course.state.open) == (["pending", "dropped"], {})


def test_a_firing_alert_whose_condition_ends_is_resolved_and_the_next_is_a_new_episode() -> None:
    course = Course().goes(HOLDS, HOLDS, HOLDS, NOT, HOLDS)

    assert course.kinds == ["pending", "firing", "resolved", "pending"]
    resolved = course.changes[2].episode
    assert resolved is not None
    assert (resolved.state, resolved.resolved_at) == (AlertState.RESOLVED, T0 + 3 * STEP)
    assert next(iter(course.state.open.values())).active_at == T0 + 4 * STEP


def test_it_is_kept_firing_for_its_time_after_the_condition_ended() -> None:
    course = Course(replace(RULE, for_s=0, keep_firing_for_s=30)).goes(HOLDS, NOT, NOT)
    (episode,) = course.state.open.values()
    assert (episode.state, episode.keep_since) == (AlertState.FIRING, T0 + STEP)

    course.goes(HOLDS)
    assert next(iter(course.state.open.values())).keep_since is None
    course.goes(NOT, NOT, NOT)

    assert course.kinds == ["firing", "kept", "recurred", "kept", "resolved"]


def test_a_longer_time_makes_a_firing_alert_wait_again() -> None:
    course = Course(replace(RULE, for_s=0)).goes(HOLDS)
    course.rule = replace(RULE, for_s=60)

    assert course.goes(HOLDS).states == [AlertState.PENDING]
    assert course.goes(HOLDS, HOLDS, HOLDS).states == [AlertState.FIRING]
    assert next(iter(course.state.open.values())).active_at == T0


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, -math.inf])
def test_whatever_value_is_there_holds(value: float) -> None:
    assert Course(replace(RULE, for_s=0)).goes(Answer([ONE], [value])).kinds == ["firing"]


def test_two_series_with_the_same_labels_are_an_error_of_the_rule_and_change_nothing() -> None:
    same = Answer([ONE, {**ONE, "__name__": "other"}], [1.0, 2.0])
    course = Course(replace(RULE, for_s=0)).goes(HOLDS, same)

    assert course.states == [AlertState.FIRING]
    assert course.state.health is Health.ERROR
    assert "queue_name=a" in course.state.reason


def test_an_error_keeps_every_alert_and_is_told_after_three_evaluations_and_its_time() -> None:
    course = Course(replace(RULE, for_s=30)).goes(HOLDS, HOLDS, HOLDS, FAILED, FAILED)
    assert course.states == [AlertState.FIRING]
    assert course.state.troubles["RuleError"].state is AlertState.PENDING

    course.goes(FAILED)
    error = course.state.troubles["RuleError"]
    assert (error.state, error.labels["rule"], error.labels["severity"]) == (AlertState.FIRING, "Backlog", "warning")
    assert error.annotations["description"] == "no answer"

    course.goes(HOLDS)
    assert course.state.troubles == {}
    assert (course.states, course.state.health) == ([AlertState.FIRING], Health.OK)


def test_more_alerts_than_the_limit_keep_the_old_ones_and_are_told_once() -> None:
    course = Course(replace(RULE, for_s=0, limit=1)).goes(HOLDS, BOTH, BOTH)

    assert len(course.state.open) == 1
    assert course.state.troubles["RuleLimit"].state is AlertState.FIRING
    assert course.kinds.count("firing") == 2
    assert course.goes(HOLDS).state.troubles == {}


def test_when_the_metric_is_gone_the_alert_stays_and_no_data_is_told_after_the_time() -> None:
    course = Course().goes(HOLDS, HOLDS, HOLDS, NONE, NONE)
    assert course.state.troubles["NoData"].state is AlertState.PENDING

    course.goes(NONE)

    assert course.states == [AlertState.FIRING]
    assert (course.state.health, course.state.reason) == (Health.NO_DATA, "no data: queue_size")
    assert course.state.troubles["NoData"].state is AlertState.FIRING
    assert course.goes(NOT).state.open == {}
    assert course.state.troubles == {}


@pytest.mark.parametrize("place", ["labels", "annotations"])
def test_a_rule_may_take_no_data_as_no_alert_or_as_loud_as_itself(place: str) -> None:
    as_ok = replace(RULE, for_s=0, **{place: {**RULE.labels, "no_data": "ok"}})
    as_alert = replace(RULE, for_s=0, labels={"severity": "critical"})
    as_alert = replace(as_alert, **{place: {"severity": "critical", "no_data": "alert"}})

    quiet, loud = Course(as_ok).goes(HOLDS, NONE), Course(as_alert).goes(HOLDS, NONE)

    assert (quiet.state.open, dict(quiet.state.troubles)) == ({}, {})
    assert loud.state.troubles["NoData"].labels["severity"] == "critical"


def test_a_metric_that_was_never_seen_is_said_and_fires_nothing() -> None:
    course = Course(replace(RULE, for_s=0)).goes(Answer([], [], [], data=Data.NEVER, missing="queue_size"))

    assert (course.state.health, course.state.reason) == (Health.NO_DATA, "never seen: queue_size")
    assert (dict(course.state.troubles), course.state.ever_seen) == ({}, False)


def test_one_series_gone_while_others_remain_resolves_after_two_evaluations() -> None:
    gone = Answer([], [], [TWO])
    course = Course(replace(RULE, for_s=0)).goes(HOLDS, gone)
    assert course.states == [AlertState.FIRING]

    course.goes(gone)

    resolved = course.changes[-1].episode
    assert resolved is not None
    assert (course.kinds[-1], resolved.resolved_why) == ("resolved", "MissingSeries")


def test_a_doubtful_answer_resolves_nothing_but_may_fire() -> None:
    doubtful: Mapping[str, str] = {"doubtful": "2 of 3 parts answered"}
    course = Course(replace(RULE, for_s=0)).goes(HOLDS, replace(NOT, **doubtful))
    assert course.states == [AlertState.FIRING]
    assert "2 of 3" in course.state.reason

    assert course.goes(replace(BOTH, **doubtful)).kinds == ["firing", "firing"]
    assert course.goes(NOT).kinds[2:] == ["resolved"]


def test_time_that_nobody_saw_does_not_count_for_what_is_pending() -> None:
    state = Course(replace(RULE, for_s=60)).goes(HOLDS, HOLDS).state
    gap = timedelta(minutes=20)

    (after,) = restored(state, T0 + STEP + gap).open.values()
    (anew,) = restored(state, T0 + STEP + timedelta(hours=2)).open.values()

    assert after.active_at == T0 + gap
    assert anew.active_at == T0 + STEP + timedelta(hours=2)


def test_what_fired_goes_on_across_a_gap_and_a_long_one_is_marked() -> None:
    state = Course(replace(RULE, for_s=0)).goes(HOLDS).state

    (short,) = restored(state, T0 + timedelta(minutes=59)).open.values()
    (long,) = restored(state, T0 + timedelta(hours=3)).open.values()

    assert (short.active_at, short.unobserved) == (T0, timedelta(0))
    assert (long.active_at, long.unobserved) == (T0, timedelta(hours=3))


def test_a_clock_that_is_put_back_neither_fires_nor_delays() -> None:
    course = Course(replace(RULE, for_s=30)).goes(HOLDS, HOLDS)
    course.at -= timedelta(hours=1)

    assert course.goes(HOLDS).states == [AlertState.PENDING]
    assert course.goes(HOLDS, HOLDS).states == [AlertState.FIRING]


def test_a_clock_that_is_put_back_does_not_make_a_firing_alert_wait() -> None:
    course = Course(replace(RULE, for_s=30)).goes(HOLDS, HOLDS, HOLDS)
    course.at -= timedelta(hours=1)

    assert course.goes(HOLDS).states == [AlertState.FIRING]
    assert next(iter(course.state.open.values())).active_at == T0


@pytest.mark.parametrize(("answer", "name"), [(NONE, "NoData"), (FAILED, "RuleError")])
def test_a_clock_that_is_put_back_does_not_delay_what_is_told_about_the_rule_itself(answer: Answer, name: str) -> None:
    course = Course(replace(RULE, for_s=60)).goes(NOT, answer, answer, answer)
    course.at -= timedelta(hours=1)

    assert course.goes(answer).state.troubles[name].state is AlertState.PENDING
    assert course.goes(answer, answer).state.troubles[name].state is AlertState.FIRING


def test_a_clock_that_is_put_back_during_an_error_keeps_the_progress_of_what_is_pending() -> None:
    course = Course(replace(RULE, for_s=45)).goes(HOLDS, HOLDS)
    course.at -= timedelta(hours=1)

    assert course.goes(FAILED, HOLDS).states == [AlertState.PENDING]
    assert course.goes(HOLDS).states == [AlertState.FIRING]


def test_annotations_say_the_newest_value_and_nothing_else_is_code() -> None:
    rule = replace(
        RULE,
        for_s=0,
        annotations={"summary": "{{ $labels.queue_name }}: {{ $value | humanize }}", "x": "{{ ''.__class__ }}"},
    )
    course = Course(rule).goes(HOLDS, Answer([ONE], [4321.0], []))

    (episode,) = course.state.open.values()
    assert episode.told(rule) == {"summary": "a: 4.321k", "x": "{{ ''.__class__ }}"}
