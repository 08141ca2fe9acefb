"""What holds for every course of answers, gaps and changes of a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from lib.alerts.engine.state import Change, Episode, RuleState
from lib.alerts.engine.step import Answer, Data, restored, step
from lib.alerts.model import AlertState
from lib.alerts.rules import Rule
from tests.alerts.engine.world import STEP, T0

SERIES = tuple({"__name__": "m", "a": name} for name in "abc")
VALUES = st.floats(allow_nan=True, allow_infinity=True)
RULES = st.builds(
    Rule,
    st.just("R"),
    st.just("m > 5"),
    for_s=st.sampled_from([0.0, 15.0, 40.0, 120.0]),
    keep_firing_for_s=st.sampled_from([0.0, 15.0, 50.0]),
    labels=st.sampled_from(
        [{}, {"severity": "critical"}, {"no_data": "ok"}, {"no_data": "alert"}, {"v": "{{ $value }}"}]
    ),
    group=st.just("g"),
    limit=st.sampled_from([0, 0, 1, 2]),
)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    holding = draw(st.lists(st.sampled_from(SERIES), unique_by=lambda labels: labels["a"], max_size=3))
    others = [labels for labels in SERIES if labels not in holding and draw(st.booleans())]
    values = draw(st.lists(VALUES, min_size=len(holding), max_size=len(holding)))
    data = draw(st.sampled_from([Data.THERE, Data.THERE, Data.GONE, Data.NEVER])) if not holding else Data.THERE
    return Answer(
        holding, values, draw(st.sampled_from([None, others])), data=data, missing="m",
        error=draw(st.sampled_from(["", "", "", "no answer"])), doubtful=draw(st.sampled_from(["", "", "", "partial"])),
    )  # fmt: skip


MOVES = st.one_of(answers(), st.sampled_from(["gap", "long gap", "longer", "shorter", "back"]))


@settings(max_examples=250, deadline=None)
@given(RULES, st.lists(MOVES, min_size=1, max_size=25))
def test_whatever_comes_an_alert_begins_once_fires_after_its_time_and_ends_once(
    rule: Rule, moves: list[Answer | str]
) -> None:
    state, at = RuleState(), T0
    begun: dict[str, Episode] = {}
    for move in moves:
        if isinstance(move, str):
            rule, state, at = changed(move, rule, state, at)
            continue
        at += STEP
        before = state
        state, changes = step(rule, before, move, at)

        follow(begun, changes)
        told = {**state.open, **{episode.fingerprint: episode for episode in state.troubles.values()}}
        assert {fp: episode.state for fp, episode in begun.items()} == {fp: one.state for fp, one in told.items()}
        for fp, episode in state.open.items():
            assert episode.labels == {name: text for name, text in episode.labels.items() if text}
            if fp in before.open and before.open[fp].state is AlertState.FIRING and episode.state is AlertState.FIRING:
                assert episode.active_at == before.open[fp].active_at, "the start moved"
            assert (episode.fired_at is not None) == (episode.state is AlertState.FIRING)
            if episode.fired_at is not None:
                assert episode.waited >= timedelta(0)
        if move.error or move.doubtful:
            assert before.open.keys() <= state.open.keys(), "an answer that may be wrong ended an alert"
        if move.error:
            back = min(at - (before.last_eval or at), timedelta(0))  # what waits moves with a clock that is put back
            assert {fp: episode.moved(back) if back else episode for fp, episode in before.open.items()} == state.open
        if rule.limit and not before.open:
            assert len(state.open) <= rule.limit
        assert step(rule, before, move, at) == (state, changes), "the same question has two answers"


def changed(move: str, rule: Rule, state: RuleState, at: datetime) -> tuple[Rule, RuleState, datetime]:
    gaps = {"gap": timedelta(minutes=7), "long gap": timedelta(hours=3), "back": timedelta(hours=-1)}
    if move == "back":
        return rule, state, at + gaps[move]
    if move in gaps:
        later = at + gaps[move]
        return rule, restored(state, later), later
    return replace(rule, for_s=rule.for_s * 2 if move == "longer" else rule.for_s / 2), state, at


def follow(begun: dict[str, Episode], changes: Sequence[Change]) -> None:
    """Replays what was told: nobody begins twice or ends without having begun."""
    for change in changes:
        episode = change.episode
        if episode is None or change.kind in ("ok", "error", "no-data"):
            continue
        mark = episode.fingerprint
        if change.kind in ("pending", "firing"):
            assert begun.get(mark) is None or begun[mark].state is not episode.state, "told twice"
            begun[mark] = episode
        elif change.kind in ("dropped", "resolved"):
            assert begun.pop(mark).state is (AlertState.PENDING if change.kind == "dropped" else AlertState.FIRING)
        else:
            assert begun[mark].state is AlertState.FIRING
