"""PromQL text into a checked syntax tree: everything that the evaluator does not know is refused by name."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from typing import Any

from lib.errors import QueryError
from lib.metrics.promql import position
from lib.metrics.promql.aggregate import SIMPLE
from lib.metrics.promql.binary import ARITHMETIC, COMPARISON, SETS
from lib.metrics.promql.functions import SUPPORTED
from lib.metrics.promql.grammar import parsed
from lib.metrics.promql.values import Matcher, Op
from lib.window import LONGEST

LONGEST_TEXT = 8_000
MOST_TOKENS = 600  # the parser's time grows with the square of the nesting, and its stack is finite
LONGEST_REGEX = 256
FARTHEST = timedelta(days=3_660)
AGGREGATIONS = frozenset({*SIMPLE, "topk", "bottomk", "quantile", "count_values"})
OPERATORS = frozenset({*ARITHMETIC, *COMPARISON, *SETS})

_OPS = {"Equal": Op.EQUAL, "NotEqual": Op.NOT_EQUAL, "Re": Op.MATCHES, "NotRe": Op.NOT_MATCHES}
_LEADING_STAR = re.compile(r"^[*+?]")


@lru_cache(maxsize=512)
def parse(text: str) -> Any:
    """The syntax tree of an expression that can be evaluated. Raises QueryError with the position where known."""
    check_length(text)
    if position.weight(text) > MOST_TOKENS:
        raise QueryError(f"the expression has more than {MOST_TOKENS} operators and brackets")
    try:
        tree = parsed(text)
    except ValueError as error:
        raise position.explained(text, str(error)) from None
    _check(tree, text)
    return tree


def check_length(text: str) -> None:
    """Raises QueryError for an expression that no store takes."""
    if len(text) > LONGEST_TEXT:
        raise QueryError(f"the expression is longer than {LONGEST_TEXT} characters")


def parse_selector(text: str) -> list[Matcher]:
    """The matchers of a bare series selector, such as ``up{job="x"}``. Raises QueryError for anything else."""
    tree = parse(text)
    if type(tree).__name__ != "VectorSelector" or tree.offset is not None:
        raise QueryError('a series selector is needed here, such as up{job="x"}', 0)
    return matchers_of(tree)


def matchers_of(selector: Any) -> list[Matcher]:
    """The conditions of a VectorSelector node, its metric name among them."""
    name = [Matcher("__name__", Op.EQUAL, selector.name)] if selector.name else []
    return name + [
        Matcher(matcher.name, _OPS[str(matcher.op).rpartition(".")[2]], matcher.value)
        for matcher in selector.matchers.matchers
    ]


def milliseconds(length: timedelta) -> int:
    """A duration as whole milliseconds."""
    return length // timedelta(milliseconds=1)


def _refused(what: str, text: str, word: str) -> QueryError:
    return QueryError(f"{what} is not supported on the embedded store", position.of_word(text, word))


def _check(node: Any, text: str) -> None:
    kind = type(node).__name__
    check = _CHECKS.get(kind)
    if check is None:
        raise _refused(kind, text, "")
    for child in check(node, text):
        _check(child, text)


def _literal(_node: Any, _text: str) -> list[Any]:
    return []


def _wrapped(node: Any, _text: str) -> list[Any]:
    return [node.expr]


def _subquery(_node: Any, text: str) -> list[Any]:
    raise _refused("a subquery ([range:step])", text, ":")


def _selector(node: Any, text: str) -> list[Any]:
    if node.at is not None:
        raise _refused("the @ modifier", text, "@")
    if node.offset is not None and abs(node.offset) > FARTHEST:
        raise QueryError(f"an offset is longer than {FARTHEST.days} days", position.of_word(text, "offset"))
    if node.matchers.or_matchers:
        raise _refused('"or" inside a selector', text, "or")
    for matcher in matchers_of(node):
        if matcher.op in (Op.MATCHES, Op.NOT_MATCHES) and len(matcher.value) > LONGEST_REGEX:
            raise QueryError(f"the regular expression for {matcher.name} is longer than {LONGEST_REGEX} characters")
    return []


def _matrix(node: Any, text: str) -> list[Any]:
    if node.range > LONGEST:
        raise QueryError(f"a range is longer than {LONGEST.days} days", position.of_word(text, "["))
    return _selector(node.vector_selector, text)


def _call(node: Any, text: str) -> list[Any]:
    if node.func.name not in SUPPORTED:
        raise _refused(f"{node.func.name}()", text, node.func.name)
    return list(node.args)


def _aggregate(node: Any, text: str) -> list[Any]:
    if str(node.op) not in AGGREGATIONS:
        raise _refused(f"{node.op}()", text, str(node.op))
    return [node.expr] if node.param is None else [node.param, node.expr]


def _binary(node: Any, text: str) -> list[Any]:
    if str(node.op) not in OPERATORS:
        raise _refused(str(node.op), text, str(node.op))
    fill = node.modifier.fill_values if node.modifier else None
    if fill is not None and (fill.lhs is not None or fill.rhs is not None):
        raise _refused("fill", text, "fill")
    return [node.lhs, node.rhs]


_CHECKS = {
    "NumberLiteral": _literal, "StringLiteral": _literal, "ParenExpr": _wrapped, "UnaryExpr": _wrapped,
    "SubqueryExpr": _subquery, "VectorSelector": _selector, "MatrixSelector": _matrix, "Call": _call,
    "AggregateExpr": _aggregate, "BinaryExpr": _binary,
}  # fmt: skip
