"""A chart and an alert rule read the same expression."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from lib.alerts.rules import Rule
from lib.signals import overview, queues, rulebook
from lib.stores import Stores
from tests.seed import HOUR


def test_a_limit_is_in_the_unit_that_pages_show(empty: Stores) -> None:
    limits = {name: rulebook.rule_limit(empty, HOUR, name) for name in rulebook.UNITS}

    assert limits["SlowResponseTime"]["value"] == 5000
    assert limits["SlowResponseTime"]["unit"] == "ms"
    assert limits["HighErrorRate"]["value"] == 0.05
    assert all(limit["severity"] in ("warning", "critical") for limit in limits.values())


def test_every_shipped_rule_has_its_unit(empty: Stores) -> None:
    assert {rule.name for rule in empty.rules} == set(rulebook.UNITS)


def test_a_rule_file_without_the_rule_draws_no_line_and_no_trend(busy: Stores) -> None:
    bare = replace(busy, rules=())

    assert rulebook.rule_limit(bare, HOUR, "QueueBacklog") == {}
    assert rulebook.rule_trend(bare, HOUR, "QueueBacklog").empty
    assert rulebook.rule_series(bare, HOUR, "QueueBacklog").empty
    assert rulebook.rule_values(bare, HOUR, "QueueBacklog") == {}


def test_the_trend_follows_the_deployments_own_expression(busy: Stores) -> None:
    own = replace(busy, rules=(Rule("QueueBacklog", "sum by (queue_name) (queue_size) * 2 > 7"),))

    assert rulebook.rule_limit(own, HOUR, "QueueBacklog")["value"] == 7
    assert rulebook.rule_trend(own, HOUR, "QueueBacklog", "queue_name")["webhooks"].iloc[-1] == 40


def test_a_rule_of_the_product_about_itself_has_its_limit_too(empty: Stores) -> None:
    own = Rule("LogSilence", "halo_ops_log_age_seconds > 900", annotations={"unit": "s"})

    limit = rulebook.rule_limit(replace(empty, own_rules=(own,)), HOUR, "LogSilence")

    assert (limit["value"], limit["unit"]) == (900, "s")


def test_each_alert_gets_its_own_series_and_an_unknown_one_none(busy: Stores) -> None:
    found = busy.metrics.instant("queue_size", HOUR.end)
    first, second = (tuple(sorted({**labels, "alertname": "QueueBacklog", "severity": "warning"}.items()))
                     for labels in (found.labels[0], found.labels[1]))  # fmt: skip
    foreign = (("alertname", "QueueBacklog"), ("queue_name", "nowhere"))

    apart = rulebook.rule_series(busy, HOUR, "QueueBacklog", (second, foreign, first))

    assert list(apart.columns) == ["0", "2"]
    assert apart["0"].iloc[-1] == found.values[1, 0]
    assert apart["2"].iloc[-1] == found.values[0, 0]


def test_without_alerts_every_series_is_there_by_its_labels_the_worst_first(busy: Stores) -> None:
    apart = rulebook.rule_series(busy, HOUR, "QueueBacklog")

    most = apart.max()
    assert len(apart.columns) == len(busy.metrics.instant("queue_size", HOUR.end).labels)
    assert all("queue_name=" in name for name in apart.columns)
    assert list(most) == sorted(most, reverse=True)


def test_a_rate_spans_the_step_where_points_are_far_apart() -> None:
    expression = "sum(rate(x[5m])) / sum(rate(y[5m]))"

    assert rulebook.widened(expression, timedelta(minutes=5)) == expression
    assert rulebook.widened(expression, timedelta(hours=3)) == "sum(rate(x[10800s])) / sum(rate(y[10800s]))"


def test_a_queue_over_its_limit_is_as_bad_as_the_rule_says_on_every_page(busy: Stores) -> None:
    for severity, shown in (("critical", "critical"), ("page", "warning")):
        own = replace(busy, rules=(Rule("QueueBacklog", "queue_size > 1", labels={"severity": severity}),))

        worst = queues.queue_status(own, HOUR).iloc[0]
        verdict = overview.verdicts(own, HOUR).set_index("area").loc["Queues & sync"]

        assert worst["status"] == verdict["status"] == shown
