"""A rule over past answers, through the same step as live: for replays and for comparing with other engines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from lib.alerts.engine.asking import answer_of, plan
from lib.alerts.engine.state import RuleState, Turn
from lib.alerts.engine.step import Data, step
from lib.alerts.rules import Rule
from lib.metrics.base import MetricStore, Result
from lib.metrics.promql.text import quote
from lib.window import Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Past:
    """What a rule would have been told at evenly spaced times: `result` to its plan's expression, and `there` bool[m],
    whether all its metrics had data."""

    result: Result
    there: npt.NDArray[np.bool_]


def past(store: MetricStore, rule: Rule, window: Window, every: timedelta) -> Past:
    """The past of a rule in the window (at most 11,000 evaluations). Raises QueryError, SourceError."""
    asked = plan(rule.expression)
    moved = Window(window.start - timedelta(seconds=rule.offset_s), window.end - timedelta(seconds=rule.offset_s))
    result = store.range(asked.expression, moved, every)
    there = np.asarray(result.present.any(axis=0))
    if not there.all():
        known = np.ones_like(there)
        for metric in asked.metrics:
            known &= store.range(f"count({{__name__={quote(metric)}}})", moved, every).present.any(axis=0)
        there = there | known
    return Past(result, there)


def walk(rule: Rule, past: Past, state: RuleState | None = None) -> Iterator[tuple[datetime, Turn]]:
    """Every evaluation of the rule in its past, oldest first, with what it changed. `state` is where it begins."""
    state, asked = state or RuleState(), plan(rule.expression)
    offset = timedelta(seconds=rule.offset_s)
    missing, there = ", ".join(asked.metrics), past.there.tolist()
    for column, at_ms in enumerate(past.result.ts_ms.tolist()):
        data = Data.THERE if there[column] else Data.GONE if state.ever_seen else Data.NEVER
        answer = answer_of(asked, past.result, column, data=data, missing=missing)
        at = _EPOCH + timedelta(milliseconds=at_ms) + offset
        turn = step(rule, state, answer, at)
        state = turn.state
        yield at, turn
