"""Alerts that are pushed: whatever the order and number of deliveries, the same is kept in the end (F26)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from lib.alerts import pushed
from lib.alerts.model import Origin
from lib.alerts.pushed import SAME_EPISODE, Signal, Taken, Told
from lib.alerts.tables import AlertRow, StoryRow
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from tests.alerts.pushing import at, rows

LABELS = {"alertname": "QueueBacklog", "severity": "warning"}
Fact = tuple[str, float, float | None]
"""An alert's name, and its start and end in minutes."""


def told(name: str, start: float, end: float | None) -> Told:
    return Told(
        {**LABELS, "alertname": name}, {"d": f"{name} {start} {end}"}, at(start), None if end is None else at(end)
    )


def take_in(state: State, facts: Sequence[Fact], now: datetime | None = None) -> Taken:
    with state.writing() as session:
        return pushed.take_in(session, [told(*fact) for fact in facts], now or at(60))


def episodes(state: State) -> list[tuple[str, str, float, float | None, str]]:
    """Name, state, start, end and what its annotation says, of what counts as an episode."""
    kept = [row for row in rows(state) if row["resolved_why"] != SAME_EPISODE]
    return [
        (
            row["name"],
            row["state"],
            _minutes(row["active_at"]),
            row["resolved_at"] and _minutes(row["resolved_at"]),
            row["annotations"]["d"],
        )
        for row in kept
    ]


def _minutes(moment: datetime) -> float:
    return (moment - at(0)).total_seconds() / 60


def test_an_episode_begins_repeats_and_ends_once(state: State) -> None:
    answers = [
        take_in(state, [fact]) for fact in (("A", 0, None), ("A", 0, None), ("A", 0, 9), ("A", 0, 9), ("A", 0, None))
    ]

    assert answers == [Taken(begun=1), Taken(repeated=1), Taken(ended=1), Taken(repeated=1), Taken(repeated=1)]
    assert episodes(state) == [("A", "resolved", 0, 9, "A 0 9")]
    assert rows(state)[0]["repeats"] == 3


def test_the_end_may_come_first(state: State) -> None:
    take_in(state, [("A", 0, 9)])
    take_in(state, [("A", 0, None)])

    assert episodes(state) == [("A", "resolved", 0, 9, "A 0 9")]


def test_the_latest_end_wins(state: State) -> None:
    for end in (9, 12, 10):
        take_in(state, [("A", 0, end)])

    assert episodes(state) == [("A", "resolved", 0, 12, "A 0 12")]


def test_episodes_that_overlap_are_one_that_ends_with_the_last(state: State) -> None:
    take_in(state, [("A", 5, 12), ("A", 0, 9)])

    assert [row[:4] for row in episodes(state)] == [("A", "resolved", 0, 12)]


def test_the_earliest_start_wins_where_two_servers_tell_of_one_episode(state: State) -> None:
    take_in(state, [("A", 0.1, None)])
    take_in(state, [("A", 0, None)])
    assert [row[:4] for row in episodes(state)] == [("A", "firing", 0, None)]

    take_in(state, [("A", 0, 9)])

    assert [row[:4] for row in episodes(state)] == [("A", "resolved", 0, 9)]


def test_an_acknowledgement_goes_over_to_the_earlier_start(state: State) -> None:
    take_in(state, [("A", 0.1, None)])
    with state.writing() as session:
        row = session.get_one(AlertRow, 1)
        row.acked_at, row.acked_by = at(1), "ann"

    take_in(state, [("A", 0, None)])

    assert rows(state)[0]["acked_by"] == "ann"


def test_a_later_start_after_the_end_is_a_new_episode(state: State) -> None:
    for fact in (("A", 0, 9), ("A", 20, None)):
        take_in(state, [fact])

    assert [row[:4] for row in episodes(state)] == [("A", "resolved", 0, 9), ("A", "firing", 20, None)]


def test_an_end_that_got_lost_is_made_up_for_by_the_next_one(state: State) -> None:
    for fact in (("A", 0, None), ("A", 20, None), ("A", 20, 30)):
        take_in(state, [fact])
    assert [row[:4] for row in episodes(state)] == [("A", "resolved", 0, 30)]

    take_in(state, [("A", 0, 9)])

    assert [row[:4] for row in episodes(state)] == [("A", "resolved", 0, 9), ("A", "resolved", 20, 30)]


def test_a_firing_long_after_the_end_is_told_is_a_new_episode_and_ends_with_its_end(state: State) -> None:
    """An Alertmanager that had lost its Prometheus for a while ends the alert and then tells of it with the old start."""
    take_in(state, [("A", 0, 9)], at(9))
    take_in(state, [("A", 0, None)], at(12))
    assert [row[1] for row in episodes(state)] == ["resolved"]

    for now in (40, 41):
        take_in(state, [("A", 0, None)], at(now))
    assert [row[:4] for row in episodes(state)] == [("A", "resolved", 0, 9), ("A", "firing", 40, None)]

    take_in(state, [("A", 0, 50)], at(50))
    assert [row[:4] for row in episodes(state)] == [("A", "resolved", 0, 50)]


