"""Checks the rule files: that they can be read, and that they are what this process runs on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lib.alerts.engine.templates import unknown
from lib.alerts.rules import Rule, load_rules, threshold
from lib.errors import SettingsError
from lib.settings import Settings
from lib.setup.base import Check, Grade, Row
from lib.stores import Stores

MOST_NAMED = 5


def rule_file(settings: Settings, stores: Stores) -> Check:
    """How many rules each file has, and whether they are those in force; a row more for placeholders that nothing fills in."""

    def ask() -> list[Row]:
        rows = _of(settings.rules_file, stores.rules)
        return [*rows, *_of(settings.own_rules_file, stores.own_rules)] if settings.own_rules_file else rows

    return Check("rule_file", "Rule files", "The alert rules, and the limits that charts draw.", ask)


def _of(path: Path, in_force: Sequence[Rule]) -> list[Row]:
    try:
        rules = load_rules(path)
    except SettingsError as error:
        hint = "Correct it: promtool check rules names the place, too. The rules that were read before go on."
        return [Row(str(path), Grade.FAILED, str(error), hint)]
    said = f"{len(rules)} alert rules, {sum(threshold(rule) is not None for rule in rules)} with a threshold line"
    if other := _differing(rules, in_force):
        hint = "Edits in the app override the file (Rules, History tells whose); a changed file is taken in within seconds."
        told = ", ".join(other[:MOST_NAMED]) + (" …" if len(other) > MOST_NAMED else "")
        return [Row(str(path), Grade.WARNING, f"{said}; in force otherwise: {told}", hint), *_left(rules)]
    return [Row(str(path), Grade.OK, said), *_left(rules)]


def _differing(rules: Sequence[Rule], in_force: Sequence[Rule]) -> list[str]:
    """The names of rules that are in the file or in force only, or not the same in both."""
    return sorted({rule.name for rule in (*rules, *in_force) if rule not in rules or rule not in in_force})


def _left(rules: Sequence[Rule]) -> list[Row]:
    found = {
        f"{rule.name}: {left}"
        for rule in rules
        for text in (*rule.labels.values(), *rule.annotations.values())
        for left in unknown(text)
    }
    if not found:
        return []
    hint = "Notices show them as they are written: docs/rules.md lists those that are filled in."
    return [Row("placeholders", Grade.WARNING, "not filled in here: " + "; ".join(sorted(found)[:5]), hint)]
