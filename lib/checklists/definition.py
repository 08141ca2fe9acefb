"""A checklist as YAML, read strictly: every mistake is told with file, line and reason."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lib.checklists import calendar
from lib.checklists.evidence_keys import EVIDENCE
from lib.checklists.model import Checklist, Item, Period
from lib.errors import SettingsError
from lib.yaml_reader import NodeReader, composed, is_null, refuse, text_of

CHECKLIST_KEYS = frozenset({"name", "title", "period", "items"})
ITEM_KEYS = frozenset({"key", "title", "why", "how", "evidence", "verdict", "owner", "due"})
MOST_ITEMS, LONGEST_TITLE, LONGEST_TEXT, LONGEST_FILE = 60, 120, 4000, 200_000
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_FORM = "small letters, digits and -, beginning with a letter, at most 40"


def load(path: Path) -> Checklist:
    """The checklist of a file. Raises SettingsError that lists every problem."""
    return parse(text_of(path), path)


def load_folder(folder: Path) -> dict[str, Checklist]:
    """Every *.yaml file of the folder, by name. Raises SettingsError that lists every problem of every file."""
    found: dict[str, Checklist] = {}
    problems: list[str] = []
    files = sorted(folder.glob("*.yaml"))
    if not files:
        problems.append(f"{folder}: holds no *.yaml file")
    for path in files:
        try:
            read = load(path)
        except SettingsError as error:
            problems.append(str(error))
            continue
        if read.name in found:
            problems.append(f"{path}: another file has a checklist named {read.name!r} already")
        found[read.name] = read
    if problems:
        raise SettingsError("\n".join(problems))
    return found


def parse(text: str, place: Path | str, version: int = 0) -> Checklist:
    """The checklist that the text describes; `place` is named in every problem. Raises SettingsError that lists them."""
    if len(text) > LONGEST_FILE:
        raise SettingsError(f"{place}: has more than {LONGEST_FILE} characters")
    root = composed(text, place)
    if root is None:
        raise SettingsError(f"{place}: holds no checklist: it must have {', '.join(sorted(CHECKLIST_KEYS))}")
    reader = _Reader()
    checklist = reader.checklist(root, version)
    refuse(place, reader.problems)
    assert checklist is not None, "what has no problem is a checklist"
    return checklist


def dump(checklist: Checklist) -> str:
    """The checklist as YAML that `parse` reads back to the same."""
    plain = {
        "name": checklist.name,
        "title": checklist.title,
        "period": checklist.period.value,
        "items": [_plain(item) for item in checklist.items],
    }
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _plain(item: Item) -> dict[str, Any]:
    texts = {name: getattr(item, name) for name in ("key", "title", "why", "how", "evidence", "owner", "due")}
    given: dict[str, Any] = {name: value for name, value in texts.items() if value}
    return given | ({"verdict": {name: _short(value) for name, value in item.limits.items()}} if item.limits else {})


def _short(value: float) -> float:
    return int(value) if value == int(value) else value


class _Dumper(yaml.SafeDumper):
    """Indents lists, and writes texts of several lines as such."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


