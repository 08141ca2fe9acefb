"""A rule as a sentence of blanks, and back into its text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lib.alerts.rule_text import written
from lib.alerts.rules import Rule, load_rules, read_entry, threshold
from lib.alerts.sentence import ANY, Sentence, filled, is_number, joined, sentence

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yml"


def test_a_rule_reads_as_a_sentence() -> None:
    rule = next(rule for rule in load_rules(SHIPPED) if rule.name == "QueueBacklog")

    assert sentence(rule).spoken() == "When queue_size is above 1000 for 5m, tell warning."


def test_a_condition_that_is_no_comparison_stands_whole() -> None:
    told = sentence(Rule("A", "absent(up)", 0, 60, {}))

    assert (told.operator, told.expression) == (ANY, "absent(up)")
    assert told.spoken().startswith("When absent(up) gives any result, and 1m longer once it has ended, tell everybody")


@pytest.mark.parametrize(
    ("expression", "limit", "condition"),
    [
        ("a", "5", "a > 5"),
        ("a / b", "0.9", "a / b > 0.9"),
        ("a or b", "5", "(a or b) > 5"),
        ("a > 3", "5", "a > 3 > 5"),  # reads from the left, as PromQL does
        ("a", "-1e3", "a > -1e3"),
    ],
)
def test_the_blanks_join_to_what_they_say(expression: str, limit: str, condition: str) -> None:
    found = threshold(Rule("r", joined(expression, ">", limit)))

    assert joined(expression, ">", limit) == condition
    assert found is not None and found.value == float(limit)


@pytest.mark.parametrize(("text", "number"), [("5", True), ("-0.5", True), ("1e3", True), ("Inf", True), ("", False),
                                              ("five", False), ("5 5", False), ("5 or a", False), ("a", False)])  # fmt: skip
def test_only_a_number_is_a_limit(text: str, number: bool) -> None:
    assert is_number(text) is number


@pytest.mark.parametrize("rule", load_rules(SHIPPED), ids=lambda rule: rule.name)
def test_every_blank_reaches_the_rule(rule: Rule) -> None:
    text = written(rule)
    before_rule, problems = read_entry(text)
    assert before_rule is not None and not problems
    before = sentence(before_rule)
    after = Sentence(
        "New", "b / c", "<=", "7", "1h", "2m", "info", "s", "d", "https://r", {"team": "x"}, {"dashboard": "/errors"}
    )

    found = read_entry(filled(text, before, after))[0]

    assert found is not None
    assert sentence(found) == after


def test_what_was_not_changed_in_the_form_is_not_touched() -> None:
    text = "alert: A\n# why\nexpr: a>5\nlabels: {severity: info}\n"
    rule = read_entry(text)[0]
    assert rule is not None

    after = filled(text, sentence(rule), replace(sentence(rule), severity="critical"))

    assert after == text.replace("info", "critical")
