from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from lib.alerts.rules import Rule
from lib.alerts.tables import AlertRow
from lib.errors import SourceUnavailable
from lib.state.database import State
from tests.alerts.doubtful import Doubtful
from tests.alerts.engine.world import BACKLOG, STEP, Inline, World, world


@pytest.fixture
def running(tmp_path: Path, state: State) -> Iterator[World]:
    with world(tmp_path, state) as one:
        yield one


def test_an_alert_is_kept_from_pending_to_resolved_with_its_story(running: World) -> None:
    running.turn(2000)
    assert [(row.state, row.value) for row in running.alerts()] == [("pending", 2000)]

    running.turn(2000, times=2)
    (row,) = running.alerts()
    assert (row.state, row.name, row.severity, row.labels["queue_name"]) == ("firing", "Backlog", "warning", "a")

    running.turn(3)
    (row,) = running.alerts()
    assert (row.state, row.resolved_why) == ("resolved", "the condition no longer holds")
    assert running.stories() == ["pending", "firing", "resolved"]


def test_a_pending_alert_that_ends_leaves_no_row_but_its_story(running: World) -> None:
    running.turn(2000).turn(3)

    assert running.alerts() == []
    assert running.stories() == ["pending", "dropped"]


@pytest.mark.parametrize("odd", ["\x00", "\ud800"])
def test_an_odd_name_of_one_rule_or_series_keeps_no_other_from_being_kept(running: World, odd: str) -> None:
    """Names, severities and the words of what was dropped are texts of the database, which takes neither in them."""
    running.rules = (BACKLOG, Rule(f"Odd{odd}", "queue_size > 1000", group="g"))
    for value in (5000.0, 5.0, 5000.0):
        running.write(({"__name__": "queue_size", "queue_name": odd, "severity": odd}, value))
        running.turn(5000)

    kept = [(row.name, row.state) for row in running.alerts()]

    assert ("Backlog", "firing") in kept
    assert {name[:3] for name, _ in kept} == {"Bac", "Odd"}
    assert "dropped" in running.stories()


def test_what_did_not_change_writes_no_story_and_the_value_is_renewed(running: World) -> None:
    running.turn(2000, times=10).turn(2500)

    assert running.stories() == ["pending", "firing"]
    assert [row.value for row in running.alerts()] == [2500]


def test_a_restart_goes_on_where_it_was_and_the_gap_does_not_count(running: World) -> None:
    running.turn(2000).turn(2000)
    running.restart()
    running.turn(2000)  # the lease of the one that died runs out; this evaluation is the one after it
    (row,) = running.alerts()
    assert row.state == "pending"

    running.turn(2000).turn(2000)

    (row,) = running.alerts()
    assert row.state == "firing"
    assert running.stories() == ["pending", "firing"]


def test_a_firing_alert_whose_condition_ended_while_nobody_looked_is_resolved_by_the_next_evaluation(
    running: World,
) -> None:
    running.turn(2000, times=3)
    running.restart()
    running.now += timedelta(minutes=10)
    running.turn(3, times=2)

    assert [row.state for row in running.alerts()] == ["resolved"]


def test_the_dispatcher_is_called_in_the_same_transaction_and_its_failure_undoes_everything(
    tmp_path: Path, state: State
) -> None:
    seen: list[str] = []

    def dispatch(session: Session, now: datetime) -> None:
        seen.extend(session.scalars(select(AlertRow.state)))
        if len(seen) == 1:
            raise SourceUnavailable("no", "state")

    with world(tmp_path, state, replace(BACKLOG, for_s=0), dispatch=dispatch) as running:
        with pytest.raises(SourceUnavailable):
            running.turn(2000)
        assert running.alerts() == []
        assert running.engine.status().not_kept_why == "no"

        running.turn(2000)

    assert seen == ["firing", "firing"]
    assert [row.state for row in running.alerts()] == ["firing"]
    assert running.engine.status().not_kept_since is None


def test_a_rule_that_is_gone_ends_its_alerts_and_a_changed_one_keeps_them(running: World) -> None:
    running.turn(2000, times=3)
    running.rules = (replace(BACKLOG, expression="queue_size > 500"),)
    assert [row.state for row in running.turn(800).alerts()] == ["firing"]

    running.rules = (Rule("Other", "queue_size > 5000", group="g"),)
    running.turn(800)

    assert [(row.state, row.resolved_why) for row in running.alerts()] == [
        ("resolved", "the rule was removed or its labels changed")
    ]
    assert [row.name for row in running.rule_rows()] == ["Other"]


