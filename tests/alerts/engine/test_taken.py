from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from lib.alerts.engine.taken import Taken
from lib.alerts.lease import Lease
from lib.alerts.tables import AlertRow, RuleStateRow, StoryRow
from lib.errors import SourceRejected, SourceUnavailable
from lib.state.database import State
from tests.alerts.doubtful import Doubtful
from tests.alerts.engine.world import STEP, T0, quiet


class Server:
    """What /api/v1/rules says."""

    def __init__(self) -> None:
        self.health, self.error = "ok", ""
        self.alerts: list[dict[str, Any]] = []
        self.answers = True

    def rules(self) -> list[dict[str, Any]]:
        if not self.answers:
            raise SourceUnavailable("no answer", "prometheus")
        rule = {
            "type": "alerting", "name": "Backlog", "query": "queue_size > 1000", "duration": 30, "keepFiringFor": 0,
            "labels": {"severity": "warning"}, "annotations": {"summary": "{{ $value }}"}, "alerts": self.alerts,
            "health": self.health, "lastError": self.error, "evaluationTime": 0.002,
            "lastEvaluation": "2026-03-01T12:00:00.123456789Z",
        }  # fmt: skip
        recording = {"type": "recording", "name": "x:y", "query": "1", "health": "ok"}
        return [{"name": "g", "interval": 15, "rules": [rule, recording]}]

    def says(self, state: str) -> None:
        labels = {"alertname": "Backlog", "severity": "warning", "queue_name": "a"}
        since = "2026-03-01T11:59:00.123456789Z"
        self.alerts = [
            {"labels": labels, "annotations": {"summary": "2000"}, "state": state, "activeAt": since, "value": "2e+03"}
        ]


class World:
    def __init__(self, state: State) -> None:
        self.state, self.server, self.now = state, Server(), T0
        self.restart(self.server)

    def restart(self, server: Server | None) -> None:
        if hasattr(self, "lease"):
            self.lease.release()
        self.lease = Lease(self.state, "one", clock=lambda: self.now)
        self.lease.renew()
        self.taken = Taken(self.state, server, self.lease, quiet, clock=lambda: self.now)

    def turn(self) -> list[str]:
        self.now += STEP
        self.taken.turn()
        return self.states()

    def states(self) -> list[str]:
        with self.state.reading() as session:
            return list(session.scalars(select(AlertRow.state).order_by(AlertRow.id)))


@pytest.fixture
def world(state: State) -> World:
    return World(state)


def test_its_alerts_are_ours_under_its_name_from_pending_to_resolved(world: World) -> None:
    world.server.says("pending")
    assert world.turn() == ["pending"]
    world.server.says("firing")
    assert world.turn() == ["firing"]
    with world.state.reading() as session:
        row = session.scalars(select(AlertRow)).one()
        rule = session.scalars(select(RuleStateRow)).one()
        assert (row.origin, row.name, row.value, row.annotations) == (
            "prometheus",
            "Backlog",
            2000,
            {"summary": "2000"},
        )
        assert row.active_at == datetime.fromisoformat("2026-03-01T11:59:00.123456+00:00")
        assert row.fired_at == T0 + 2 * STEP
        assert (rule.name, rule.health, rule.took_ms) == ("Backlog", "ok", 2.0)

    world.server.alerts = []

    assert world.turn() == ["resolved"]
    with world.state.reading() as session:
        assert list(session.scalars(select(StoryRow.kind).order_by(StoryRow.id))) == ["pending", "firing", "resolved"]


def test_no_answer_or_a_rule_in_error_resolves_nothing(world: World) -> None:
    world.server.says("firing")
    world.turn()
    world.server.answers = False
    with pytest.raises(SourceUnavailable):
        world.turn()
    world.server.answers, world.server.health, world.server.alerts = True, "unknown", []

    assert world.turn() == ["firing"]

    world.server.health = "ok"
    assert world.turn() == ["resolved"]


