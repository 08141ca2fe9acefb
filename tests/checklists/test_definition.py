"""A checklist's YAML is read strictly: each mistake with its file, its line and the reason; the shipped ones are the guide's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.checklists import definition, versions
from lib.checklists.calendar import is_due_time
from lib.checklists.evidence_keys import EVIDENCE
from lib.checklists.model import Checklist, Item, Period
from lib.errors import SettingsError

GUIDE = {
    "daily": [
        "Review error logs for new patterns", "Check system resource usage", "Verify backup completion",
        "Monitor queue depths", "Review performance metrics",
    ],
    "weekly": [
        "Analyze top error types", "Review performance trends", "Check log retention compliance",
        "Update alert thresholds if needed", "Review security events",
    ],
    "monthly": [
        "Full log analysis", "Performance benchmarking", "Security assessment", "Compliance verification",
        "Capacity planning review",
    ],
}  # fmt: skip
GOOD = """name: daily
title: Daily checks
period: day
items:
  - key: errors
    title: Review error logs
    evidence: new_error_patterns
    verdict: {look: 1, bad: 10}
    due: "10:00"
"""


def test_the_shipped_checklists_are_the_guides_fifteen_items_each_with_an_evidence_of_its_own() -> None:
    shipped = definition.load_folder(versions.SHIPPED)

    assert {name: [i.title for i in one.items] for name, one in shipped.items()} == GUIDE
    items = [item for one in shipped.values() for item in one.items]
    assert sorted(item.evidence for item in items) == sorted(EVIDENCE)
    assert all(item.why and item.how and item.due for item in items)


KEYS = "due, evidence, how, key, owner, title, verdict, why"
FORM = "small letters, digits and -, beginning with a letter, at most 40"
NEEDS = "`verdict` needs an evidence that has one"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("name: daily", "name: Daily Checks"), f"1: `name` must be {FORM}, not 'Daily Checks'"),
        (("name: daily\n", ""), "1: `name` is missing"),
        (("title: Daily checks\n", "title:\n"), "2: `title` must be a text"),
        (("period: day", "period: year"), "3: `period` must be day, week, month, not 'year'"),
        (("period: day", "period: week"), "9: item 1: `due` of a week must look like fri 17:00, not '10:00'"),
        (("period: day", "period: day\nperiod: day"), "4: key 'period' is there twice"),
        (
            ("items:\n", "items: none\nx:\n"),
            "5: unknown key 'x': known are items, name, period, title\n4: `items:` must be a list",
        ),
        (("  - key: errors", "  - 3\n  - key: errors"), f"5: item 1: must be a mapping of {KEYS}"),
        (("  - key: errors", "  - {}\n  - key: errors"), "5: item 1: `key` is missing\n5: item 1: `title` is missing"),
        (("title: Review error logs", "title: null"), "6: item 1: `title` must be a text"),
        (
            ("key: errors\n", "kye: errors\n"),
            f"5: item 1: unknown key 'kye': known are {KEYS}\n5: item 1: `key` is missing",
        ),
        (
            ("title: Review error logs\n", f"title: {'x' * 121}\n"),
            "6: item 1: `title` must have at most 120 characters, not 121",
        ),
        (
            ("new_error_patterns", "new_errors"),
            "7: item 1: no evidence is named 'new_errors': known are " + ", ".join(sorted(EVIDENCE)),
        ),
        (("look: 1", "lok: 1"), "8: item 1: unknown key 'lok': known are bad, look"),
        (("look: 1", "look: many"), "8: item 1: `look` must be a number from 0 up"),
        (("look: 1", "look: -1"), "8: item 1: `look` must be a number from 0 up"),
        (("look: 1", "look: .nan"), "8: item 1: `look` must be a number from 0 up"),
        (("evidence: new_error_patterns", "evidence: retention"), f"8: item 1: {NEEDS}; retention has no parameters"),
        (
            ("evidence: new_error_patterns\n", "owner: [a]\n"),
            f"7: item 1: `owner` must be a text\n8: item 1: {NEEDS}; no evidence has no parameters",
        ),
        (('"10:00"', "25:00"), "9: item 1: `due` of a day must look like 10:00, not '25:00'"),
        (
            ('due: "10:00"', 'due: "10:00"\n  - key: errors\n    title: Again'),
            "10: item 2: the key 'errors' is there twice",
        ),
    ],
)
def test_each_mistake_is_told_with_file_line_and_reason(change: tuple[str, str], problem: str) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD

    with pytest.raises(SettingsError) as told:
        definition.parse(text, "f.yaml")

    assert str(told.value) == "\n".join(f"f.yaml:{line}" for line in problem.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[", "- 1", "3", "items: []\nname: a\ntitle: b\nperiod: day", "a: !!python/object:os.system x",
        "[a]: b", "? {a: b}\n: c", "name: \x00", "[" * 3000, "&a [*a]", "name: *b",
    ],
)  # fmt: skip
def test_what_is_no_checklist_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"f\.yaml"):
        definition.parse(text, "f.yaml")


def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^f\.yaml:3: this is not YAML: expected ',' or '\]', but got ':'$"):
        definition.parse("name: daily\ntitle: [1\nperiod: day\n", "f.yaml")


def test_a_folder_tells_the_mistakes_of_all_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "c.yaml").write_bytes(b"\xff")

    with pytest.raises(SettingsError) as told:
        definition.load_folder(tmp_path)

    assert "b.yaml: another file has a checklist named 'daily' already" in str(told.value)
    assert "c.yaml: is not YAML" in str(told.value)
    with pytest.raises(SettingsError, match="holds no"):
        definition.load_folder(tmp_path / "none")


def test_what_is_said_to_be_nothing_is_empty() -> None:
    found = definition.parse(GOOD.replace("    evidence", "    owner: null\n    why: ~\n    evidence"), "f.yaml")

    assert (found.items[0].owner, found.items[0].why) == ("", "")


printable = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=60).map(str.strip)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)
ITEMS = st.builds(
    Item, key=NAMES, title=printable.filter(bool), why=printable, how=printable,
    evidence=st.sampled_from(["", "retention"]), owner=printable, due=st.sampled_from(["", "10:00", "23:59"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(NAMES, printable.filter(bool), st.lists(ITEMS, min_size=1, max_size=5, unique_by=lambda item: item.key))
def test_what_is_written_is_read_back_the_same(name: str, title: str, items: list[Item]) -> None:
    checklist = Checklist(name, title, Period.DAY, tuple(items))

    assert all(is_due_time(item.due, Period.DAY) for item in items)
    assert definition.parse(definition.dump(checklist), "f.yaml") == checklist
