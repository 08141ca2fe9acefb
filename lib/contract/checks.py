"""What the evidence of each item of the shipped checklists reads, found by listening to it."""

from __future__ import annotations

from lib.alerts.rules import Rule
from lib.checklists import definition, evidence, versions
from lib.checklists.evidence_keys import EVIDENCE
from lib.contract.base import CHECK
from lib.contract.listening import MOMENT
from lib.contract.uses import Heard, listened
from lib.window import DAY, Window


def heard_by_checks(rules: tuple[Rule, ...]) -> dict[str, Heard]:
    """By the item, as people call it; items whose evidence looks at the deployment alone are left out. Asks no real store."""
    found = {}
    for checklist in definition.load_folder(versions.SHIPPED).values():
        for item in checklist.items:
            if item.evidence and item.evidence not in evidence.OF_THE_DEPLOYMENT:
                found[f"{CHECK}{item.title}"] = _heard(item.evidence, rules)
    return found


def _heard(key: str, rules: tuple[Rule, ...]) -> Heard:
    around, window = evidence.around_nobody(MOMENT), Window.last(DAY, MOMENT)
    ask, limits = evidence.TABLE[key], EVIDENCE[key]
    return listened(lambda stores: ask(evidence.Asked(stores, window, None, limits, around, DAY)), rules)
