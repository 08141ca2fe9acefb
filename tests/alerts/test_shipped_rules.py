"""The shipped rules say where to look and what to do, and ask for figures that the dashboard has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lib.alerts.engine.asking import plan
from lib.alerts.rules import Rule, load_rules
from lib.ui.pages import PAGES

ROOT = Path(__file__).parents[2]
OWN = load_rules(ROOT / "deploy/prometheus/halo-ops-rules.yml")
RULES = (*load_rules(ROOT / "deploy/prometheus/rules.yml"), *OWN)
RUNBOOKS = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_has_a_runbook_and_a_page(rule: Rule) -> None:
    anchor = rule.annotations["runbook_url"].removeprefix("/runbooks#")
    pages = {f"/{page.url_path}" for page in PAGES} | {"/alerts", "/checklists"}

    assert anchor == rule.name.lower()
    assert rule.annotations["dashboard"].partition("?")[0] in pages
    assert rule.severity in ("critical", "warning", "info")


@pytest.mark.parametrize("name", [rule.name for rule in RULES] + ["NoData", "RuleError", "RuleLimit", "ChannelBroken"])
def test_every_runbook_says_what_it_means_what_to_look_at_and_what_to_do(name: str) -> None:
    section = re.split(r"^## ", RUNBOOKS, flags=re.MULTILINE)
    [text] = [part for part in section if part.partition("\n")[0] == name]

    assert [word for word in ("**Means.**", "**Look at.**", "**Do.**") if word not in text] == []


def test_every_figure_that_the_own_rules_ask_for_is_written_somewhere() -> None:
    product = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "lib").rglob("*.py"))

    asked = {metric.removesuffix("_total") for rule in OWN for metric in plan(rule.expression).metrics}

    assert len(asked) > 10
    assert {name for name in asked if not is_written(name, product)} == set()


def is_written(name: str, product: str) -> bool:
    """Whether the product names the figure, whole or by the kind that its family is made of."""
    family = re.sub(r"^halo_ops_(scrape|probe)_", "halo_ops_{kind}_", name)
    return f'"{name}"' in product or f'"{family}"' in product
