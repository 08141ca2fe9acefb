"""A replay says what live would have said: the same changes from the same samples, the same notices at the same times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lib.alerts import replay_run
from lib.alerts.delivery.decision import Policy
from lib.alerts.delivery.dispatch import Dispatcher, Plan
from lib.alerts.delivery.routes import read_routes
from lib.alerts.delivery.sender import Sender
from lib.alerts.engine.asking import Asker, plan
from lib.alerts.engine.state import Change, RuleState
from lib.alerts.engine.step import step
from lib.alerts.matchers import Matcher, Op
from lib.alerts.model import Kind
from lib.alerts.replay import Walk
from lib.alerts.replay_run import Replayed, Task, replay
from lib.alerts.replay_samples import Past, evaluations
from lib.alerts.replay_walks import Apart
from lib.alerts.rules import Rule
from lib.alerts.silences import Silence
from lib.alerts.tables import SilenceRow
from lib.errors import SourceUnavailable
from lib.metrics.base import Labels, epoch_ms
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import STALE, Samples
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from lib.window import Window
from tests.alerts.delivery.world import Recorder
from tests.alerts.engine.world import T0, World
from tests.rule_past import write_days

STEP_MS = 15_000
SLACK = Plan(("slack",))
HOURS = 1.5
NOW = T0 + timedelta(hours=HOURS)
PAST = Window(T0, NOW)


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[DuckMetrics]:
    opened = DuckMetrics(tmp_path / "metrics.duckdb")
    yield opened
    opened.close()


def write(metrics: DuckMetrics, name: str, columns: dict[str, np.ndarray]) -> None:
    """One series per column, a value each 15 s from T0; NaN with the bits of STALE ends it, None is left out."""
    labels, ts, values, series = [], [], [], []
    for number, (label, column) in enumerate(columns.items()):
        there = ~np.isnan(column) | (column.view(np.uint64) != np.float64(np.nan).view(np.uint64))
        labels.append({"__name__": name, "queue": label})
        ts.append((epoch_ms(T0) + STEP_MS * np.arange(column.size, dtype=np.int64))[there])
        values.append(column[there])
        series.append(np.full(int(there.sum()), number, dtype=np.int32))
    metrics.append(
        Samples(tuple[Labels, ...](labels), np.concatenate(series), np.concatenate(ts), np.concatenate(values)),
        live=False,
    )


def wild(metrics: DuckMetrics, seed: int) -> None:
    """An hour and a half of everything: flapping, long stretches, NaN, infinities, series that come, go stale and are silent."""
    dice, count = np.random.default_rng(seed), int(HOURS * 240)
    absent, real_nan = np.float64(np.nan), np.uint64(0x7FF8000000000001).view(np.float64)
    columns = {}
    for name in ("a", "b", "c"):
        lengths = dice.integers(1, 40, count)
        values = dice.choice(
            [5.0, 15.0, 25.0, np.inf, real_nan, STALE, absent], count, p=[0.3, 0.3, 0.1, 0.05, 0.1, 0.05, 0.1]
        )
        columns[name] = np.repeat(values, lengths)[:count]
    columns["flapping"] = np.where(np.arange(count) % 3 == 0, 20.0, 1.0)
    columns["flapping"][200:290] = absent
    write(metrics, "depth", columns)
    alone = np.full(count, 30.0)
    alone[100:180], alone[300:] = absent, absent
    write(metrics, "alone", {"x": alone})


def live(metrics: DuckMetrics, rule: Rule) -> tuple[RuleState, list[Change]]:
    """The rule evaluated as the engine does it, one instant question after the other."""
    asker, state, changes = Asker(metrics), RuleState(), list[Change]()
    for at_ms in evaluations(rule, PAST):
        at = T0 + timedelta(milliseconds=int(at_ms) - epoch_ms(T0))
        turn = step(rule, state, asker.ask(rule, at, ever_seen=state.ever_seen), at)
        state = turn.state
        changes += turn.changes
    return state, changes


def walked(metrics: DuckMetrics, rule: Rule, size: int, *, every: bool = False) -> Walk:
    """The replay of the rule, in pieces of this size."""
    walk, past, at_ms = Walk(rule, SLACK, every=every), Past(metrics), evaluations(rule, PAST)
    for start in range(0, len(at_ms), size):
        for piece in past.pieces(plan(rule.expression), at_ms[start : start + size], rule.offset_s):
            walk.take(plan(rule.expression), piece)
    return walk


def told(changes: list[Change]) -> list[str]:
    """The changes by time as text, in which NaN is NaN; those of one moment in no order."""
    return [repr(change) for change in sorted(changes, key=lambda one: (one.at, repr(one)))]


def kept(state: RuleState) -> list[str]:
    """The whole state as text, its alerts in no order."""
    alerts = sorted(map(repr, (*state.open.values(), *state.troubles.values())))
    return [*alerts, repr(replace(state, open={}, troubles={}))]


RULES = [
    Rule("Plain", "depth > 10", group="g"),
    Rule("Waits", "depth > 10", 60, group="g", labels={"severity": "critical"}),
    Rule("Long", "depth >= 15", 600, 120, group="h"),
    Rule("Keeps", "depth > 10", 30, 90, group="g"),
    Rule("Whole", "sum by (queue) (depth) > 10 and depth < 100", 45, group="g"),
    Rule("Differs", "depth != 5", 30, group="g"),
    Rule("Gone", "alone > 10", 60, group="g"),
    Rule("GoneKeptOut", "alone > 10", 60, group="g", annotations={"no_data": "alert"}, labels={"severity": "critical"}),
    Rule("GoneIsOk", "alone > 10", 60, group="g", annotations={"no_data": "ok"}),
    Rule("Absent", "absent(alone)", 120, group="g"),
    Rule("Never", "nowhere > 1", 30, group="g"),
    Rule("Rates", "rate(depth[2m]) > 0.01", 30, group="g"),
    Rule("Limited", "depth > 10", 15, group="g", limit=2),
    Rule("Twice", "label_replace(depth, 'queue', 'same', '', '') > 10", 30, group="g"),
    Rule("ByValue", "depth > 10", 30, group="g", labels={"v": "{{ $value }}"}),
    Rule("Slowly", "depth > 10", 60, group="g", interval_s=60, offset_s=30),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_replay_changes_what_live_changed_and_ends_where_live_ended(metrics: DuckMetrics, rule: Rule) -> None:
    wild(metrics, seed=RULES.index(rule))

    state, changes = live(metrics, rule)
    walk = walked(metrics, rule, 100)

    assert told(walk.changes) == told(changes)
    assert kept(walk.state) == kept(state)
    assert changes or rule.name in ("Never",)


@pytest.mark.parametrize("size", [1, 7, 360])
def test_the_size_of_the_pieces_changes_nothing(metrics: DuckMetrics, size: int) -> None:
    wild(metrics, seed=3)

    walk, other = walked(metrics, RULES[3], size), walked(metrics, RULES[3], 100, every=True)

    assert told(walk.changes) == told(other.changes)
    assert kept(walk.state) == kept(other.state)


ROUTES = read_routes("critical=slack,email;*=email", ("slack", "email"))
TOLD = Plan(("slack", "email"), ROUTES, policy=Policy(timedelta(minutes=3), timedelta(minutes=4)))


QUIET = Silence(
    1, (Matcher("queue_name", Op.IS, "b"),), T0 + timedelta(minutes=8), T0 + timedelta(minutes=17), "deploy", "anna"
)


@pytest.mark.parametrize("wait", ["", "20s"])
def test_the_notices_of_a_replay_are_those_that_live_sent(tmp_path: Path, metrics: DuckMetrics, wait: str) -> None:
    annotations = {"group_wait": wait, "summary": "{{ $value }}"} if wait else {}
    rule = Rule("Depth", "queue_size > 10", 30, labels={"severity": "critical"}, annotations=annotations, group="g")
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    try:
        sent, window = lived(state, metrics, rule)
    finally:
        state.close()

    found = replay(Task((rule,), window, TOLD, (QUIET,)), metrics)

    assert found is not None
    told = sorted((one.channel, one.at, one.kind, one.firing, one.resolved) for one in found.outcomes[0].notices)
    assert len(sent) > 12
    assert {kind for _, _, kind, _, _ in sent} == {Kind.FIRING, Kind.RESOLVED, Kind.REPEAT}
    assert [without_time(one) for one in told] == [without_time(one) for one in sorted(sent)]
    assert all(abs(one[1] - other[1]) <= timedelta(seconds=1) for one, other in zip(told, sorted(sent), strict=True))


Leaving = tuple[str, datetime, Kind, int, int]


def without_time(one: Leaving) -> tuple[str, Kind, int, int]:
    return one[0], *one[2:]


def lived(state: State, metrics: DuckMetrics, rule: Rule) -> tuple[list[Leaving], Window]:
    """The real evaluator, dispatcher and sender, each second of 28 minutes: what left, and when that was."""
    channels = {name: Recorder(name) for name in ("slack", "email")}
    dispatcher = Dispatcher(TOLD)
    world = World(state, metrics, rule, dispatch=lambda session, now: dispatcher.dispatch(session, now) and None)
    sender = Sender(state, channels, dispatcher, clock=lambda: world.now, jitter=lambda: 0.0)
    begun, sent = world.now, list[Leaving]()
    with state.writing() as session:
        matchers = [one.as_json() for one in QUIET.matchers]
        times = {"starts_at": QUIET.starts_at, "ends_at": QUIET.ends_at, "created_at": T0}
        session.add(SilenceRow(matchers=matchers, reason="deploy", who="anna", **times))
    dice = np.random.default_rng(5)
    a, b = (np.repeat(dice.choice([1.0, 50.0], 112), dice.integers(2, 16, 112))[:112] for _ in range(2))
    for place in range(112):
        world.turn(float(a[place]), float(b[place]))
        turned = world.now
        for second in range(15):
            world.now = turned + timedelta(seconds=second)
            with state.writing() as session:
                dispatcher.dispatch(session, world.now)
            sender.turn()
            for name, channel in channels.items():
                sent += [(name, world.now, one.kind, one.firing_total, one.resolved_total) for one in channel.sent]
                channel.sent.clear()
        world.now = turned
    return sent, Window(begun, world.now + timedelta(seconds=14))


def replayed(metrics: DuckMetrics, *rules: Rule, days: float = 3, telling: Plan = SLACK) -> Replayed:
    found = replay(Task(rules, Window(NOW - timedelta(days=days), NOW), telling), metrics)
    assert found is not None
    return found


def test_two_versions_are_counted_side_by_side(metrics: DuckMetrics) -> None:
    write_days(metrics, NOW, 3)
    strict, loose = (
        Rule("Errors", f'sum(rate(http_requests_total{{status_code="500"}}[5m])) / sum(rate(http_requests_total[5m])) > {limit}',
             60, labels={"severity": "critical"}, group="g")
        for limit in (0.03, 0.15)
    )  # fmt: skip

    both = replayed(metrics, strict, loose)

    many, few = both.outcomes
    assert both.coverage == ""
    assert many.fired > few.fired > 0
    assert len(many.notices) > len(few.notices)
    assert many.by_channel()["slack", "firing"] == many.fired == many.resolved
    assert few == replayed(metrics, loose).outcomes[0]


def test_history_that_is_not_there_is_said(metrics: DuckMetrics) -> None:
    write_days(metrics, NOW, 1.5)

    found = replayed(metrics, RULES[0], days=30)

    assert found.coverage == "history covers 1.5 of 30 days"
    assert found.covered is not None and found.covered.start > NOW - timedelta(days=2)


def test_a_rule_whose_metrics_were_never_there_is_not_told_as_quiet(metrics: DuckMetrics) -> None:
    write_days(metrics, NOW, 1)
    never, quiet = Rule("Never", "never_sent > 1", group="g"), Rule("Quiet", "queue_size > 1e9", group="g")

    assert [one.seen for one in replayed(metrics, never, quiet, days=1).outcomes] == [False, True]


def test_an_empty_store_covers_nothing(metrics: DuckMetrics) -> None:
    found = replayed(metrics, RULES[0], days=7)

    assert (found.outcomes, found.coverage) == ((), "history covers none of 7 days")


def test_without_a_route_nobody_is_told_and_that_is_counted(metrics: DuckMetrics) -> None:
    wild(metrics, seed=1)
    only_info = Plan(("slack",), read_routes("info=slack", ("slack",)))

    outcome = replay(Task((RULES[1],), PAST, only_info), metrics)

    assert outcome is not None
    assert outcome.outcomes[0].notices == ()
    assert outcome.outcomes[0].held["no route"] == outcome.outcomes[0].fired > 0


def test_a_run_reports_its_progress_and_can_be_cancelled(metrics: DuckMetrics) -> None:
    write_days(metrics, NOW, 3)
    shares = list[float]()
    task = Task((RULES[0],), Window(NOW - timedelta(days=3), NOW), SLACK)

    found = replay(task, metrics, shares.append, lambda: len(shares) == 2)

    assert found is None
    assert shares == sorted(shares) and 0 < shares[1] < 1
    run = replay_run.start(task, metrics, NOW)
    assert run.wait(60)
    assert (run.error, run.share) == ("", 1.0)
    assert run.result is not None and run.result.outcomes[0].evaluations in (3 * 5760 - 1, 3 * 5760)


@pytest.mark.parametrize("rule", [RULES[1], RULES[6], RULES[12]], ids=lambda rule: rule.name)
def test_a_process_of_its_own_walks_as_this_one_does(metrics: DuckMetrics, rule: Rule) -> None:
    wild(metrics, seed=2)
    told = Plan(("slack", "email"), ROUTES, policy=TOLD.policy, rules=lambda: (rule,))
    task = Task((rule, RULES[2]), PAST, told, (QUIET,))

    here, apart = replay(task, metrics), replay(task, metrics, where=Apart)

    assert here is not None and apart is not None
    assert here.outcomes[0].fired + here.outcomes[1].fired > 0
    assert repr(apart.outcomes) == repr(here.outcomes)  # as text, in which NaN is NaN


def test_a_process_that_dies_ends_the_run_with_words(metrics: DuckMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    write_days(metrics, NOW, 3)
    monkeypatch.setattr(Apart, "_send", killing(Apart._send))

    run = replay_run.start(Task((RULES[0],), Window(NOW - timedelta(days=3), NOW), SLACK), metrics, NOW)

    assert run.wait(60)
    assert run.error == "the replay itself failed: ChildProcessError"


def killing(send: Callable[[Apart, object], None]) -> Callable[[Apart, object], None]:
    def sent(self: Apart, message: object) -> None:
        self._child.kill()
        self._child.wait()
        send(self, message)

    return sent


def test_a_cancelled_run_leaves_no_process(metrics: DuckMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    write_days(metrics, NOW, 3)
    children = list[Apart]()
    close = Apart.close
    monkeypatch.setattr(Apart, "close", lambda self: (children.append(self), close(self)))
    run = replay_run.start(Task((RULES[0],), Window(NOW - timedelta(days=3), NOW), SLACK), metrics, NOW)

    run.cancel()

    assert run.wait(30)
    assert run.cancelled and run.error == ""
    assert [child._child.poll() is not None for child in children] == [True]


class Broken:
    """A store that has a past and does not answer."""

    name = "metrics"

    def __getattr__(self, asked: str) -> object:
        if asked == "oldest":
            return lambda: T0
        raise SourceUnavailable("no answer within 10 s", self.name)


def test_a_store_that_does_not_answer_ends_the_run_with_its_reason() -> None:
    run = replay_run.start(Task((RULES[0],), PAST, SLACK), Broken(), NOW)  # type: ignore[arg-type]

    assert run.wait(30)
    assert run.error == "no answer within 10 s"
    assert not run.cancelled
