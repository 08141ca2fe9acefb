"""A replay of 30 days at 15 s in under 10 s, and evaluation that does not notice it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lib.alerts import replay_run
from lib.alerts.delivery.dispatch import Plan
from lib.alerts.engine.asking import Asker
from lib.alerts.replay_run import Task, replay
from lib.alerts.rules import Rule, load_rules
from lib.metrics.base import epoch_ms
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.window import DAY, Window
from tests.rule_past import STEP_MS, incidents

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

END = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAYS, ROUTES, STATUSES = 30, 10, ("200", "404", "500", "503")
RULES = {rule.name: rule for rule in load_rules(Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yml")}
TELLING = Plan(("slack", "email", "webhook"))
LIMIT_S = 10.0
LATE_MS = 250.0


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckMetrics]:
    """40 counters and a gauge that crosses its limit hundreds of times, each 15 s for 30 days: 7 million samples."""
    metrics = DuckMetrics(tmp_path_factory.mktemp("month") / "metrics.duckdb")
    dice = np.random.default_rng(2)
    whole = epoch_ms(END) - STEP_MS * np.arange(DAYS * 5760, dtype=np.int64)[::-1]
    bad = incidents(whole, dice)
    sums = np.zeros((ROUTES, len(STATUSES)))
    for part in np.array_split(np.arange(whole.size), DAYS):
        share = np.stack([1 - bad[part], np.full(part.size, 0.01), bad[part] / 2, bad[part] / 2])
        columns, labels = [], []
        for route in range(ROUTES):
            for place, status in enumerate(STATUSES):
                column = np.cumsum(dice.poisson(20, part.size) * share[place]) + sums[route, place]
                sums[route, place] = column[-1]
                columns.append(column)
                labels.append(
                    {
                        "__name__": "http_requests_total",
                        "route": f"/api/r{route}",
                        "status_code": status,
                        "instance": "a:3000",
                    }
                )
        columns.append(1000 + 300 * np.sin(part / 700) + dice.normal(0, 30, part.size))
        labels.append({"__name__": "queue_size", "queue_name": "lead-sync", "instance": "a:3000"})
        series = np.repeat(np.arange(len(labels), dtype=np.int32), part.size)
        metrics.append(
            Samples(tuple(labels), series, np.tile(whole[part], len(labels)), np.concatenate(columns)), live=False
        )
    yield metrics
    metrics.close()


def task(*rules: Rule) -> Task:
    return Task(rules, Window(END - DAYS * DAY, END), TELLING)


@pytest.mark.parametrize("name", ["HighErrorRate", "QueueBacklog"])
def test_a_month_of_one_rule_is_replayed_in_under_ten_seconds(month: DuckMetrics, name: str) -> None:
    began = time.perf_counter()
    found = replay(task(RULES[name]), month)
    took = time.perf_counter() - began

    assert found is not None
    outcome = found.outcomes[0]
    print(
        f"{name}: {took:.2f} s, {outcome.evaluations} evaluations, {outcome.fired} fired, {len(outcome.notices)} notices"
    )
    assert outcome.evaluations > 172_000 and outcome.fired > 20
    assert took < LIMIT_S


def test_even_an_alert_that_fires_forty_thousand_times_in_a_month_is_replayed_in_half_a_minute(
    month: DuckMetrics,
) -> None:
    flapping = Rule("Flapping", "queue_size % 2 > 1", labels={"severity": "warning"}, group="g")

    began = time.perf_counter()
    found = replay(task(flapping), month)
    took = time.perf_counter() - began

    assert found is not None and found.outcomes[0].fired > 30_000
    print(f"flapping: {took:.2f} s, {found.outcomes[0].fired} fired, {len(found.outcomes[0].notices)} notices")
    assert took < 3 * LIMIT_S


def test_evaluation_beside_a_replay_is_hardly_later(month: DuckMetrics) -> None:
    alone = latencies(month, 200)
    run = replay_run.start(task(RULES["HighErrorRate"], RULES["QueueBacklog"]), month, END)

    beside = latencies(month, 200)
    busy = not run.over
    run.cancel()
    assert run.wait(30)

    p95 = [float(np.quantile(found, 0.95)) for found in (alone, beside)]
    print(f"one evaluation: p95 alone {p95[0]:.1f} ms, beside {p95[1]:.1f} ms, longest {max(beside):.0f} ms")
    assert busy or run.result is not None
    assert p95[1] < p95[0] + 50
    assert max(beside) < LATE_MS


def latencies(metrics: DuckMetrics, count: int) -> list[float]:
    """How long each of so many evaluations took, in ms, one every few ms as a busy engine asks."""
    asker, found = Asker(metrics), list[float]()
    for place in range(count):
        rule = (RULES["HighErrorRate"], RULES["QueueBacklog"])[place % 2]
        began = time.perf_counter()
        asker.ask(rule, END - timedelta(seconds=place % 40), ever_seen=True)
        found.append((time.perf_counter() - began) * 1000)
        time.sleep(0.01)
    return found
