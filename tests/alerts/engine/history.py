"""A rule over past answers, through the same step as live: for comparing with other engines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from lib.alerts.engine.asking import holding, plan
from lib.alerts.engine.state import RuleState, Turn
from lib.alerts.engine.step import Answer, Data, step
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
    there = _some(result)
    if not there.all():
        known = np.ones_like(there)
        for metric in asked.metrics:
            known &= _some(store.range(f"count({{__name__={quote(metric)}}})", moved, every))
        there = there | known
    return Past(result, there)


def _some(result: Result) -> npt.NDArray[np.bool_]:
    """Per time, whether any series has a sample."""
    return np.asarray(result.present.any(axis=0), dtype=np.bool_)


def walk(rule: Rule, past: Past, state: RuleState | None = None) -> Iterator[tuple[datetime, Turn]]:
    """Every evaluation of the rule in its past, oldest first, with what it changed. `state` is where it begins.

    Where nothing holds and nothing is open, the state stays the very same.
    """
    state, asked = state or RuleState(), plan(rule.expression)
    labels, present, values = past.result.labels, past.result.present.T, past.result.values.T
    holds = holding(asked, present, values)
    some: list[bool] = np.asarray(holds.any(axis=1)).tolist()
    there, missing = past.there.tolist(), ", ".join(asked.metrics)
    offset = timedelta(seconds=rule.offset_s)
    for column, at_ms in enumerate(past.result.ts_ms.tolist()):
        at = _EPOCH + timedelta(milliseconds=at_ms) + offset
        if not some[column] and not state.open and not state.troubles and state.settled(there[column]):
            yield at, Turn(state)
            continue
        rows = holds[column].nonzero()[0].tolist()
        others = None
        if asked.steady and len(rows) < len(labels):
            others = [labels[row] for row in (present[column] & ~holds[column]).nonzero()[0].tolist()]
        data = Data.THERE if there[column] else Data.GONE if state.ever_seen else Data.NEVER
        found = values[column][rows].tolist()
        turn = step(rule, state, Answer([labels[row] for row in rows], found, others, data, missing), at)
        state = turn.state
        yield at, turn
