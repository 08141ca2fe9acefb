"""What a rule asks of a metric store: which series meet its condition, which do not, and whether there is any data."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import promql_parser

from lib import notes
from lib.alerts.engine.step import Answer, Data
from lib.alerts.rules import Rule, Threshold, threshold
from lib.errors import OpsError
from lib.metrics.base import MetricStore, Result
from lib.metrics.promql.text import quote

_COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_SETS = ("and", "unless")
_CHOOSING = ("topk", "bottomk", "limitk", "limit_ratio")
_CHILDREN = ("lhs", "rhs", "expr", "param", "vector_selector", "args")
_ABSENCE = ("absent", "absent_over_time")


class Plan(NamedTuple):
    """How a rule is asked: `expression`, then compared here with `limit` where it is there. `metrics` must have data.

    `steady`: a series that is not in the answer has no data; otherwise the expression itself may have left it out.
    """

    expression: str
    limit: Threshold | None
    metrics: tuple[str, ...]
    steady: bool


@lru_cache(maxsize=4096)
def plan(expression: str) -> Plan:
    """The plan of an expression. A plain comparison with a number is made here, so that one answer tells three things
    apart: the condition holds, it does not, and nobody knows. Raises nothing for what the rule reader lets through."""
    limit = threshold(Rule("", expression))
    parsed = promql_parser.parse(expression)
    nodes = list(_nodes(parsed))
    absent = any(isinstance(node, promql_parser.Call) and node.func.name in _ABSENCE for node in nodes)
    names = sorted({name for node in nodes if (name := _metric(node))})
    asked = limit.expression if limit else expression
    steady = limit is not None and not any(_filters(node) for node in _nodes(promql_parser.parse(asked)))
    return Plan(asked, limit, () if absent else tuple(names), steady)


def _filters(node: Any) -> bool:
    """Whether this leaves series out that have data."""
    if isinstance(node, promql_parser.BinaryExpr):
        bare = node.modifier is None or not node.modifier.return_bool
        return str(node.op) in _SETS or (str(node.op) in _COMPARED and bare)
    return isinstance(node, promql_parser.AggregateExpr) and str(node.op) in _CHOOSING


def _nodes(parsed: Any) -> Iterator[Any]:
    yield parsed
    for name in _CHILDREN:
        child = getattr(parsed, name, None)
        for item in child if isinstance(child, list) else [child]:
            if item is not None:
                yield from _nodes(item)


def _metric(node: Any) -> str:
    if not isinstance(node, promql_parser.VectorSelector):
        return ""
    if node.name:
        return str(node.name)
    named = (m for m in node.matchers.matchers if m.name == "__name__" and str(m.op) in ("=", "MatchOp.Equal"))
    return next((str(matcher.value) for matcher in named), "")


class Asker:
    """Asks a store in the name of the rules. Threads may share it."""

    def __init__(self, store: MetricStore) -> None:
        self._store = store
        self._there: dict[str, tuple[datetime, bool]] = {}
        self._lock = threading.Lock()

    def ask(self, rule: Rule, at: datetime, *, ever_seen: bool) -> Answer:
        """The answer at `at`; `ever_seen` whether the rule's metrics were there before. Never raises an OpsError."""
        asked = plan(rule.expression)
        moment = at - timedelta(seconds=rule.offset_s)
        with notes.collected() as said:
            try:
                result = self._store.instant(asked.expression, moment)
                missing = () if result.labels else self._missing(asked, moment)
            except OpsError as error:
                return Answer(error=str(error))
        doubts = [note.text for note in said if note.doubtful] + list(result.warnings)
        data = Data.THERE if not missing else Data.GONE if ever_seen else Data.NEVER
        return answer_of(
            asked, result, 0, data=data, missing=", ".join(missing), doubtful="; ".join(dict.fromkeys(doubts))
        )

    def _missing(self, asked: Plan, at: datetime) -> tuple[str, ...]:
        return tuple(name for name in asked.metrics if not self._has(name, at))

    def _has(self, metric: str, at: datetime) -> bool:
        """Whether the metric has a sample; asked once for all the rules of a moment."""
        with self._lock:
            known = self._there.get(metric)
        if known is not None and known[0] == at:
            return known[1]
        there = bool(self._store.instant(f"count({{__name__={quote(metric)}}})", at).labels)
        with self._lock:
            self._there[metric] = (at, there)
        return there


def answer_of(
    asked: Plan, result: Result, column: int, *, data: Data = Data.THERE, missing: str = "", doubtful: str = "",
    holds: npt.NDArray[np.bool_] | None = None,
) -> Answer:  # fmt: skip
    """The answer at one moment of a result (column 0 of an instant question), for a rule asked by this plan.
    `holds` is what `holding` gives for the moment, where it is known already."""
    here = result.present[:, column]
    values: npt.NDArray[np.float64] = result.values[:, column]
    if holds is None:
        holds = holding(asked, here, values)
    rows = holds.nonzero()[0].tolist()
    others = None if not asked.steady else [result.labels[row] for row in (here & ~holds).nonzero()[0].tolist()]
    found, numbers = [result.labels[row] for row in rows], [values.item(row) for row in rows]
    return Answer(found, numbers, others, data, missing, "", doubtful)


def holding(asked: Plan, present: npt.NDArray[np.bool_], values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Where the condition holds, for the samples of any shape that are present."""
    if asked.limit is None:
        return present
    met: npt.NDArray[np.bool_] = present & _COMPARED[asked.limit.operator](values, asked.limit.value)
    return met