def test_a_rule_that_is_changed_to_a_metric_that_never_came_says_never_seen(running: World) -> None:
    running.turn(5)
    running.rules = (replace(BACKLOG, expression="queue_sise > 1000"),)
    running.turn(5)
    (row,) = running.rule_rows()
    assert (row.health, row.reason, row.ever_seen) == ("no-data", "never seen: queue_sise", False)

    running.rules = (replace(BACKLOG, expression="queue_size > 9"),)
    running.turn(5)
    (row,) = running.rule_rows()
    assert (row.health, row.reason, row.ever_seen) == ("ok", "", True)


def test_a_firing_alert_whose_rule_is_changed_to_an_unknown_metric_is_kept_and_no_data_is_told(running: World) -> None:
    running.turn(2000, times=3)
    running.rules = (replace(BACKLOG, expression="queue_sise > 1000"),)
    running.turn(2000, times=4)

    assert {(row.name, row.state) for row in running.alerts()} == {("Backlog", "firing"), ("NoData", "firing")}
    assert running.rule_rows()[0].reason == "no data: queue_sise"


def test_a_rule_without_any_data_says_so(running: World) -> None:
    running.turn()
    (row,) = running.rule_rows()
    assert (row.health, row.reason, row.ever_seen) == ("no-data", "never seen: queue_size", False)

    running.turn(5)
    (row,) = running.rule_rows()
    assert (row.health, row.reason, row.ever_seen) == ("ok", "", True)


def test_a_slow_rule_delays_no_other_and_its_missed_turns_are_counted_f29(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = Event()
    rules = (BACKLOG, Rule("Slow", "slow_metric > 1", group="g"))
    with world(tmp_path, state, *rules) as running, ThreadPoolExecutor(4) as pool:
        ask = running.metrics.instant

        def slow(expression: str, at: datetime) -> Any:
            if expression == "slow_metric":
                go_on.wait(30)
            return ask(expression, at)

        monkeypatch.setattr(running.metrics, "instant", slow)
        lanes: tuple[Executor, Executor] = (pool, pool)
        running.restart(lanes=lanes)
        try:
            running.turn(2000, times=4)
            assert [row.state for row in running.alerts()] == ["firing"]
        finally:
            go_on.set()
        running.turn(2000)

    skipped = {row.name: row.skipped for row in running.rule_rows()}
    assert skipped["Backlog"] == 0
    assert running.engine.status().skipped >= 3


def test_a_late_turn_is_left_out_and_counted(running: World) -> None:
    running.turn(2000)
    running.now += timedelta(seconds=60)
    running.turn(2000)

    assert running.engine.status().skipped == 4


def test_while_the_state_takes_no_writes_evaluation_goes_on_and_everything_is_kept_later(
    running: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.turn(5)
    with monkeypatch.context() as broken:
        broken.setattr(running.lease, "check", lambda _: (_ for _ in ()).throw(SourceUnavailable("full", "state")))
        for value in (2000, 2000, 2000):
            with pytest.raises(SourceUnavailable):
                running.turn(value)
        assert running.engine.status().not_kept_why == "full"
        assert (running.engine.status().firing, running.alerts()) == (1, [])

    running.turn(2000)

    assert [row.state for row in running.alerts()] == ["firing"]
    assert running.stories() == ["pending", "firing"]
    assert running.engine.status().not_kept_since is None


def test_a_commit_that_was_told_as_failed_and_is_there_none_the_less_is_not_made_again(
    running: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a sync that failed, or a connection that broke in the middle of it."""
    running.turn(5)
    for value in (2000, 2000, 2000, 5, 2000):
        with monkeypatch.context() as doubtful, pytest.raises(SourceUnavailable):
            doubtful.setattr(running.engine, "_database", Doubtful(running.state))
            running.turn(value)

    running.turn(2000, times=2)

    assert [row.state for row in running.alerts()] == ["resolved", "firing"]
    assert running.stories() == ["pending", "firing", "resolved", "pending", "firing"]
    assert running.engine.status().not_kept_since is None
    assert running.engine.status().waiting == 0


def test_who_lost_the_lease_writes_nothing_more(running: World) -> None:
    running.turn(2000)
    with running.state.writing() as session:
        session.execute(text("UPDATE lease SET token = token + 1, holder = 'another'"))
    running.now += STEP
    running.write(({"__name__": "queue_size", "queue_name": "a"}, 9000.0))
    running.engine.look()

    with pytest.raises(SourceUnavailable):
        running.engine.keep()

    assert [row.value for row in running.alerts()] == [2000]
    assert not running.lease.held


def test_ten_thousand_alerts_at_once_are_ten_thousand_rows(tmp_path: Path, state: State) -> None:
    with world(tmp_path, state, replace(BACKLOG, for_s=0)) as running:
        running.now += STEP
        running.write(*(({"__name__": "queue_size", "queue_name": f"q{n}"}, 5000.0) for n in range(10_000)))
        running.lease.renew()
        running.engine.look()
        running.engine.keep()

        assert len(running.alerts()) == 10_000
        assert isinstance(running.engine._lanes[0], Inline)