def test_what_a_person_ended_stays_ended_until_it_is_told_long_after(state: State) -> None:
    take_in(state, [("A", 0, None)], at(1))
    with state.writing() as session:
        pushed.ended(session, session.get_one(AlertRow, 1), at(5), "by hand")

    take_in(state, [("A", 0, None)], at(6))
    assert [row[1] for row in episodes(state)] == ["resolved"]

    take_in(state, [("A", 0, None)], at(70))
    assert [row[1] for row in episodes(state)] == ["resolved", "firing"]


def test_a_story_is_told_of_beginnings_and_ends_only(state: State) -> None:
    for fact in (("A", 0, None), ("A", 0, None), ("A", 0, 9), ("A", 0, 9)):
        take_in(state, [fact])

    with state.reading() as session:
        assert session.query(StoryRow.words).order_by(StoryRow.id).all() == [
            ("Alertmanager told that it fires",), ("Alertmanager told that it ended at 12:09:00 UTC",),
        ]  # fmt: skip


def story_of_a_day(chance: random.Random) -> list[Fact]:
    """What two replicas of a server and an Alertmanager that repeats itself would tell of four alerts."""
    facts: list[Fact] = []
    for name in "ABCD":
        start = 0.0
        for _ in range(chance.randint(1, 4)):
            end = start + chance.randint(2, 9)
            facts += [(name, start, None), (name, start, end)]
            if chance.random() < 0.3:  # the other replica saw it a little later
                facts.append((name, start + 0.5, None))
            start = end + chance.randint(1, 5)
        if chance.random() < 0.6:
            facts.append((name, start, None))
    return facts


def test_a_thousand_shuffled_deliveries_leave_the_same_state_f26(tmp_path: Path) -> None:
    chance = random.Random(1)
    facts = story_of_a_day(chance)
    deliveries = [chance.choices(facts, k=chance.randint(1, 4)) for _ in range(500)]
    deliveries += [[fact] for fact in facts] + [chance.sample(facts, k=len(facts)) for _ in range(500 - len(facts))]
    assert len(deliveries) == 1000
    kept = []
    for order in range(2):
        state = open_state(sqlite_url(tmp_path / f"{order}.sqlite"))
        chance.shuffle(deliveries)
        with state.writing() as session:  # one transaction: a thousand of them would wait for the disk only
            for number, facts_told in enumerate(deliveries):
                pushed.take_in(session, [told(*fact) for fact in facts_told], at(60) + timedelta(seconds=number / 10))
        kept.append(episodes(state))
        state.close()

    assert kept[0] == kept[1]
    assert {row[0] for row in kept[0]} == set("ABCD")


@pytest.fixture(scope="module")
def one_state(tmp_path_factory: pytest.TempPathFactory) -> Any:
    opened = open_state(sqlite_url(tmp_path_factory.mktemp("pushed") / "state.sqlite"))
    yield opened
    opened.close()


FACTS = st.tuples(st.just("A"), st.integers(0, 6), st.none() | st.integers(0, 9)).map(
    lambda fact: (fact[0], float(fact[1]), None if fact[2] is None else float(max(fact[1], fact[2])))
)


@given(st.data(), st.lists(FACTS, max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_facts_in_any_order_leave_the_same_state(one_state: State, data: st.DataObject, facts: list[Fact]) -> None:
    shuffled = data.draw(st.permutations(facts + facts))
    kept = []
    for order in (facts, shuffled):
        with one_state.writing() as session:
            session.execute(delete(AlertRow))
            for fact in order:
                pushed.take_in(session, [told(*fact)], at(60))
        kept.append(episodes(one_state))

    assert kept[0] == kept[1]
    assert sum(row[1] == "firing" for row in kept[0]) <= 1


def signal(state: State, now: float, *, firing: bool = True, expires: float | None = None, **labels: str) -> Taken:
    one = Signal(
        "backup",
        firing,
        {**LABELS, "key": "backup", **labels},
        {"d": "x"},
        timedelta(minutes=expires) if expires else None,
    )
    with state.writing() as session:
        return pushed.signal(session, one, at(now))


def test_a_program_begins_repeats_and_ends_by_its_key(state: State) -> None:
    answers = [
        signal(state, 0),
        signal(state, 1),
        signal(state, 2, firing=False),
        signal(state, 3, firing=False),
        signal(state, 4),
    ]

    assert answers == [Taken(begun=1), Taken(repeated=1), Taken(ended=1), Taken(repeated=1), Taken(begun=1)]
    assert [(row["state"], row["origin"], row["repeats"]) for row in rows(state)] == [
        ("resolved", Origin.API, 1), ("firing", Origin.API, 0)
    ]  # fmt: skip


def test_a_key_told_with_another_severity_is_another_alert_in_place_of_the_first(state: State) -> None:
    signal(state, 0)
    answer = signal(state, 1, severity="critical")

    assert answer == Taken(begun=1, ended=1)
    assert [(row["state"], row["severity"]) for row in rows(state)] == [("resolved", "warning"), ("firing", "critical")]


def test_a_signal_with_a_time_to_live_ends_unless_it_is_told_again(state: State) -> None:
    signal(state, 0, expires=10)
    signal(state, 8, expires=10)

    ended = []
    for now in (11, 17.9, 18, 19):
        with state.writing() as session:
            ended.append(pushed.expire(session, at(now)))

    assert ended == [0, 0, 1, 0]
    assert rows(state)[0]["resolved_why"] == pushed.NOT_RENEWED
