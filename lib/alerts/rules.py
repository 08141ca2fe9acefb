"""Alert rules from a standard Prometheus rule file, read strictly, and the threshold line that a rule draws."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import promql_parser
import yaml

from lib.alerts.engine.templates import broken
from lib.yaml_reader import NOT_YAML, NodeReader, Problem, composed, not_yaml, refuse, text_of

_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_DURATION = re.compile(r"^(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m(?!s))?(?:\d+s)?(?:\d+ms)?$")
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
LONGEST_S, MOST_DIGITS = 2**63 / 1e9, 18
"""What Prometheus can count: a longer time, or a larger number, is a slip of the hand."""

_LABEL = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$")
_OPERATORS = (">=", "<=", "==", "!=", ">", "<")
_TAIL = re.compile(r"^(?P<left>.*)(?P<operator>>=|<=|==|!=|>|<)[\s(]*[-+]?[\w.]+[\w.+-]*[\s)]*$", re.DOTALL)
_FLIPPED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}

GROUP_KEYS = frozenset({"name", "interval", "limit", "query_offset", "labels", "rules"})
ALERT_KEYS = frozenset({"alert", "expr", "for", "keep_firing_for", "labels", "annotations"})
RECORD_KEYS = frozenset({"record", "expr", "labels"})


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert rule: `expression` (PromQL) must hold for `for_s` seconds; `labels` and `annotations` may be templates.

    From its group: `interval_s` between two evaluations (0: the usual one), at most `limit` alerts (0: any number), and
    `offset_s`, how far back of the time of evaluation it asks.
    """

    name: str
    expression: str
    for_s: float = 0.0
    keep_firing_for_s: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    interval_s: float = 0.0
    limit: int = 0
    offset_s: float = 0.0

    @property
    def severity(self) -> str:
        """Its `severity` label; "" where it has none."""
        return self.labels.get("severity", "")


class Threshold(NamedTuple):
    """`expression` is compared by `operator` (> >= < <= == !=) with `value`, in the expression's own unit."""

    expression: str
    operator: str
    value: float


def threshold(rule: Rule) -> Threshold | None:
    """What the rule compares, and with which number; None unless it has the form `<expression> <operator> <number>`.

    The expression is the rule's own text, so that a chart draws exactly what the rule sees.
    """
    parsed = _bare(promql_parser.parse(rule.expression))
    if not isinstance(parsed, promql_parser.BinaryExpr) or str(parsed.op) not in _OPERATORS:
        return None
    if parsed.modifier is not None and parsed.modifier.return_bool:
        return None  # the comparison only yields 0 or 1: the rule is active either way
    left, right = _bare(parsed.lhs), _bare(parsed.rhs)
    if isinstance(right, promql_parser.NumberLiteral):
        return Threshold(_own_text(rule.expression, parsed.lhs), str(parsed.op), float(right.val))
    if isinstance(left, promql_parser.NumberLiteral):
        return Threshold(str(parsed.rhs), _FLIPPED[str(parsed.op)], float(left.val))
    return None


def _bare(parsed: Any) -> Any:
    while isinstance(parsed, promql_parser.ParenExpr):
        parsed = parsed.expr
    return parsed


def _own_text(expression: str, left: Any) -> str:
    """The left side as it was written; as the parser prints it where the text cannot be cut with certainty."""
    found = _TAIL.match(expression)
    if found:
        text = found["left"].strip()
        try:
            if str(promql_parser.parse(text)) == str(left):
                return text
        except ValueError:
            pass  # cut at the wrong place
    return str(left)


class RuleFile(NamedTuple):
    """A rule file as it was read: later changes on the disk do not change it."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> RuleFile:
        """What the file holds now. Raises SettingsError where it cannot be read."""
        return cls(path, text_of(path))

    def rules(self) -> tuple[Rule, ...]:
        """Every alert rule, in the file's order (recording rules are checked and left out).

        Raises SettingsError that lists every problem with file, line, group and rule; unknown keys are problems.
        """
        root = composed(self.text, self.path)
        reader = _Reader()
        rules = reader.file(root)
        refuse(self.path, reader.problems)
        return rules


def load_rules(path: Path) -> tuple[Rule, ...]:
    """The alert rules that the file holds now; see RuleFile. Raises SettingsError."""
    return RuleFile.read(path).rules()


def read_entry(
    text: str, group: str = "", labels: Mapping[str, str] | None = None
) -> tuple[Rule | None, list[Problem]]:
    """One alert rule from the text of its entry alone (`alert: …`, no dash), as strictly as from a file; `labels` are
    its group's. None and every problem where something is wrong. Never raises, whatever the text."""
    reader = _Reader()
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except NOT_YAML as error:
        return None, [not_yaml(error)]
    rule = reader.entry(root, group, labels or {})
    return (None, reader.problems) if reader.problems else (rule, [])


