"""Evaluates a checked PromQL tree over numpy arrays: all series and all steps of a node at once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from lib.errors import QueryError
from lib.metrics.base import LOOKBACK, Result
from lib.metrics.promql import aggregate, binary, functions, histogram, over_time, relabel
from lib.metrics.promql.parse import matchers_of, milliseconds, parse
from lib.metrics.promql.values import (
    Floats,
    Ints,
    LabelSet,
    Needed,
    Op,
    Scalar,
    Source,
    Text,
    Value,
    Vector,
    compact,
    empty,
    key_of,
    without_name,
)
from lib.metrics.promql.windows import Windows, is_stale, until

MOST_CELLS = 20_000_000
_LOOKBACK_MS = milliseconds(LOOKBACK)


def evaluate(source: Source, text: str, ts_ms: Ints) -> Result:
    """The expression at each moment of `ts_ms` (ascending). Raises QueryError for what cannot be asked."""
    tree = parse(text)
    run = _Run(source, ts_ms)
    with np.errstate(all="ignore"):
        value = run.value(tree)
        return run.result(value)


class _Run:
    def __init__(self, source: Source, ts_ms: Ints) -> None:
        self._source = source
        self._at = ts_ms
        self._warnings: dict[str, None] = {}

    def result(self, value: Value | None) -> Result:
        """The outermost value in the form that stores answer in; series in label order for a range."""
        if isinstance(value, Scalar):
            value = Vector([{}], value.values[None, :], np.ones((1, self._at.size), dtype=bool))
        if not isinstance(value, Vector):
            raise QueryError("the expression must give numbers or series, not a string or raw samples", 0)
        vector = compact(Vector(value.labels, np.array(value.values, dtype=np.float64), value.present))
        order = list(range(len(vector.labels)))
        if self._at.size > 1:
            order.sort(key=lambda row: key_of(vector.labels[row]))
        labels = tuple(vector.labels[row] for row in order)
        return Result(self._at, labels, vector.values[order], vector.present[order], tuple(self._warnings))

    def value(self, node: Any) -> Value:
        """Any node's value."""
        evaluated: Value = getattr(self, "_" + type(node).__name__)(node)
        return evaluated

    def _vector(self, node: Any) -> Vector:
        value = self.value(node)
        if not isinstance(value, Vector):
            raise QueryError("series are needed here, not a number or a string")
        return value

    def _scalar(self, node: Any) -> Scalar:
        value = self.value(node)
        if not isinstance(value, Scalar):
            raise QueryError("a number is needed here, not series or a string")
        return value

    def _text(self, node: Any) -> str:
        value = self.value(node)
        if not isinstance(value, Text):
            raise QueryError("a string is needed here")
        return value.value

    def _constant(self, number: float) -> Scalar:
        return Scalar(np.full(self._at.size, number))

    def _NumberLiteral(self, node: Any) -> Value:  # noqa: N802 - named after the parser's node, as are those below
        return self._constant(node.val)

    def _StringLiteral(self, node: Any) -> Value:  # noqa: N802
        return Text(node.val)

    def _ParenExpr(self, node: Any) -> Value:  # noqa: N802
        return self.value(node.expr)

    def _UnaryExpr(self, node: Any) -> Value:  # noqa: N802
        value = self.value(node.expr)
        if isinstance(value, Scalar):
            return Scalar(-value.values)
        if isinstance(value, Vector):
            return functions.mapped(value, -value.values)
        raise QueryError("a minus needs a number or series behind it")

    def _MatrixSelector(self, _node: Any) -> Value:  # noqa: N802
        raise QueryError("raw samples ([range]) can only stand inside a function such as rate()")

    def _VectorSelector(self, node: Any) -> Value:  # noqa: N802
        return self._instant(node)[0]

    def _instant(self, node: Any) -> tuple[Vector, Floats]:
        """The newest sample within the look-back, and its time in seconds."""
        at = self._at - self._offset_ms(node)
        raw = self._source.select(matchers_of(node), Needed(at, _LOOKBACK_MS))
        self._bounded(len(raw.labels))
        if not raw.ts_ms.size:
            return empty(self._at.size), np.empty((0, self._at.size))
        newest = until(raw, at) - 1
        present = newest >= raw.offsets[:-1, None]
        newest = np.maximum(newest, 0)
        times, values = raw.ts_ms[newest], raw.values[newest]
        present &= (times > at[None, :] - _LOOKBACK_MS) & ~is_stale(values).reshape(values.shape)
        return Vector(list(raw.labels), np.where(present, values, np.nan), present), times / 1000

    def _windows(self, node: Any) -> Windows:
        selector, range_ms = node.vector_selector, milliseconds(node.range)
        at = self._at - self._offset_ms(selector)
        raw = self._source.select(matchers_of(selector), Needed(at, range_ms))
        self._bounded(len(raw.labels))
        return Windows.of(raw, at, range_ms)

    def _offset_ms(self, selector: Any) -> int:
        return 0 if selector.offset is None else milliseconds(selector.offset)

    def _bounded(self, series: int) -> None:
        if series * self._at.size > MOST_CELLS:
            raise QueryError(
                f"the expression reads {series} series at {self._at.size} points: narrow it by labels or a longer step"
            )

    def _BinaryExpr(self, node: Any) -> Value:  # noqa: N802
        op, left, right = str(node.op), self.value(node.lhs), self.value(node.rhs)
        as_bool = bool(node.modifier and node.modifier.return_bool)
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return binary.scalars(op, left, right)
        if isinstance(left, Vector) and isinstance(right, Scalar):
            return binary.with_scalar(op, left, right, swapped=False, as_bool=as_bool)
        if isinstance(left, Scalar) and isinstance(right, Vector):
            return binary.with_scalar(op, right, left, swapped=True, as_bool=as_bool)
        if not isinstance(left, Vector) or not isinstance(right, Vector):
            raise QueryError(f"{op} needs numbers or series on both sides")
        matching = _matching(node.modifier)
        if op in binary.SETS:
            return binary.sets(op, left, right, matching)
        return binary.vectors(op, left, right, matching, as_bool=as_bool)

    def _AggregateExpr(self, node: Any) -> Value:  # noqa: N802
        op, vector = str(node.op), self._vector(node.expr)
        names = tuple(node.modifier.labels) if node.modifier else ()
        without = bool(node.modifier) and str(node.modifier.type).endswith("Without")
        if op in aggregate.SIMPLE:
            return aggregate.simple(op, vector, names, without=without)
        if op == "count_values":
            return aggregate.count_values(vector, self._text(node.param), names, without=without)
        number = self._scalar(node.param).values
        if op == "quantile":
            return aggregate.quantile(vector, number, names, without=without)
        return aggregate.extreme(vector, number, names, without=without, largest=op == "topk")

    def _Call(self, node: Any) -> Value:  # noqa: N802
        name, arguments = node.func.name, node.args
        if name in functions.WINDOWED:
            return functions.windowed(name, self._windows(_bare(arguments[0])))
        if name in functions.ELEMENTWISE:
            vector = self._vector(arguments[0])
            return functions.mapped(vector, functions.ELEMENTWISE[name](vector.values))
        if name in functions.CLAMPS:
            return functions.clamped(name, self._vector(arguments[0]), [self._scalar(node) for node in arguments[1:]])
        value: Value = getattr(self, "_call_" + name)(arguments)
        return value

    def _call_quantile_over_time(self, arguments: list[Any]) -> Value:
        windows = self._windows(_bare(arguments[1]))
        return functions.as_vector(windows, over_time.quantile_over_time(windows, self._scalar(arguments[0]).values))

    def _call_predict_linear(self, arguments: list[Any]) -> Value:
        node = _bare(arguments[0])
        windows, offset_s = self._windows(node), self._offset_ms(node.vector_selector) / 1000
        ahead_s = self._scalar(arguments[1]).values + offset_s  # counted from the evaluation, not from the window's end
        return functions.as_vector(windows, over_time.predict_linear(windows, ahead_s))

    def _call_absent(self, arguments: list[Any]) -> Value:
        return self._absent(self._vector(arguments[0]).present, _bare(arguments[0]))

    def _call_absent_over_time(self, arguments: list[Any]) -> Value:
        node = _bare(arguments[0])
        return self._absent(self._windows(node).counts > 0, node.vector_selector)

    def _absent(self, present: Any, node: Any) -> Vector:
        missing = ~present.any(axis=0)[None, :]
        return Vector([_expected(node)], np.ones(missing.shape), missing)

    def _call_scalar(self, arguments: list[Any]) -> Value:
        vector = self._vector(arguments[0])
        only = vector.present.sum(axis=0) == 1
        return Scalar(np.where(only, np.where(vector.present, vector.values, 0.0).sum(axis=0), np.nan))

    def _call_vector(self, arguments: list[Any]) -> Value:
        values = self._scalar(arguments[0]).values[None, :]
        return Vector([{}], values, np.ones(values.shape, dtype=bool))

    def _call_time(self, _arguments: list[Any]) -> Value:
        return Scalar(self._at / 1000)

    def _call_timestamp(self, arguments: list[Any]) -> Value:
        node = _bare(arguments[0])
        if type(node).__name__ == "VectorSelector":
            vector, times = self._instant(node)
            return functions.mapped(vector, times)
        vector = self._vector(node)
        return functions.mapped(vector, np.broadcast_to(self._at / 1000, vector.values.shape))

    def _call_histogram_quantile(self, arguments: list[Any]) -> Value:
        q = self._scalar(arguments[0]).values
        vector, forced = histogram.histogram_quantile(q, self._vector(arguments[1]))
        if forced:
            self._warnings[histogram.MONOTONIC] = None
        return vector

    def _call_label_replace(self, arguments: list[Any]) -> Value:
        target, template, origin, pattern = (self._text(node) for node in arguments[1:])
        vector = self._vector(arguments[0])
        return relabel.label_replace(
            self._source, vector, target=target, template=template, origin=origin, pattern=pattern
        )

    def _call_label_join(self, arguments: list[Any]) -> Value:
        target, separator, *origins = (self._text(node) for node in arguments[1:])
        return relabel.label_join(self._vector(arguments[0]), target, separator, origins)

    def _call_sort(self, arguments: list[Any]) -> Value:
        return aggregate.ordered(self._vector(arguments[0]), descending=False)

    def _call_sort_desc(self, arguments: list[Any]) -> Value:
        return aggregate.ordered(self._vector(arguments[0]), descending=True)


def _bare(node: Any) -> Any:
    while type(node).__name__ == "ParenExpr":
        node = node.expr
    return node


def _expected(node: Any) -> LabelSet:
    """The labels that absent() answers with: those that the selector fixes by =."""
    if type(node).__name__ != "VectorSelector":
        return {}
    matchers = matchers_of(node)
    times = Counter(matcher.name for matcher in matchers)
    fixed = {m.name: m.value for m in matchers if m.op is Op.EQUAL and m.value and times[m.name] == 1}
    return without_name(fixed)


def _matching(modifier: Any) -> binary.Matching:
    if modifier is None:
        return binary.Matching()
    matching, card = modifier.matching, str(modifier.card)
    return binary.Matching(
        labels=tuple(matching.labels) if matching else (),
        on=bool(matching) and str(matching.type).endswith("Include"),
        many="left" if card.endswith("ManyToOne") else "right" if card.endswith("OneToMany") else "",
        include=tuple(modifier.group_labels or ()),
    )
