"""The shipped rules say where to look and what to do, and ask for figures that the dashboard has."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.alerts.engine.asking import plan
from lib.alerts.rules import Rule, load_rules
from lib.status import AlertingStatus, SourceStatus, TargetStatus, WorkerStatus
from lib.status_metrics import StatusCollector
from lib.ui.pages import PAGES

ROOT = Path(__file__).parents[2]
OWN = load_rules(ROOT / "deploy/prometheus/halo-ops-rules.yml")
RULES = (*load_rules(ROOT / "deploy/prometheus/rules.yml"), *OWN)
RUNBOOKS = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ELSEWHERE = {
    "halo_ops_disk_free_ratio", "halo_ops_backup_age_seconds", "halo_ops_new_error_patterns", "halo_ops_checklist_overdue",
    "halo_ops_drill",
}  # fmt: skip
"""Written by other parts; until one is there its rule says that it was never seen."""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_has_a_runbook_and_a_page(rule: Rule) -> None:
    anchor = rule.annotations["runbook_url"].removeprefix("/runbooks#")
    pages = {f"/{page.url_path}" for page in PAGES} | {"/alerts", "/checklists"}

    assert anchor == rule.name.lower()
    assert rule.annotations["dashboard"] in pages
    assert rule.severity in (("info",) if rule.name == "Drill" else ("critical", "warning"))


@pytest.mark.parametrize("name", [rule.name for rule in RULES] + ["NoData", "RuleError", "RuleLimit", "ChannelBroken"])
def test_every_runbook_says_what_it_means_what_to_look_at_and_what_to_do(name: str) -> None:
    section = re.split(r"^## ", RUNBOOKS, flags=re.MULTILINE)
    [text] = [part for part in section if part.partition("\n")[0] == name]

    assert [word for word in ("**Means.**", "**Look at.**", "**Do.**") if word not in text] == []


def test_every_figure_that_the_own_rules_ask_for_is_written() -> None:
    status = WorkerStatus(
        NOW, NOW, newest_log=NOW, scrapes=(TargetStatus("a", up=True),), probes=(TargetStatus("a", up=True),),
        metric_source=SourceStatus("p", "p"), alerting=AlertingStatus(last_eval=NOW),
    )  # fmt: skip
    families = StatusCollector(lambda: status).collect()
    written = {sample.name for family in families for sample in family.samples} | {"halo_ops_delivery_broken"}

    asked = {metric for rule in OWN for metric in plan(rule.expression).metrics}

    assert asked - written == ELSEWHERE