class _Reader(NodeReader):
    """Walks the groups and their rules, and collects every problem on the way."""

    def file(self, root: yaml.Node | None) -> tuple[Rule, ...]:
        """Every alert rule of the document."""
        if root is None:
            self._wrong(None, "holds no rules: it must have `groups:`")
            return ()
        rules: list[Rule] = []
        names: set[str] = set()
        for group in self._items(self._mapping(root, frozenset({"groups"})).get("groups"), "groups"):
            rules += self._group(group, names)
        self._twice(rules)
        return tuple(rules)

    def entry(self, root: yaml.Node | None, group: str, shared: Mapping[str, str]) -> Rule | None:
        """The one alert rule of the document."""
        if isinstance(root, yaml.SequenceNode):
            self._wrong(root, "must be one rule, beginning with `alert:` without a dash in front")
            return None
        if root is None:
            self._wrong(None, "the rule is empty: it must have `alert:` and `expr:`")
            return None
        rule = self._rule(root, group, shared)
        if rule is None:
            self._wrong(root, "must be an alert rule (`alert:`), not a recording rule")
        return rule

    def _group(self, node: yaml.Node, names: set[str]) -> Iterator[Rule]:
        self._place = ""
        fields = self._mapping(node, GROUP_KEYS)
        name = self._text(fields, "name", node)
        if name in names:
            self._wrong(node, f"group {name!r} is there twice")
        names.add(name)
        self._place = f"group {name!r}: "
        shared = self._strings(fields, "labels")
        interval_s, offset_s = self._seconds(fields, "interval"), self._seconds(fields, "query_offset")
        limit = self._number(fields, "limit")
        for rule in self._items(fields.get("rules"), "rules"):
            self._place = f"group {name!r}: "
            if (found := self._rule(rule, name, shared)) is not None:
                yield replace(found, interval_s=interval_s, limit=limit, offset_s=offset_s)

    def _rule(self, node: yaml.Node, group: str, shared: Mapping[str, str]) -> Rule | None:
        records = isinstance(node, yaml.MappingNode) and any(key.value == "record" for key, _ in node.value)
        fields = self._mapping(node, RECORD_KEYS if records else ALERT_KEYS)
        name = self._text(fields, "record" if records else "alert", node)
        self._place = f"{self._place}rule {name!r}: "
        labels = {**shared, **self._strings(fields, "labels")}
        rule = Rule(
            name,
            self._expression(fields, node),
            self._seconds(fields, "for"),
            self._seconds(fields, "keep_firing_for"),
            labels,
            self._strings(fields, "annotations"),
            group,
        )
        return None if records else rule

    def _expression(self, fields: Mapping[str, yaml.Node], node: yaml.Node) -> str:
        text = self._text(fields, "expr", node).strip()
        if not text:
            return text
        try:
            parsed = _bare(promql_parser.parse(text))
        except ValueError as error:
            self._wrong(fields.get("expr"), f"expr is not PromQL: {error}: {text}")
            return text
        kinds = (promql_parser.MatrixSelector, promql_parser.SubqueryExpr, promql_parser.StringLiteral)
        if isinstance(parsed, kinds):
            self._wrong(fields.get("expr"), f"expr must give one value per series, not a range or a text: {text}")
        return text

    def _seconds(self, fields: Mapping[str, yaml.Node], key: str) -> float:
        node = fields.get(key)
        if node is None:
            return 0.0
        text = str(node.value).strip() if isinstance(node, yaml.ScalarNode) else ""
        if text == "0":
            return 0.0
        if not text or not _DURATION.match(text):
            self._wrong(node, f"`{key}` must be a duration such as 30s, 5m or 1h30m")
            return 0.0
        seconds = sum(float(count) * _UNIT_S[unit] for count, unit in _PART.findall(text))
        if seconds <= LONGEST_S:
            return seconds
        self._wrong(node, f"`{key}` is longer than 292 years")
        return 0.0

    def _number(self, fields: Mapping[str, yaml.Node], key: str) -> int:
        node = fields.get(key)
        text = str(node.value).strip() if isinstance(node, yaml.ScalarNode) else ""
        if node is None or (text.isdecimal() and len(text) <= MOST_DIGITS):
            return int(text or 0)
        self._wrong(node, f"`{key}` must be a whole number, 0 or more, of at most {MOST_DIGITS} digits")
        return 0

    def _strings(self, fields: Mapping[str, yaml.Node], key: str) -> dict[str, str]:
        node = fields.get(key)
        found: dict[str, str] = {}
        for name, value in (self._mapping(node, None) if node is not None else {}).items():
            if not _LABEL.match(name) or name in ("__name__", "alertname"):
                self._wrong(value, f"{name!r} cannot be a name in `{key}`")
            elif not isinstance(value, yaml.ScalarNode):
                self._wrong(value, f"{name!r} in `{key}` must be a text")
            else:
                found[name] = str(value.value)
                if why := broken(found[name]):
                    self._wrong(value, f"{name!r} in `{key}` is no template: {why}")
        return found

    def _twice(self, rules: list[Rule]) -> None:
        self._place = ""
        seen: set[tuple[str, frozenset[tuple[str, str]]]] = set()
        for rule in rules:
            key = (rule.name, frozenset(rule.labels.items()))
            if rule.name and key in seen:
                self._wrong(None, f"group {rule.group!r}: rule {rule.name!r} is there twice with the same labels")
            seen.add(key)
