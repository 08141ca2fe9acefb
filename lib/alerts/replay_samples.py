"""The past of a rule's expression in pieces that no store minds: its values at every evaluation, and where there were none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from lib.alerts.engine.asking import Plan
from lib.alerts.engine.schedule import INTERVAL_S, Turnus
from lib.alerts.rules import Rule
from lib.errors import QueryError
from lib.metrics.base import MetricStore, Result, epoch_ms
from lib.metrics.promql.text import quote
from lib.window import Window

POINTS = 2_880
"""Half a day at 15 s: a question of some ten milliseconds on the embedded store, a quarter of what Prometheus answers at once."""

MOST_QUESTIONS = 400
"""Questions that a piece with an error may be cut into to find the moments that it is about."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the past: `at_ms` int64[m] the evaluations, `result` the expression's values at them (m columns).

    `gone` bool[metrics, m] says where a metric had no sample at all while the expression gave nothing. `error` is why
    there is no answer for any of them.
    """

    at_ms: Ints
    result: Result
    names: tuple[str, ...]
    gone: Bools
    error: str = ""
    notes: tuple[str, ...] = ()

    def missing(self, place: int) -> tuple[str, ...]:
        """The metrics without any sample at an evaluation."""
        return tuple(name for name, gone in zip(self.names, self.gone[:, place], strict=True) if gone)


def evaluations(rule: Rule, window: Window, interval_s: float = INTERVAL_S) -> Ints:
    """The moments in the window at which live evaluates the rule, in Unix ms."""
    turnus = Turnus.of(rule, interval_s)
    step_ms, offset_ms = round(turnus.interval_s * 1000), round(turnus.offset_s * 1000)
    first = -((offset_ms - epoch_ms(window.start)) // step_ms)
    return np.arange(first * step_ms + offset_ms, epoch_ms(window.end) + 1, step_ms, dtype=np.int64)


@dataclass(slots=True)
class Past:
    """Asks a store for the past of expressions. `questions` counts what it asked because of errors."""

    store: MetricStore
    questions: int = field(default=0)

    def pieces(self, asked: Plan, at_ms: Ints, offset_s: float = 0.0) -> list[Piece]:
        """The answer at these evaluations, in one piece, or in more where some of them have an error. Raises SourceError."""
        try:
            result = self._range(asked.expression, at_ms, offset_s)
        except QueryError as error:
            return self._around(asked, at_ms, offset_s, error)
        gone = self._gone(asked.metrics, result, at_ms, offset_s)
        return [Piece(at_ms, result, asked.metrics, gone, notes=result.warnings)]

    def _range(self, expression: str, at_ms: Ints, offset_s: float) -> Result:
        start, step = _moment(at_ms[0], offset_s), timedelta(milliseconds=int(_step(at_ms)))
        if len(at_ms) == 1:
            return self.store.instant(expression, start)
        result = self.store.range(expression, Window(start, _moment(at_ms[-1], offset_s)), step)
        assert result.ts_ms.size == at_ms.size, "the store answers at each moment that it was asked for"
        return result

    def _around(self, asked: Plan, at_ms: Ints, offset_s: float, error: QueryError) -> list[Piece]:
        """The halves: one moment with two equal series must not cost the others their answer."""
        self.questions += 1
        if len(at_ms) == 1 or self.questions > MOST_QUESTIONS:
            return [_failed(at_ms, asked, str(error))]
        half = len(at_ms) // 2
        return [*self.pieces(asked, at_ms[:half], offset_s), *self.pieces(asked, at_ms[half:], offset_s)]

    def _gone(self, metrics: Sequence[str], result: Result, at_ms: Ints, offset_s: float) -> Bools:
        gone = np.zeros((len(metrics), len(at_ms)), dtype=bool)
        nothing = ~result.present.any(axis=0) if len(result.labels) else np.ones(len(at_ms), dtype=bool)
        if not nothing.any():
            return gone
        for row, name in enumerate(metrics):
            there = self._range(f"count({{__name__={quote(name)}}})", at_ms, offset_s).present
            gone[row] = nothing & ~there.any(axis=0)
        return gone


def _failed(at_ms: Ints, asked: Plan, error: str) -> Piece:
    nothing = Result(at_ms, (), np.empty((0, len(at_ms))), np.empty((0, len(at_ms)), dtype=bool))
    return Piece(at_ms, nothing, asked.metrics, np.zeros((len(asked.metrics), len(at_ms)), dtype=bool), error)


def _step(at_ms: Ints) -> int:
    return int(at_ms[1] - at_ms[0]) if len(at_ms) > 1 else 1


def _moment(at_ms: float, offset_s: float) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(at_ms)) - timedelta(seconds=offset_s)
