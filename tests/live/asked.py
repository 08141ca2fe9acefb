"""Every PromQL question that the product asks, by listening to it: nothing here names an expression."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lib.checklists import evidence
from lib.metrics.base import MetricStore, Result
from lib.signals import SIGNALS
from lib.stores import Stores
from lib.window import Window
from tests.signals.test_table import PARAMETERS

LIB = Path(__file__).parents[2] / "lib"
HELPERS = frozenset({"trend", "value", "by_label", "rule_trend", "rule_values", "_worst"})
"""What signals ask through; a direct `….metrics.instant` or `.range` counts as well."""


@dataclass(frozen=True, slots=True)
class Question:
    """An instant question at `window.end`, or a range question where there is a step."""

    expression: str
    window: Window
    step: timedelta | None = None


@dataclass(slots=True)
class Listening:
    """A metric store that notes what it is asked and from which lines, and passes it on."""

    inner: MetricStore
    name: str = "metrics"
    heard: dict[Question, None] = field(default_factory=dict)
    lines: set[tuple[str, int]] = field(default_factory=set)

    def instant(self, expression: str, at: datetime) -> Result:
        self._note(Question(expression, Window(at - timedelta(minutes=1), at)))
        return self.inner.instant(expression, at)

    def range(self, expression: str, window: Window, step: timedelta) -> Result:
        self._note(Question(expression, Window(window.start, window.end), step))
        return self.inner.range(expression, window, step)

    def label_values(self, label: str, matcher: str = "") -> list[str]:
        return self.inner.label_values(label, matcher)

    def newest(self) -> datetime | None:
        return self.inner.newest()

    def oldest(self) -> datetime | None:
        return self.inner.oldest()

    def _note(self, question: Question) -> None:
        self.heard[question] = None
        frame = inspect.currentframe()
        while frame is not None:
            if frame.f_code.co_filename.startswith(str(LIB)):
                self.lines.add((frame.f_code.co_filename, frame.f_lineno))
            frame = frame.f_back


def listen(stores: Stores, windows: list[Window]) -> Listening:
    """Asks every signal of the table over each window, and what the rules ask."""
    listening = Listening(stores.metrics)
    for window in windows:
        for name, signal in SIGNALS.items():
            signal(replace(stores, metrics=listening), window, **PARAMETERS.get(name, {}))
        for rule in stores.rules:
            listening.instant(rule.expression, window.end)
    return listening


def listen_to_all(stores: Stores, windows: list[Window]) -> Listening:
    """The same, and every evidence of the checklists."""
    listening = listen(stores, windows)
    heard = replace(stores, metrics=listening)
    for window in windows:
        for key in evidence.TABLE:
            evidence.collect(key, heard, window, None, {}, around=evidence.Around(now=window.end))
    return listening


def unheard(listening: Listening) -> list[str]:
    """The places in lib that ask the metric store and were not reached."""
    return [
        f"{path.relative_to(LIB.parent)}:{call.lineno}"
        for path in sorted(LIB.rglob("*.py"))
        if not path.is_relative_to(LIB / "logs")  # a `value` there is a value of a record
        for call in _asking(ast.parse(path.read_text(encoding="utf-8")))
        if not any((str(path), line) in listening.lines for line in range(call.lineno, (call.end_lineno or 0) + 1))
    ]


def _asking(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (_is_helper(node.func) or _is_direct(node.func)) and not _of_a_rule(node):
            yield node


def _is_helper(function: Any) -> bool:
    return isinstance(function, ast.Name) and function.id in HELPERS


def _is_direct(function: Any) -> bool:
    if not isinstance(function, ast.Attribute) or function.attr not in ("instant", "range"):
        return False
    return isinstance(function.value, ast.Attribute) and function.value.attr.lstrip("_") == "metrics"


def _of_a_rule(call: ast.Call) -> bool:
    """Whoever evaluates `rule.expression` asks what `listen` asks for every rule."""
    return bool(call.args) and isinstance(call.args[0], ast.Attribute) and call.args[0].attr == "expression"