def test_while_it_does_not_answer_none_of_its_rules_looks_well(world: World) -> None:
    def rule() -> tuple[str, str, datetime, datetime]:
        with world.state.reading() as session:
            row = session.scalars(select(RuleStateRow).where(RuleStateRow.name == "Backlog")).one()
            return row.health, row.reason, row.health_since, row.last_eval

    with world.state.writing() as session:
        session.add(
            RuleStateRow(
                rule="own/Own/1", name="Own", health="ok", health_since=T0, reason="", ever_seen=True, last_eval=T0,
                took_ms=0, skipped=0,
            )
        )  # fmt: skip
    world.turn()
    well = rule()
    world.server.answers = False
    for _ in range(2):
        with pytest.raises(SourceUnavailable):
            world.turn()

    assert well[:2] == ("ok", "")
    assert rule() == ("error", "not taken from Prometheus: no answer", T0 + 2 * STEP, well[3])
    with world.state.reading() as session:
        assert session.scalars(select(RuleStateRow.health).where(RuleStateRow.name == "Own")).one() == "ok"
    world.server.answers = True
    world.turn()
    assert rule() == well


def test_a_server_that_was_started_again_has_forgotten_since_when_an_alert_fires_and_we_have_not(world: World) -> None:
    world.server.says("firing")
    world.turn()
    world.server.says("pending")
    world.server.alerts[0]["activeAt"] = "2026-03-01T12:00:30Z"

    assert world.turn() == ["firing"]
    world.server.alerts[0]["state"] = "firing"
    assert world.turn() == ["firing"]
    with world.state.reading() as session:
        row = session.scalars(select(AlertRow)).one()
        assert (row.active_at.minute, row.fired_at) == (59, T0 + STEP)
        assert list(session.scalars(select(StoryRow.kind))) == ["firing"]
    world.server.alerts = []
    assert world.turn() == ["resolved"]


def test_a_restart_goes_on_with_what_was_taken(world: World) -> None:
    world.server.says("firing")
    world.turn()
    world.restart(world.server)

    assert world.turn() == ["firing"]


def test_when_it_is_no_longer_asked_what_was_taken_ends(world: World) -> None:
    world.server.says("firing")
    world.turn()
    world.restart(None)

    assert world.turn() == ["resolved"]
    with world.state.reading() as session:
        assert session.scalars(select(RuleStateRow)).all() == []


@pytest.mark.parametrize("odd", [{"name": "g"}, {"name": "g", "rules": ["x"]}, {"name": "g", "rules": None}, "x", None])
def test_an_answer_in_another_form_is_refused_and_changes_nothing(world: World, odd: Any) -> None:
    world.server.says("firing")
    world.turn()
    world.server.rules = lambda: [odd]  # type: ignore[method-assign]

    with pytest.raises(SourceRejected):
        world.turn()
    assert world.states() == ["firing"]


@pytest.mark.parametrize(
    "odd",
    [{"state": "firing"}, {"state": "firing", "labels": None}, {"state": "firing", "labels": ["a"]}, "firing", None],
)
def test_an_alert_in_another_form_is_refused_and_changes_nothing(world: World, odd: Any) -> None:
    world.server.says("firing")
    world.turn()
    world.server.alerts.append(odd)

    with pytest.raises(SourceRejected):
        world.turn()
    assert world.states() == ["firing"]


def test_a_commit_that_was_told_as_failed_and_is_there_none_the_less_is_not_made_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for said in ("pending", "firing"):
        world.server.says(said)
        with monkeypatch.context() as doubtful, pytest.raises(SourceUnavailable):
            doubtful.setattr(world.taken, "_state", Doubtful(world.state))
            world.turn()
        assert world.turn() == [said]

    world.server.alerts = []

    assert world.turn() == ["resolved"]
    with world.state.reading() as session:
        assert list(session.scalars(select(StoryRow.kind).order_by(StoryRow.id))) == ["pending", "firing", "resolved"]


def test_nothing_is_taken_without_the_lease(world: World) -> None:
    world.server.says("firing")
    world.lease.lose()

    assert world.turn() == []
