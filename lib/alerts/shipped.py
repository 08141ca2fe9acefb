"""The entries of the rule file as they are written there, and the whole file again with what was edited in the app."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from lib.alerts.rule_text import dumped
from lib.alerts.rules import RuleFile


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert rule as text. `labels` are those that its group gives to every rule of it."""

    name: str
    group: str
    text: str
    labels: Mapping[str, str] = field(default_factory=dict)


def entries(files: Sequence[RuleFile]) -> dict[str, list[Entry]]:
    """The alert rules of the files by name, each in its own words and with its comments; a name may have several.

    The files are those in force: they were read strictly before.
    """
    found: dict[str, list[Entry]] = {}
    for file in files:
        for entry in _walk(file.text):
            found.setdefault(entry.name, []).append(entry)
    return found


def _walk(text: str) -> Iterator[Entry]:
    for group in _child(yaml.compose(text, yaml.SafeLoader), "groups").value:
        labels = _child(group, "labels")
        shared = {key.value: value.value for key, value in labels.value} if labels.value else {}
        for rule in _child(group, "rules").value:
            name = _child(rule, "alert")
            if name.value:
                yield Entry(name.value, _child(group, "name").value, _slice(text, rule), shared)


def _child(node: Any, key: str) -> Any:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), yaml.ScalarNode("tag:yaml.org,2002:str", ""))


def _slice(text: str, rule: yaml.MappingNode) -> str:
    """The lines of the entry, without its dash and its indentation; a one-line entry is written out."""
    if rule.flow_style:
        return dumped(_words(text[rule.start_mark.index : rule.end_mark.index]))
    start, column = rule.start_mark.index, rule.start_mark.column
    lines = (" " * column + text[start : rule.end_mark.index]).splitlines()
    while lines and (not lines[-1].strip() or (lines[-1].lstrip().startswith("#") and _outside(lines[-1], column))):
        lines.pop()  # what stands before the next entry
    return textwrap.dedent("\n".join(lines)) + "\n"


def _outside(line: str, column: int) -> bool:
    return len(line) - len(line.lstrip()) < column


def rule_file(files: Sequence[RuleFile], edited: Mapping[str, Entry], removed: frozenset[str]) -> str:
    """The files as one with edits in it, for Prometheus and promtool: its groups, their intervals and their recording rules
    stay, an edited rule stands where it was, a new one at the end of its group, a removed one is left out."""
    groups: list[dict[str, Any]] = [group for file in files for group in (_words(file.text) or {}).get("groups") or []]
    left, names = dict(edited), Counter[str]()
    for group in groups:
        names[group["name"]] += 1
        if names[group["name"]] > 1:  # two files may use one name, one file may not
            group["name"] += f"_{names[group['name']]}"
        group["rules"] = list(_replaced(group.get("rules") or [], left, removed))
    for entry in left.values():
        if entry.text and entry.name not in removed:
            _group(groups, entry.group)["rules"].append(_words(entry.text))
    return dumped({"groups": [_ordered(group) for group in groups if group["rules"]]})


def _replaced(rules: list[dict[str, Any]], left: dict[str, Entry], removed: frozenset[str]) -> Iterator[dict[str, Any]]:
    for rule in rules:
        name = rule.get("alert", "")
        if name and name in removed:
            continue
        if name not in left:
            yield rule
        elif left[name].text:
            yield _words(left[name].text)
            left[name] = Entry(name, left[name].group, "")  # the first of that name is replaced, the others go


def _group(groups: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for group in groups:
        if group.get("name") == name:
            return group
    groups.append({"name": name, "rules": []})
    return groups[-1]


def _ordered(group: dict[str, Any]) -> dict[str, Any]:
    limit = {"limit": int(group["limit"])} if group.get("limit") else {}
    return {"name": group["name"], **{key: value for key, value in group.items() if key != "name"}, **limit}


def _words(text: str) -> Any:
    """YAML with every scalar as its text: a label's 5 stays "5"."""
    return yaml.load(text, yaml.BaseLoader)  # noqa: S506 - makes nothing but texts, lists and mappings
