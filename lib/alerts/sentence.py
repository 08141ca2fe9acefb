"""A rule as one sentence of blanks to fill in: "When <expression> <is above> <0.05> for <5m>, tell <critical>"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import promql_parser

from lib.alerts.rule_text import Path, duration, with_values
from lib.alerts.rules import Rule, threshold

ANY = ""
OPERATORS = {
    ">": "is above", ">=": "is at least", "<": "is below", "<=": "is at most", "==": "is exactly",
    "!=": "is anything but", ANY: "gives any result",
}  # fmt: skip
"""How each comparison reads; without one, every series that the expression gives is an alert."""

SUMMARY, DESCRIPTION, RUNBOOK = "summary", "description", "runbook_url"
_NAMED = (SUMMARY, DESCRIPTION, RUNBOOK)


@dataclass(frozen=True, slots=True)
class Sentence:
    """The blanks, each as it is typed. `labels` and `annotations` are those that have no blank of their own."""

    name: str = ""
    expression: str = ""
    operator: str = ">"
    limit: str = ""
    for_: str = ""
    keep: str = ""
    severity: str = ""
    summary: str = ""
    description: str = ""
    runbook: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def condition(self) -> str:
        """The rule's whole expression."""
        return joined(self.expression, self.operator, self.limit)

    def spoken(self) -> str:
        """The whole sentence, in plain words."""
        compared = f" {OPERATORS[self.operator]}" + (f" {self.limit}" if self.operator else "")
        lasting = f" for {self.for_}" if self.for_ else ""
        kept = f", and {self.keep} longer once it has ended" if self.keep else ""
        told = f"tell {self.severity}" if self.severity else "tell everybody who gets alerts without a severity"
        return f"When {self.expression or '…'}{compared}{lasting}{kept}, {told}."


def sentence(rule: Rule) -> Sentence:
    """The blanks of a rule; a condition that is no plain comparison with a number stands whole in `expression`."""
    found = threshold(rule)
    told = Sentence(
        rule.name,
        rule.expression,
        ANY,
        for_=duration(rule.for_s) if rule.for_s else "",
        keep=duration(rule.keep_firing_for_s) if rule.keep_firing_for_s else "",
        severity=rule.severity,
        summary=rule.annotations.get(SUMMARY, ""),
        description=rule.annotations.get(DESCRIPTION, ""),
        runbook=rule.annotations.get(RUNBOOK, ""),
        labels={name: value for name, value in rule.labels.items() if name != "severity"},
        annotations={name: value for name, value in rule.annotations.items() if name not in _NAMED},
    )
    if found is None:
        return told
    return replace(told, expression=found.expression, operator=found.operator, limit=f"{found.value:.12g}")


def joined(expression: str, operator: str, limit: str) -> str:
    """The condition that is asked: brackets around what would else be read another way."""
    left, number = expression.strip(), limit.strip()
    if not operator:
        return left
    plain = f"{left} {operator} {number or 0}"
    return plain if _compares(plain, left) else f"({left}) {operator} {number or 0}"


def _compares(condition: str, left: str) -> bool:
    try:
        whole, part = promql_parser.parse(condition), promql_parser.parse(left)
    except ValueError:
        return "#" not in left  # it cannot be read either way: leave it as it was typed
    return isinstance(whole, promql_parser.BinaryExpr) and str(whole.lhs) == str(part)


def is_number(text: str) -> bool:
    """Whether a limit can stand in PromQL as it is: 5, -0.5, 1e3, Inf."""
    try:
        parsed = promql_parser.parse(text.strip())
    except ValueError:
        return False
    if isinstance(parsed, promql_parser.UnaryExpr):
        parsed = parsed.expr
    return isinstance(parsed, promql_parser.NumberLiteral)


def filled(text: str, before: Sentence, after: Sentence) -> str:
    """The entry with what was filled in anew; all that the form does not know stays as it was written.

    Raises ValueError where the text is not readable YAML of one entry.
    """
    changes: dict[Path, str] = {}
    if (before.expression, before.operator, before.limit) != (after.expression, after.operator, after.limit):
        changes["expr",] = after.condition
    for blank, path in _PLACES.items():
        if getattr(before, blank) != getattr(after, blank):
            changes[path] = str(getattr(after, blank)).strip()
    for part in ("labels", "annotations"):
        was, now = getattr(before, part), getattr(after, part)
        changes |= {(part, name): now.get(name, "") for name in {**was, **now} if was.get(name) != now.get(name)}
    return with_values(text, changes)


_PLACES: Mapping[str, Path] = {
    "name": ("alert",), "for_": ("for",), "keep": ("keep_firing_for",), "severity": ("labels", "severity"),
    "summary": ("annotations", SUMMARY), "description": ("annotations", DESCRIPTION), "runbook": ("annotations", RUNBOOK),
}  # fmt: skip

BLANKS = tuple(one.name for one in fields(Sentence))
