"""Reading a Prometheus rule file, and what of it a chart draws."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.alerts.rules import Rule, Threshold, load_rules, threshold
from lib.errors import SettingsError

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "prometheus" / "rules.yml"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(text, encoding="utf-8")
    return path


def one(rule: str) -> str:
    """A file with one rule, given as indented lines."""
    return "groups:\n  - name: g\n    rules:\n      - " + rule.replace("\n", "\n        ")


def test_the_shipped_file_has_the_five_rules_with_their_severities() -> None:
    rules = {rule.name: rule for rule in load_rules(SHIPPED)}

    assert {name: (rule.severity, rule.for_s) for name, rule in rules.items()} == {
        "HighErrorRate": ("critical", 300),
        "SlowResponseTime": ("warning", 300),
        "DBConnectionPoolExhausted": ("critical", 120),
        "QueueBacklog": ("warning", 300),
        "LeadSyncFailures": ("warning", 300),
    }
    assert all({"summary", "description"} <= set(rule.annotations) for rule in rules.values())
    assert {rule.group for rule in rules.values()} == {"halopsa_integration"}


def test_every_shipped_rule_draws_a_threshold_line() -> None:
    lines = {rule.name: threshold(rule) for rule in load_rules(SHIPPED)}

    errors = 'sum(rate(http_requests_total{status_code=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))'
    assert lines == {
        "HighErrorRate": (errors, ">", 0.05),
        "SlowResponseTime": (
            "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))", ">", 5,
        ),
        "DBConnectionPoolExhausted": ("db_connections_active / db_connections_max", ">", 0.9),
        "QueueBacklog": ("queue_size", ">", 1000),
        "LeadSyncFailures": ('sum by (source) (rate(lead_sync_total{status="failed"}[5m])) * 60', ">", 10),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a >= 1e3", ("a", ">=", 1000)),
        ("(a > 5)", ("a{}", ">", 5)),  # the text cannot be cut here: the parser's own print is used
        ("a\n  > # why\n 5", ("a{}", ">", 5)),
        ('a{x="b > 5"} < -0.5', ('a{x="b > 5"}', "<", -0.5)),
        ("a > (5)", ("a", ">", 5)),
        ("a/b > 0.9 # ninety percent", ("a{} / b{}", ">", 0.9)),
        ("5 < a", ("a{}", ">", 5)),
        ("a != 0", ("a", "!=", 0)),
        ("a > +Inf", ("a", ">", float("inf"))),
        ("a > b", None),
        ("a > bool 5", None),
        ("a > 5 and b > 3", None),
        ("a > 2 * 3", None),
        ("absent(a)", None),
        ("a + 5", None),
    ],
)
def test_a_threshold_is_read_only_where_a_rule_compares_with_a_number(
    expression: str, expected: tuple[str, str, float] | None
) -> None:
    found = threshold(Rule("r", expression))

    assert found == (None if expected is None else Threshold(*expected))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("0s", 0), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1d", 86400), ("500ms", 0.5), ("1m500ms", 60.5)],
)
def test_durations_are_prometheus_own(tmp_path: Path, text: str, seconds: float) -> None:
    rule = load_rules(written(tmp_path, one(f"alert: A\nexpr: up == 0\nfor: {text}")))[0]

    assert rule.for_s == seconds


BROKEN = {
    "no YAML": ("groups: [", ":1: this is not YAML"),
    "a list as a key": ("groups:\n  - name: g\n    [rules]: []\n", ":3: a key must be a text"),
    "nested too deep": ("[" * 3000, "it is nested too deep"),
    "empty": ("", "holds no rules"),
    "not a mapping": ("- a\n", ":1: must be a mapping of groups"),
    "unknown top key": ("groups: []\nrules: []\n", ":2: unknown key 'rules'"),
    "no groups": ("{}", "`groups:` is missing"),
    "groups no list": ("groups: {}\n", ":1: `groups:` must be a list"),
    "group without name": ("groups:\n  - rules: []\n", ":2: `name` is missing"),
    "group twice": ("groups:\n  - {name: g, rules: []}\n  - {name: g, rules: []}\n", ":3: group 'g' is there twice"),
    "typo in a group": ("groups:\n  - name: g\n    intervall: 5s\n    rules: []\n", ":3: unknown key 'intervall'"),
    "typo in a rule": (one("alert: A\nexpr: up\nfro: 5m"), ":6: group 'g': unknown key 'fro'"),
    "rule without expr": (one("alert: A"), ":4: group 'g': rule 'A': `expr` is missing"),
    "rule without a name": (one("expr: up"), ":4: group 'g': `alert` is missing"),
    "bad template": (
        one('alert: A\nexpr: up\nannotations:\n  summary: "{{ $value | humanize"'),
        ":7: group 'g': rule 'A': 'summary' in `annotations` is no template",
    ),
    "bad expr": (one("alert: A\nexpr: sum(up"), ":5: group 'g': rule 'A': expr is not PromQL"),
    "type error": (one("alert: A\nexpr: rate(up)"), "expected type matrix"),
    "range": (one("alert: A\nexpr: up[5m]"), "must give one value per series"),
    "text": (one("alert: A\nexpr: '\"x\"'"), "must give one value per series"),
    "bad duration": (one("alert: A\nexpr: up\nfor: 5 minutes"), ":6: group 'g': rule 'A': `for` must be a duration"),
    "a duration without end": (one(f"alert: A\nexpr: up\nfor: {'9' * 5000}s"), "rule 'A': `for` is longer than 292 years"),
    "a time that no calendar has": (one("alert: A\nexpr: up\nkeep_firing_for: 300y"), "is longer than 292 years"),
    "a number of thousands of digits": (f"groups:\n  - name: g\n    limit: {'9' * 5000}\n    rules: []\n", ":3: group 'g': `limit` must"),
    "units in the wrong order": (one("alert: A\nexpr: up\nfor: 1s5m"), "`for` must be a duration"),
    "bad label": (one("alert: A\nexpr: up\nlabels: {se-verity: x}"), "'se-verity' cannot be a name in `labels`"),
    "label not text": (one("alert: A\nexpr: up\nlabels: {severity: [x]}"), "'severity' in `labels` must be a text"),
    "key twice": (one("alert: A\nexpr: up\nexpr: down"), ":6: group 'g': key 'expr' is there twice"),
    "rule twice": (one("alert: A\nexpr: up\n") + one("alert: A\nexpr: up").partition("rules:\n")[2].join(("\n", "")),
                   "rule 'A' is there twice with the same labels"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_its_place_and_reason(tmp_path: Path, name: str) -> None:
    text, reason = BROKEN[name]
    path = written(tmp_path, text)

    with pytest.raises(SettingsError) as refused:
        load_rules(path)

    assert str(path) in str(refused.value)
    assert reason in str(refused.value)


def test_every_problem_is_listed_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, one("alert: A\nexpr: sum(\nfor: soon\ncolour: red"))

    with pytest.raises(SettingsError) as refused:
        load_rules(path)

    assert len(str(refused.value).splitlines()) == 3


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_rules(tmp_path / "none.yml")


def test_recording_rules_are_checked_and_left_out(tmp_path: Path) -> None:
    text = one("record: a:b\nexpr: sum(up)") + "\n      - alert: A\n        expr: up == 0\n"

    assert [rule.name for rule in load_rules(written(tmp_path, text))] == ["A"]


def test_labels_of_a_group_are_those_of_its_rules_unless_they_say_otherwise(tmp_path: Path) -> None:
    text = "groups:\n  - name: g\n    labels: {team: ops, severity: info}\n    rules:\n"
    text += "      - alert: A\n        expr: up == 0\n        labels: {severity: critical}\n"

    assert load_rules(written(tmp_path, text))[0].labels == {"team": "ops", "severity": "critical"}


def test_the_guides_own_file_is_read_too() -> None:
    assert len(load_rules(Path(__file__).parent / "guide-rules.yml")) == 5
