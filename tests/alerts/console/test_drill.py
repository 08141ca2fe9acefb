"""A drill begins once, ends by itself, switches off what it switched on, and is told with the times of every step."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from lib.alerts import past
from lib.alerts.console import drill as running
from lib.alerts.console import drill_view, faults
from lib.alerts.console.drill import METRIC, OWN, Range, Switch
from lib.alerts.drills import RULE, Drill, Kind, Phase
from lib.alerts.model import fingerprint
from lib.alerts.rules import load_rules
from lib.alerts.tables import AlertRow, DrillRow, StoryRow
from lib.errors import Refused, SourceUnavailable
from lib.identity.roles import Actor, Role, Via
from lib.settings import Settings
from lib.state import audit
from lib.state.database import State
from lib.window import Window
from tests import fault_server as answers
from tests.alerts.seeded import alert, put
from tests.fault_server import FaultServer
from tests.proxy import until
from tests.seed import RULES

ANN = Actor("ann", Role.OPERATOR, Via.NAME)
T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class World:
    """A range on a clock that a test moves, and what was switched."""

    def __init__(self, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(running, "LOOK_S", 0.01)
        monkeypatch.setattr(running, "SAY_S", 0.05)
        self.state, self.now, self.switched = state, T0, list[bool]()
        self.ran = 0.0
        self.range = Range(lambda: self.now)

    def another(self) -> Range:
        """Another process, or this one after a restart, on a monotonic clock that a test moves."""
        return Range(lambda: self.now, lambda: self.ran)

    def follow(self, other: Range, seconds: float) -> None:
        self.ran += seconds
        other.follow(self.state, lambda kind: self.switch)

    def left(self, kind: Kind = OWN, **fields: object) -> None:
        """A drill as a process that was killed leaves it."""
        told = {"switched_off": None, "over": None, "why": "", "problem": "", "looks": 7, "stopping": False}
        with self.state.writing() as session:
            session.add(
                DrillRow(
                    kind=kind.name, about=kind.about, at_most_s=kind.at_most.total_seconds(), who="ann", began=T0,
                    **(told | fields),
                )
            )  # fmt: skip

    def switch(self, on: bool) -> None:
        self.switched.append(on)

    def begin(self, kind: Kind = OWN, who: Actor = ANN, switch: Switch | None = None) -> None:
        audit.act(self.state, who, self.range.deed(kind, who.name, switch or self.switch, self.state))

    @property
    def drill(self) -> Drill:
        assert self.range.drill is not None
        return self.range.drill

    def alert(self, name: str = RULE) -> AlertRow:
        """An alert that fires 45 s after the beginning; told to Slack a second later."""
        labels = {"alertname": name, "severity": "info"}
        fired = T0 + timedelta(seconds=45)
        row = AlertRow(
            origin="engine", fingerprint=fingerprint(labels), rule=name, name=name, severity="info", labels=labels,
            annotations={}, state="firing", active_at=T0 + timedelta(seconds=15), fired_at=fired, last_seen=fired,
        )  # fmt: skip
        with self.state.writing() as session:
            session.add(row)
            session.flush()
            self.story(row.id, row.fingerprint, 46)
            session.expunge(row)
        return row

    def story(self, alert_id: int, mark: str, second: float) -> None:
        at = T0 + timedelta(seconds=second)
        self.lines = [*getattr(self, "lines", []), (alert_id, mark, at)]

    def tell(self) -> None:
        with self.state.writing() as session:
            for alert_id, mark, at in self.lines:
                session.add(
                    StoryRow(
                        at=at,
                        fingerprint=mark,
                        alert_id=alert_id,
                        channel="slack",
                        kind="sent",
                        words="accepted with 200",
                    )
                )
        self.lines = []

    def end(self, row: AlertRow, second: float) -> None:
        with self.state.writing() as session:
            kept = session.get_one(AlertRow, row.id)
            kept.state, kept.resolved_at = "resolved", T0 + timedelta(seconds=second)
        self.story(row.id, row.fingerprint, second + 1)
        self.tell()


@pytest.fixture
def world(state: State, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(state, monkeypatch)


def figure(of: Range) -> float:
    [family] = of.collect()
    return float(family.samples[0].value)


def test_our_own_figure_is_one_while_it_is_on_and_the_shipped_rule_watches_it(world: World) -> None:
    before = figure(world.range)
    world.begin()
    until(lambda: figure(world.range) == 1)
    world.now += timedelta(minutes=5)
    until(lambda: world.drill.phase is Phase.OVER or world.drill.phase is Phase.ENDING)

    assert (before, figure(world.range)) == (0, 0)
    [rule] = [one for one in load_rules(RULES.with_name("halo-ops-rules.yml")) if one.name == RULE]
    assert (rule.expression, rule.severity) == (f"{METRIC} > 0", "info")
    world.now += timedelta(minutes=20)
    until(lambda: world.drill.phase is Phase.OVER)


def test_it_ends_after_it_was_fired_and_told_and_waits_for_the_end_to_be_told(world: World) -> None:
    world.begin()
    until(lambda: world.switched == [True])
    row = world.alert()
    world.tell()
    world.now = T0 + timedelta(seconds=80)
    until(lambda: world.drill.phase is Phase.ENDING)
    world.now = T0 + timedelta(seconds=100)
    world.end(row, 90)
    until(lambda: world.drill.phase is Phase.OVER)

    assert (world.switched, world.drill.why) == ([True, False], "it was fired and told")
    [seen] = drill_view.seen(world.state, world.drill)
    offsets = [(at - T0).total_seconds() for at in (seen.pending, seen.firing, seen.resolved) if at]
    assert offsets == [15, 45, 90]
    assert [(name, (at - T0).total_seconds()) for name, at in (*seen.delivered, *seen.told_end)] == [
        ("slack", 46),
        ("slack", 91),
    ]
    said = [line.what for line in drill_view.line_of(world.state, world.drill)]
    assert said[0].startswith("ann began the drill")
    assert "switched off: it was fired and told" in said


def test_a_fault_goes_on_until_every_alert_that_it_raised_was_told(world: World) -> None:
    world.begin(Kind("leak", "grows", timedelta(minutes=20)))
    until(lambda: world.switched == [True])
    world.alert("First")
    world.tell()
    with world.state.writing() as session:
        labels = {"alertname": "Slow", "severity": "critical"}
        row = AlertRow(
            origin="engine", fingerprint=fingerprint(labels), rule="Slow", name="Slow", severity="critical", labels=labels,
            annotations={}, state="pending", active_at=T0 + timedelta(seconds=20), last_seen=T0,
        )  # fmt: skip
        session.add(row)
        session.flush()
        slow, mark = row.id, row.fingerprint
    looked = len(drill_view.seen(world.state, world.drill))
    world.now = T0 + timedelta(minutes=4)
    time.sleep(0.1)  # a dozen looks of the drill
    still_on = world.drill.phase

    with world.state.writing() as session:
        session.get_one(AlertRow, slow).fired_at = T0 + timedelta(minutes=5)
    world.story(slow, mark, 301)
    world.tell()
    world.now = T0 + timedelta(minutes=6)
    until(lambda: world.drill.phase is Phase.ENDING)

    assert (looked, still_on) == (2, Phase.ON)
    assert world.drill.why == "it was fired and told"
    world.now += timedelta(minutes=20)
    until(lambda: world.drill.phase is Phase.OVER)


def test_a_drill_outlives_its_process_and_ends_as_it_would_have(world: World) -> None:
    """Its figure stays 1 across the restart, so that its alert goes on too."""
    world.left()
    after = world.another()
    world.now = T0 + timedelta(seconds=60)
    figures = [figure(after)]
    for _ in range(3):
        world.follow(after, 2)
        figures.append(figure(after))
    switched_early = list(world.switched)
    world.follow(after, 2)
    until(lambda: world.switched == [True])
    row = world.alert()
    world.tell()
    world.now = T0 + timedelta(seconds=80)
    until(lambda: after.drill is not None and after.drill.phase is Phase.ENDING)
    world.now = T0 + timedelta(seconds=100)
    world.end(row, 90)
    until(lambda: after.drill is not None and after.drill.phase is Phase.OVER)

    assert (figures, switched_early) == ([0, 1, 1, 1], [])
    assert world.switched == [True, False]
    assert after.drill is not None and (after.drill.who, after.drill.why) == ("ann", "it was fired and told")
    until(lambda: _kept(world)[1] is not None)  # it is over here first, and kept as such in the next moment
    assert _kept(world) == ("it was fired and told", world.now)


def _kept(world: World) -> tuple[str, datetime | None]:
    with world.state.reading() as session:
        row = session.scalars(select(DrillRow)).one()
        return row.why, row.over


def test_what_was_left_on_for_too_long_is_switched_off_and_not_on_again(world: World) -> None:
    world.left(Kind("leak", "grows", timedelta(minutes=20)))
    world.now = T0 + timedelta(hours=3)
    after = world.another()
    for _ in range(4):
        world.follow(after, 2)

    until(lambda: world.switched == [False])
    world.now += timedelta(minutes=20)
    until(lambda: after.drill is not None and after.drill.phase is Phase.OVER)


def test_a_drill_that_another_process_runs_is_seen_and_ended_but_not_run_twice(world: World) -> None:
    world.begin()
    until(lambda: world.switched == [True])
    other = world.another()
    world.follow(other, 2)
    for _ in range(5):
        looks = _looks(world.state)
        until(lambda before=looks: _looks(world.state) > before)
        world.follow(other, 3)
    watched = other.drill
    with pytest.raises(Refused, match="a drill by ann is on"):
        audit.act(world.state, ANN, other.deed(OWN, "bea", world.switch, world.state))

    audit.act(world.state, ANN, other.stop_deed())
    until(lambda: world.drill.phase is not Phase.ON)

    assert watched == Drill(OWN, "ann", T0)
    assert figure(other) == 0
    assert (world.switched, world.drill.why) == ([True, False], "ended by hand")
    world.now += timedelta(minutes=20)
    until(lambda: world.drill.phase is Phase.OVER)


def _looks(state: State) -> int:
    with state.reading() as session:
        return session.scalar(select(DrillRow.looks)) or 0


def test_alerts_of_a_drill_count_in_no_statistic(world: World) -> None:
    """Of our own figure by its rule; of a fault whatever came up while it was on."""
    leak = Kind("leak", "grows", timedelta(minutes=20))
    world.left(leak, switched_off=T0 + timedelta(minutes=3), over=T0 + timedelta(minutes=5))
    minutes = {RULE: 60, "During": 1, "Before": -1, "After": 6}
    put(world.state, [alert(name, T0 + timedelta(minutes=late)) for name, late in minutes.items()])

    window = Window(T0 - timedelta(hours=1), T0 + timedelta(hours=2))
    found = past.history(world.state, window)

    assert set(found["name"]) == {"Before", "After"}
    assert past.totals(found, window)["fired"] == 2
    assert set(past.top_talkers(found, window)["name"]) == {"Before", "After"}


def test_one_at_a_time_and_only_who_may(world: World) -> None:
    world.begin()
    until(lambda: world.switched == [True])

    with pytest.raises(Refused, match="a drill by ann is on"):
        world.begin()
    with pytest.raises(Refused, match="needs the role operator"):
        world.begin(who=Actor("eve", Role.VIEWER, Via.OIDC))

    world.now += timedelta(hours=1)
    until(lambda: world.drill.phase is Phase.ENDING)
    world.now += timedelta(hours=1)
    until(lambda: world.drill.phase is Phase.OVER)
    assert world.switched == [True, False]


def test_ended_by_hand_it_is_switched_off_at_once(world: World) -> None:
    world.begin()
    until(lambda: world.switched == [True])
    audit.act(world.state, ANN, world.range.stop_deed())
    until(lambda: world.drill.phase is not Phase.ON)

    assert (world.switched, world.drill.why) == ([True, False], "ended by hand")
    world.now += timedelta(minutes=20)
    until(lambda: world.drill.phase is Phase.OVER)


def test_what_cannot_be_switched_on_is_over_at_once_and_says_why(world: World) -> None:
    def broken(on: bool) -> None:
        raise SourceUnavailable("the simulator does not answer", "simulator")

    world.begin(switch=broken)
    until(lambda: world.drill.phase is Phase.OVER)

    assert "could not be switched on: the simulator does not answer" in world.drill.problem


def test_switching_off_is_tried_until_it_works(world: World) -> None:
    tries: list[bool] = []

    def stubborn(on: bool) -> None:
        tries.append(on)
        if not on and len(tries) < 4:
            raise SourceUnavailable("the simulator does not answer", "simulator")

    world.begin(switch=stubborn)
    until(lambda: tries == [True])
    world.now += timedelta(minutes=20)
    until(lambda: world.drill.phase is Phase.OVER or world.drill.phase is Phase.ENDING)

    assert tries == [True, False, False, False]
    world.now += timedelta(minutes=20)
    until(lambda: world.drill.phase is Phase.OVER)
    assert world.drill.problem == ""


def test_faults_are_asked_and_switched_at_the_address_of_the_settings_only() -> None:
    with FaultServer() as simulator:
        simulator.says(
            "/faults",
            answers.json_answer(
                {"faults": [{"name": "leak", "effect": "grows", "on": False}, {"name": "x", "on": True, "effect": ""}]}
            ),
        )
        simulator.says("/faults/..%2Fadmin", answers.json_answer({}))
        demo = Settings(_env_file=None, demo=True, simulator_url=simulator.url(""))  # type: ignore[call-arg]
        found = faults.faults(demo)
        faults.switch(demo, "../admin", on=True)
        requests = [(request.method, request.path, request.body) for request in simulator.requests]

    assert [kind.name for kind in found] == ["leak"]
    assert requests[1] == ("POST", "/faults/..%2Fadmin", b'{"on":true}')
    assert faults.faults(Settings(_env_file=None, simulator_url="http://127.0.0.1:9")) == []  # type: ignore[call-arg]
