from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from lib.alerts.rulebook import Rulebook
from lib.alerts.tables import RuleVersionRow
from lib.errors import SettingsError
from lib.state.database import State

FILE = """
groups:
  - name: g
    interval: 30s
    limit: 7
    rules:
      - {alert: A, expr: a > 1, labels: {severity: warning}}
      - {alert: B, expr: b > 1}
"""
OWN = "groups: [{name: own, rules: [{alert: Own, expr: halo_ops_x > 1}]}]"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(FILE, encoding="utf-8")
    (tmp_path / "own.yml").write_text(OWN, encoding="utf-8")
    return path


@pytest.fixture
def book(file: Path, state: State) -> Rulebook:
    return Rulebook((file,), (file.parent / "own.yml",), state)


def edit(state: State, name: str, version: int, yaml: str = "", *, removed: bool = False) -> None:
    row = {
        "name": name, "version": version, "group_name": "g", "yaml": yaml, "removed": removed, "note": "", "review_by": None,
        "who": "kim", "at": datetime(2026, 3, 1, tzinfo=UTC),
    }  # fmt: skip
    with state.writing() as session:
        session.execute(insert(RuleVersionRow).values(**row))


def test_the_files_rules_are_in_force_and_those_about_the_service_are_told_apart(book: Rulebook) -> None:
    book.follow()

    assert [rule.name for rule in book.rules] == ["A", "B", "Own"]
    assert [rule.name for rule in book.service] == ["A", "B"]
    assert [rule.name for rule in book.own] == ["Own"]
    assert (book.is_own("Own"), book.is_own("A"), book.problem) == (True, False, "")


def test_the_newest_edit_overrides_in_place_and_keeps_the_groups_interval(book: Rulebook, state: State) -> None:
    edit(state, "A", 1, "alert: A\nexpr: a > 5")
    edit(state, "A", 2, "alert: A\nexpr: a > 9\nlabels: {severity: critical}")
    before = book.service

    assert book.follow()

    assert [(rule.name, rule.expression) for rule in book.rules][:2] == [("A", "a > 9"), ("B", "b > 1")]
    assert (book.rules[0].interval_s, book.rules[0].limit, book.rules[0].severity) == (30, 7, "critical")
    assert before[0].expression == "a > 9", "a chart that holds the rules sees the edit"


def test_without_a_change_the_rules_stay_the_very_same(book: Rulebook, state: State) -> None:
    book.follow()
    rules = book.rules

    assert not book.follow()
    assert book.rules is rules


def test_a_removed_rule_is_not_evaluated_and_a_new_one_is(book: Rulebook, state: State) -> None:
    edit(state, "B", 1, removed=True)
    edit(state, "New", 1, "alert: New\nexpr: c > 1")
    book.follow()

    assert [rule.name for rule in book.rules] == ["A", "Own", "New"]
    assert [rule.name for rule in book.service] == ["A", "New"]


@pytest.mark.parametrize(
    ("yaml", "words"),
    [("alert: A\nexpr: a >", "line 2"), ("alert: Z\nexpr: a", "about Z"), ("- x", "one rule")],
)
def test_a_bad_edit_leaves_the_rule_as_it_was_and_is_told(book: Rulebook, state: State, yaml: str, words: str) -> None:
    edit(state, "A", 1, "alert: A\nexpr: a > 5")
    book.follow()
    edit(state, "A", 2, yaml)
    book.follow()

    assert book.rules[0].expression == "a > 5"
    assert "rule A, edit 2: " in book.problem
    assert words in book.problem

    edit(state, "A", 3, "alert: A\nexpr: a > 6")
    book.follow()
    assert (book.rules[0].expression, book.problem) == ("a > 6", "")


def test_a_changed_file_is_taken_and_a_bad_one_keeps_the_rules_and_names_the_line(book: Rulebook, file: Path) -> None:
    book.follow()
    file.write_text(FILE.replace("a > 1", "a > 100"), encoding="utf-8")
    assert book.follow()
    assert book.rules[0].expression == "a > 100"

    file.write_text(FILE.replace("a > 1", "a >"), encoding="utf-8")
    assert not book.follow()
    assert book.rules[0].expression == "a > 100"
    assert f"{file}:7" in book.problem
    assert "a > 100" in book.files[0].text, "who looks at the rules sees the file that they were read from"

    file.unlink()
    book.follow()
    assert "cannot be read" in book.problem
    file.write_text(FILE, encoding="utf-8")
    assert book.follow()
    assert (book.rules[0].expression, book.problem) == ("a > 1", "")


def test_a_rule_of_both_files_or_a_bad_file_at_the_start_is_refused(file: Path, state: State) -> None:
    file.with_name("own.yml").write_text(OWN.replace("Own", "A"), encoding="utf-8")

    with pytest.raises(SettingsError, match="A is there in"):
        Rulebook((file,), (file.with_name("own.yml"),), state)
    with pytest.raises(SettingsError, match="cannot be read"):
        Rulebook((file.with_name("none.yml"),), (), state)
