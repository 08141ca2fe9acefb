"""Changing single values of a rule's text, with everything else left as somebody wrote it."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lib.alerts.rule_text import Path, diff, duration, with_values, written
from lib.alerts.rules import Rule, read_entry

ENTRY = """\
alert: A  # its name
expr: >-
  sum(a)
  > 5

# why 5 minutes
for: 5m   # not more
labels: {severity: critical}
annotations:
  summary: "x {{ $value }}"
  # a remark
  description: >-
    hello
    world
"""


def changed(changes: dict[Path, str], text: str = ENTRY) -> list[str]:
    """The lines that went and came, without the diff's frame."""
    lines = diff(text, with_values(text, changes)).splitlines()
    return [line for line in lines if line[:1] in "+-" and not line.startswith(("---", "+++"))]


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({("expr",): "sum(a) > 7"}, ["-expr: >-", "-  sum(a)", "-  > 5", "+expr: sum(a) > 7"]),
        ({("for",): "10m"}, ["-for: 5m   # not more", "+for: 10m   # not more"]),
        ({("for",): ""}, ["-for: 5m   # not more"]),
        ({("keep_firing_for",): "5m"}, ["+keep_firing_for: 5m"]),
        ({("labels", "severity"): "info"}, ["-labels: {severity: critical}", "+labels: {severity: info}"]),
        ({("labels", "severity"): ""}, ["-labels: {severity: critical}"]),
        ({("labels", "team"): "a, b"}, ["-labels: {severity: critical}", "+labels: {severity: critical, team: 'a, b'}"]),
        ({("annotations", "summary"): ""}, ['-  summary: "x {{ $value }}"']),
        ({("annotations", "runbook_url"): "https://x/#y"}, ["+  runbook_url: https://x/#y"]),
        ({("expr",): "a\n> 6"}, ["-expr: >-", "-  sum(a)", "-  > 5", "+expr: |-", "+  a", "+  > 6"]),
        ({("annotations", "summary"): "2026-13-45"}, ['-  summary: "x {{ $value }}"', "+  summary: '2026-13-45'"]),
        ({("annotations", "summary"): "9" * 5000}, ['-  summary: "x {{ $value }}"', f"+  summary: '{'9' * 5000}'"]),
        ({("for",): "5m"}, []),
    ],
)  # fmt: skip
def test_only_the_lines_of_a_changed_value_change(changes: dict[Path, str], lines: list[str]) -> None:
    assert changed(changes) == lines


def test_an_empty_mapping_or_none_gets_its_first_value() -> None:
    for text in ("alert: A\nexpr: a\n", "alert: A\nexpr: a\nlabels: {}\n", "alert: A\nexpr: a\nlabels:\n"):
        assert yaml.safe_load(with_values(text, {("labels", "team"): "x"}))["labels"] == {"team": "x"}


def test_what_cannot_be_cut_in_place_is_written_anew() -> None:
    text = "alert: A\nexpr: &e a > 1\nlabels: {copy: *e}\n"

    after = yaml.safe_load(with_values(text, {("expr",): "a > 2"}))

    assert after == {"alert": "A", "expr": "a > 2", "labels": {"copy": "a > 1"}}


def test_a_text_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ValueError, match="not a mapping"):
        with_values("- a\n- b\n", {("for",): "5m"})


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from(" \n:#'\"{}[],&*!|>-%@`")
)


@given(
    WORDS, WORDS, st.sampled_from([("expr",), ("labels", "team"), ("annotations", "summary"), ("annotations", "new")])
)
def test_any_value_reads_back_as_it_was_given_and_changes_nothing_else(first: str, second: str, path: Path) -> None:
    text = with_values(ENTRY, {path: first})

    after = yaml.safe_load(with_values(text, {path: second}))

    inner = after
    for key in path[:-1]:
        inner = inner.get(key, {})
    assert inner.get(path[-1], "") == second
    rest = yaml.safe_load(ENTRY)
    for held in (after, rest):
        part = held if len(path) == 1 else held.get(path[0], {})
        part.pop(path[-1], None)
    assert after == rest


def test_a_rule_written_from_nothing_reads_back_the_same() -> None:
    rule = Rule("A", 'up{x="é"} == 0', 90, 3600, {"severity": "5"}, {"summary": "a: b # c\nd"})

    assert read_entry(written(rule)) == (rule, [])


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (300, "5m"), (5400, "1h30m"), (0.5, "500ms"), (86_400, "1d")])
def test_durations_are_written_as_they_are_read(seconds: float, text: str) -> None:
    rule, problems = read_entry(f"alert: A\nexpr: a\nfor: {text}\n")

    assert duration(seconds) == text
    assert rule is not None and (rule.for_s, problems) == (seconds, [])
