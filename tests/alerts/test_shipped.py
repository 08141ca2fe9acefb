"""The rule files as they are written, and as one file again with what was edited."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.alerts.rules import RuleFile, load_rules, read_entry
from lib.alerts.shipped import Entry, entries, rule_file
from tests.metrics import promtool

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yml"
FILE = """\
groups:
  - name: one
    interval: 30s
    limit: 10
    rules:
      # about the first
      - record: a:rate
        expr: rate(a_total[5m])
      - alert: First
        # inside
        expr: a:rate > 5
      # before the second
      - {alert: Second, expr: b > 1, labels: {n: 5}}
      - alert: Second
        expr: b > 2
        labels: {severity: info}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_every_shipped_entry_reads_as_its_rule_does_in_the_file() -> None:
    found = entries([RuleFile.read(SHIPPED)])

    for rule in load_rules(SHIPPED):
        alone, problems = read_entry(found[rule.name][0].text, rule.group)
        assert problems == [] and alone is not None
        assert (alone.expression, alone.labels, alone.annotations) == (rule.expression, rule.labels, rule.annotations)


def test_an_entry_keeps_its_own_comments_and_no_others(file: Path) -> None:
    found = entries([RuleFile.read(file)])

    assert found["First"][0].text == "alert: First\n# inside\nexpr: a:rate > 5\n"
    assert [entry.text for entry in found["Second"]][1].startswith("alert: Second\nexpr: b > 2\n")
    assert len(found["Second"]) == 2


def test_the_file_again_has_the_edits_in_place_and_all_else_as_it_was(file: Path) -> None:
    edited = {
        "Second": Entry("Second", "one", "alert: Second\nexpr: b > 9\n"),
        "New": Entry("New", "mine", "alert: New\nexpr: up == 0\n"),
    }

    text = rule_file([RuleFile.read(file)], edited, frozenset({"First"}))

    file.write_text(text, encoding="utf-8")
    assert [(rule.name, rule.expression, rule.group) for rule in load_rules(file)] == [
        ("Second", "b > 9", "one"), ("New", "up == 0", "mine"),
    ]  # fmt: skip
    assert "a:rate" in text and "interval: 30s" in text and "limit: 10\n" in text


def test_two_files_with_one_group_name_become_one_file_that_loads(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yml"
    other.write_text("groups: [{name: one, rules: [{alert: Own, expr: up}]}]", encoding="utf-8")

    (tmp_path / "both.yml").write_text(
        rule_file([RuleFile.read(file), RuleFile.read(other)], {}, frozenset()), encoding="utf-8"
    )

    assert {rule.group for rule in load_rules(tmp_path / "both.yml")} == {"one", "one_2"}


@pytest.mark.live
def test_promtool_takes_the_exported_file(file: Path, tmp_path: Path) -> None:
    edited = {
        "QueueBacklog": Entry("QueueBacklog", "g", "alert: QueueBacklog\nexpr: queue_size > 5\nlabels: {team: 5}\n"),
        "Néw": Entry(
            "Néw", "mine", 'alert: Néw\nexpr: \'up{x="#: y"} == 0\'\nannotations: {summary: "{{ $value }}: é #"}\n'
        ),
    }
    out = tmp_path / "out.yml"
    out.write_text(
        rule_file([RuleFile.read(SHIPPED), RuleFile.read(file)], edited, frozenset({"SlowResponseTime"})),
        encoding="utf-8",
    )

    said = promtool.check_rules(out)

    assert "SUCCESS: 9 rules found" in said
