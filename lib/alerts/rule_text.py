"""The text of one rule entry: changed value by value, so that comments, order and all that a form does not know stay."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any

import yaml

from lib.alerts.rules import Rule

ORDER = ("alert", "expr", "for", "keep_firing_for", "labels", "annotations")
LONGEST = 40_000
"""Characters of one entry: more is no rule that anybody reads."""

_STEPS = (("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
Path = tuple[str, ...]


def duration(seconds: float) -> str:
    """Prometheus' own form of a length of time: "5m", "1h30m", "0s"."""
    left, parts = round(seconds * 1000), []
    for unit, size in _STEPS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def written(rule: Rule) -> str:
    """The entry of a rule from nothing, in the usual order; what is empty or zero is left out."""
    return dumped(fields(rule))


def fields(rule: Rule) -> dict[str, Any]:
    """The entry as plain values, as a rule file holds it."""
    kept: dict[str, Any] = {"alert": rule.name, "expr": rule.expression}
    if rule.for_s:
        kept["for"] = duration(rule.for_s)
    if rule.keep_firing_for_s:
        kept["keep_firing_for"] = duration(rule.keep_firing_for_s)
    for name, mapping in (("labels", rule.labels), ("annotations", rule.annotations)):
        if mapping:
            kept[name] = dict(mapping)
    return kept


def dumped(value: Any) -> str:
    """YAML in the order given, long texts on one line."""
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000))


def diff(before: str, after: str, *, names: tuple[str, str] = ("before", "after")) -> str:
    """The lines that differ, unified, with three lines around them; "" where none does."""
    old, new = (text.rstrip("\n").splitlines() for text in (before, after))
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))


def with_values(text: str, changes: Mapping[Path, str]) -> str:
    """The entry with other values, such as `{("labels", "severity"): "critical"}`; "" takes a value away.

    All else stays as it was written. The text must be readable YAML whose root is a mapping: raises ValueError.
    """
    for path, value in changes.items():
        text = _with_value(text, path, value)
    return text


def _with_value(text: str, path: Path, value: str) -> str:
    root = _root(text)
    if _at(root, path) == (value or None):
        return text
    try:
        changed = _spliced(text, root, path, value)
        if _plain(_root(changed)) == _wanted(root, path, value):
            return changed
    except (ValueError, yaml.YAMLError):
        pass  # anchors, tags or a style that cannot be cut in place
    return dumped(_wanted(root, path, value))


def _root(text: str) -> yaml.MappingNode:
    root = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("the entry is not a mapping")  # noqa: TRY004 - what a person typed, not a program's mistake
    return root


def _find(node: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    return next(((k, v) for k, v in node.value if k.value == key), None)


def _at(root: yaml.MappingNode, path: Path) -> str | None:
    node: yaml.Node = root
    for key in path:
        found = _find(node, key) if isinstance(node, yaml.MappingNode) else None
        if found is None:
            return None
        node = found[1]
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def _plain(node: yaml.Node) -> Any:
    """Every scalar as its text: what the strict reader sees."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value) for value in node.value]
    return str(node.value)


def _wanted(root: yaml.MappingNode, path: Path, value: str) -> dict[str, Any]:
    kept: dict[str, Any] = _plain(root)
    inner = kept
    for key in path[:-1]:
        if not isinstance(inner.get(key), dict):
            inner[key] = {}
        inner = inner[key]
    if value:
        inner[path[-1]] = value
    else:
        inner.pop(path[-1], None)
    for key in path[:-1]:
        if not kept[key]:
            del kept[key]
    return {key: kept[key] for key in sorted(kept, key=_place)} if not _find(root, path[0]) else kept


def _place(key: str) -> int:
    return ORDER.index(key) if key in ORDER else len(ORDER)


def _spliced(text: str, root: yaml.MappingNode, path: Path, value: str) -> str:
    if len(path) > 1:
        found = _find(root, path[0])
        parent = found[1] if found else None
        if not isinstance(parent, yaml.MappingNode) or not parent.value:
            return _added(text, root, path[0], f"\n  {path[1]}: {_scalar(value, flow=False, indent=2)}", raw=True)
        if not value and len(parent.value) == 1:
            return _without(text, root, path[0])
        if parent.flow_style:
            return _replaced(text, parent, _flow(_wanted(root, path, value)[path[0]]))
        root = parent
    if not value:
        return _without(text, root, path[-1])
    found = _find(root, path[-1])
    if found is None:
        return _added(text, root, path[-1], value)
    return _replaced(text, found[1], _scalar(value, flow=bool(root.flow_style), indent=found[0].start_mark.column))


def _replaced(text: str, node: yaml.Node, by: str) -> str:
    old = text[node.start_mark.index : node.end_mark.index]
    return text[: node.start_mark.index] + by + old[len(old.rstrip()) :] + text[node.end_mark.index :]


def _added(text: str, parent: yaml.MappingNode, key: str, value: str, *, raw: bool = False) -> str:
    """A new line behind the last key that comes before it in the usual order; an empty mapping that stands there goes."""
    if found := _find(parent, key):
        del found  # `labels: {}` or `labels:` with nothing in it
        text = _without(text, parent, key)
        parent = _root(text)
    column = parent.value[0][0].start_mark.column
    before = [pair for pair in parent.value if _place(pair[0].value) <= _place(key)] or parent.value[:1]
    at = _end(text, before[-1])
    line = f"{key}:{value}" if raw else f"{key}: {_scalar(value, flow=False, indent=column)}"
    return f"{text[:at]}\n{' ' * column}{line}{text[at:]}"


def _end(text: str, pair: tuple[yaml.Node, yaml.Node]) -> int:
    """Where the line of the pair's last character ends: a comment behind the value belongs to it."""
    last = pair[1].start_mark.index + len(text[pair[1].start_mark.index : _stop(pair[1])].rstrip())
    newline = text.find("\n", last)
    return len(text) if newline < 0 else newline


def _stop(node: yaml.Node) -> int:
    """The end of a node without what follows it: a block mapping's own mark stands before the next token."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _stop(node.value[-1][1])
    return int(node.end_mark.index)


def _without(text: str, parent: yaml.MappingNode, key: str) -> str:
    found = _find(parent, key)
    if found is None:
        return text
    start, end = found[0].start_mark.index - found[0].start_mark.column, _end(text, found)
    return text[:start] + text[end + 1 :]


def _flow(mapping: Mapping[str, str]) -> str:
    inner = ", ".join(f"{name}: {_scalar(value, flow=True)}" for name, value in mapping.items())
    return "{" + inner + "}"


def _scalar(value: str, *, flow: bool, indent: int = 0) -> str:
    """The plainest form that reads back as the same text."""
    if "\n" in value and not flow and value == value.strip() and "\r" not in value:
        lines = (f"{' ' * (indent + 2)}{line}".rstrip() for line in value.split("\n"))
        return "|-\n" + "\n".join(lines)
    for form in (value, "'" + value.replace("'", "''") + "'"):
        if "\n" not in value and _reads_back(form, value, flow=flow):
            return form
    return json.dumps(value)


def _reads_back(form: str, value: str, *, flow: bool) -> bool:
    try:
        node: Any = yaml.safe_load(f"{{k: {form}}}" if flow else f"k: {form}")
    except (yaml.YAMLError, ValueError):  # ValueError: it looks like a day or a number and is none
        return False
    return bool(node == {"k": value})