class _Reader(NodeReader):
    """Walks a checklist and its items."""

    def checklist(self, root: yaml.Node, version: int) -> Checklist | None:
        fields = self._mapping(root, CHECKLIST_KEYS)
        if not isinstance(root, yaml.MappingNode):
            return None
        name = self._name(fields, "name", root)
        title = self._short_text(fields, "title", root, LONGEST_TITLE)
        period = self._period(fields, root)
        items: dict[str, Item] = {}
        nodes = self._items(fields.get("items"), "items")
        for number, node in enumerate(nodes, 1):
            self._place = f"item {number}: "
            item = self._item(node, period)
            if item.key and item.key in items:
                self._wrong(node, f"the key {item.key!r} is there twice")
            items[item.key] = item
        self._place = ""
        if isinstance(fields.get("items"), yaml.SequenceNode) and not 0 < len(nodes) <= MOST_ITEMS:
            self._wrong(fields["items"], f"must have 1 to {MOST_ITEMS} items, not {len(nodes)}")
        return Checklist(name, title, period or Period.DAY, tuple(items.values()), version)

    def _item(self, node: yaml.Node, period: Period | None) -> Item:
        fields = self._mapping(node, ITEM_KEYS)
        if not isinstance(node, yaml.MappingNode):
            return Item("", "")
        evidence = self._evidence(fields)
        return Item(
            self._name(fields, "key", node),
            self._short_text(fields, "title", node, LONGEST_TITLE),
            self._optional(fields, "why", LONGEST_TEXT),
            self._optional(fields, "how", LONGEST_TEXT),
            evidence,
            self._optional(fields, "owner", LONGEST_TITLE),
            self._due(fields, period),
            self._limits(fields, evidence),
        )

    def _name(self, fields: Mapping[str, yaml.Node], key: str, parent: yaml.Node) -> str:
        text = self._text(fields, key, parent)
        if text and not _NAME.fullmatch(text):
            self._wrong(fields[key], f"`{key}` must be {_FORM}, not {text[:60]!r}")
        return text

    def _short_text(self, fields: Mapping[str, yaml.Node], key: str, parent: yaml.Node, longest: int) -> str:
        return self._bounded(fields, key, self._text(fields, key, parent), longest)

    def _optional(self, fields: Mapping[str, yaml.Node], key: str, longest: int) -> str:
        node = fields.get(key)
        if node is None or is_null(node):
            return ""
        if not isinstance(node, yaml.ScalarNode):
            self._wrong(node, f"`{key}` must be a text")
            return ""
        return self._bounded(fields, key, str(node.value), longest)

    def _bounded(self, fields: Mapping[str, yaml.Node], key: str, text: str, longest: int) -> str:
        if len(text) > longest:
            self._wrong(fields[key], f"`{key}` must have at most {longest} characters, not {len(text)}")
        return text.strip()

    def _period(self, fields: Mapping[str, yaml.Node], root: yaml.Node) -> Period | None:
        text = self._text(fields, "period", root)
        if text in list(Period):
            return Period(text)
        if text:
            self._wrong(fields["period"], f"`period` must be {', '.join(Period)}, not {text[:60]!r}")
        return None

    def _due(self, fields: Mapping[str, yaml.Node], period: Period | None) -> str:
        text = self._optional(fields, "due", LONGEST_TITLE)
        if period is not None and not calendar.is_due_time(text, period):
            self._wrong(
                fields["due"], f"`due` of a {period} must look like {calendar.FORMS[period]}, not {text[:60]!r}"
            )
        return text

    def _evidence(self, fields: Mapping[str, yaml.Node]) -> str:
        text = self._optional(fields, "evidence", LONGEST_TITLE)
        if text and text not in EVIDENCE:
            self._wrong(
                fields["evidence"], f"no evidence is named {text[:60]!r}: known are {', '.join(sorted(EVIDENCE))}"
            )
        return text

    def _limits(self, fields: Mapping[str, yaml.Node], evidence: str) -> dict[str, float]:
        node = fields.get("verdict")
        if node is None or (evidence and evidence not in EVIDENCE):
            return {}
        known = frozenset(EVIDENCE.get(evidence, {}))
        if not known:
            self._wrong(
                node, f"`verdict` needs an evidence that has one; {evidence or 'no evidence'} has no parameters"
            )
            return {}
        given = self._mapping(node, known)
        return {name: number for name, value in given.items() if (number := self._number(name, value)) is not None}

    def _number(self, name: str, node: yaml.Node) -> float | None:
        try:
            number = float(node.value) if isinstance(node, yaml.ScalarNode) else math.nan
        except ValueError:
            number = math.nan
        if math.isfinite(number) and number >= 0:
            return number
        self._wrong(node, f"`{name}` must be a number from 0 up")
        return None
