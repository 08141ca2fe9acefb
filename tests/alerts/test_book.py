"""What the pages ask of the alerts: what is open, how it stands, and what the past says. On both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from lib.alerts import book, past
from lib.state.database import State
from lib.window import Window
from tests.alerts.seeded import MINUTE, alert, channel, ended, line, pending, put, rule, told, waiting

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = Window(NOW - 24 * HOUR, NOW)


def test_open_alerts_come_worst_first_firing_before_pending_and_the_oldest_of_a_severity_first(state: State) -> None:
    put(state, [
        pending("Early", NOW - 5 * HOUR),
        alert("Mild", NOW - 4 * HOUR, severity="info"),
        alert("Odd", NOW - 4 * HOUR, severity="page"),
        alert("Late", NOW - HOUR),
        alert("Bad", NOW - 2 * HOUR),
        ended("Over", NOW - 3 * HOUR, HOUR),
        alert("Warm", NOW - 3 * HOUR, severity="warning"),
    ])  # fmt: skip

    found = book.open_alerts(state)

    assert list(found["name"]) == ["Bad", "Late", "Warm", "Mild", "Odd", "Early"]
    assert found["active_at"].iloc[0] == pd.Timestamp(NOW - 2 * HOUR)


def test_a_quiet_book_has_the_columns_and_types_of_a_full_one(state: State) -> None:
    quiet, quiet_past = book.open_alerts(state), past.history(state, DAY)
    put(state, [alert("A", NOW - HOUR)])

    full = book.open_alerts(state)

    assert list(quiet.columns) == list(full.columns)
    assert quiet["fired_at"].dtype == full["fired_at"].dtype
    assert past.totals(quiet_past, DAY) == {
        "fired": 0, "open": 0, "ack_s": None, "resolve_s": None, "acked": None, "noise": None, "judged": 0,
    }  # fmt: skip
    assert past.by_rule(quiet_past, DAY).empty
    assert past.top_talkers(quiet_past, DAY).empty


def test_every_episode_of_an_alert_is_found_by_its_fingerprint_newest_first(state: State) -> None:
    first, second = ended("A", NOW - 5 * HOUR, HOUR), alert("A", NOW - HOUR)
    put(state, [first, second, alert("B", NOW - HOUR)])

    found = book.episodes(state, second.fingerprint)

    assert list(found["active_at"]) == [pd.Timestamp(NOW - HOUR), pd.Timestamp(NOW - 5 * HOUR)]


def test_the_story_of_an_alert_is_in_order_and_of_the_window_only(state: State) -> None:
    subject = alert("A", NOW - HOUR)
    lines = [line(subject, NOW - minutes * MINUTE, "k", f"{minutes} min ago") for minutes in (5, 50, 500, 20)]
    put(state, [subject, *lines, line(alert("B", NOW), NOW - MINUTE, "k", "of another")])

    found = book.story(state, [subject.fingerprint], NOW - HOUR, NOW)

    assert list(found["words"]) == ["50 min ago", "20 min ago", "5 min ago"]


def test_who_was_told_and_how_each_channel_does_leaves_tests_out(state: State) -> None:
    subject = alert("A", NOW - HOUR)
    put(state, [
        told(subject, "slack", NOW - MINUTE),
        channel("slack", last_success_at=NOW - MINUTE),
        channel("email", broken_since=NOW, broken_why="no such user"),
        waiting("1", "slack", NOW - MINUTE),
        waiting("2", "slack", NOW, test=True),
    ])  # fmt: skip

    email, slack = book.channels(state)

    assert list(book.told(state, [subject.fingerprint])["channel"]) == ["slack"]
    assert (slack.waiting, slack.last_success, slack.broken) == (1, NOW - MINUTE, False)
    assert (email.broken, email.broken_why) == (True, "no such user")


def test_what_was_said_last_on_each_channel_is_found_per_alert(state: State) -> None:
    subject = alert("A", NOW - HOUR)
    subject.id = put(state, [subject])[0]
    put(state, [
        line(subject, NOW - 3 * MINUTE, "cooldown", "wait", "slack"),
        line(subject, NOW - 2 * MINUTE, "sent", "accepted with 200", "slack"),
        line(subject, NOW - MINUTE, "inhibited", "kept quiet", "email"),
        line(subject, NOW, "acknowledged", "anna took it up"),
    ])  # fmt: skip

    found = book.held_back(state, [subject.id])

    assert dict(zip(found["channel"], found["kind"], strict=True)) == {"email": "inhibited", "slack": "sent"}


def test_rules_that_need_a_look_come_first_and_a_silent_evaluator_is_known(state: State) -> None:
    assert book.stalled(book.rules(state), NOW)
    put(state, [rule("Fine", NOW - MINUTE), rule("Broken", NOW - MINUTE, "error", "no answer")])

    found = book.rules(state)

    assert list(found["name"]) == ["Broken", "Fine"]
    assert not book.stalled(found, NOW)
    assert book.stalled(found, NOW + MINUTE)


def test_history_measures_from_firing_and_counts_what_fired_in_the_window(state: State) -> None:
    took_up = {"acked_at": NOW - 3 * HOUR + 4 * MINUTE, "acked_by": "anna"}
    put(state, [
        ended("A", NOW - 3 * HOUR, 10 * MINUTE, noise="noise", **took_up),
        ended("A", NOW - 2 * HOUR, 30 * MINUTE, noise="useful"),
        alert("B", NOW - HOUR),
        ended("Before", NOW - 30 * HOUR, HOUR),
        ended("Across", NOW - 25 * HOUR, 2 * HOUR),
        pending("Waits", NOW - MINUTE),
    ])  # fmt: skip

    found = past.history(state, DAY)
    totals, rules = past.totals(found, DAY), past.by_rule(found, DAY).set_index("name")

    assert list(found["name"]) == ["B", "A", "A", "Across"]
    assert (totals["fired"], totals["open"], totals["ack_s"], totals["resolve_s"]) == (3, 1, 120.0, 1200.0)
    assert totals["acked"] == pytest.approx(1 / 3)
    assert (totals["noise"], totals["judged"]) == (0.5, 2)
    assert list(rules.index) == ["A", "B"]
    assert rules.loc["A", "firing_s"] == 2400.0
    assert pd.isna(rules.loc["B", "noise"])


def test_top_talkers_are_the_alerts_that_fired_most_often(state: State) -> None:
    often = [ended("Q", NOW - n * HOUR, MINUTE, labels={"queue": "a"}) for n in range(2, 5)]
    put(state, [*often, ended("Q", NOW - HOUR, MINUTE, labels={"queue": "b"})])

    found = past.top_talkers(past.history(state, DAY), DAY)

    assert list(found["fired"]) == [3, 1]
    assert found["labels"].iloc[0]["queue"] == "a"


def test_a_test_alert_is_shown_while_it_is_open_and_never_counted(state: State) -> None:
    put(state, [alert("A", NOW - HOUR, labels={"namespace": "test"}), alert("B", NOW - HOUR)])

    opened = book.open_alerts(state)

    assert dict(zip(opened["name"], opened["test"], strict=True)) == {"A": True, "B": False}
    assert list(past.history(state, DAY)["name"]) == ["B"]
