"""Checks the rule file: that it can be read, and that it is what this process runs on."""

from __future__ import annotations

from lib.alerts.rules import load_rules, threshold
from lib.errors import SettingsError
from lib.settings import Settings
from lib.setup.base import Check, Grade, Row
from lib.stores import Stores


def rule_file(settings: Settings, stores: Stores) -> Check:
    """One row: how many rules, and whether they are those in force."""

    def ask() -> list[Row]:
        path = settings.rules_file
        try:
            rules = load_rules(path)
        except SettingsError as error:
            hint = "Correct it: promtool check rules names the place, too. The rules that were read before go on."
            return [Row(str(path), Grade.FAILED, str(error), hint)]
        said = f"{len(rules)} alert rules, {sum(threshold(rule) is not None for rule in rules)} with a threshold line"
        if stores.rules != rules:
            hint = "Edits in the app override the file; a changed file is taken in within seconds."
            return [Row(str(path), Grade.WARNING, f"{said}; other rules are in force", hint)]
        return [Row(str(path), Grade.OK, said)]

    return Check("rule_file", "Rule file", "The alert rules, and the limits that charts draw.", ask)
