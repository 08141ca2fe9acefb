"""The state machine against Prometheus' own: generated rules and samples, the ALERTS series at every evaluation."""

from __future__ import annotations

import json
import math
import random
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.alerts.model import AlertState
from lib.alerts.rules import Rule, load_rules
from lib.metrics.base import Labels, MetricStore
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import STALE, Samples
from lib.window import Window
from tests.alerts.engine.history import past, walk
from tests.metrics.promtool import _FAILED, _read, tool

pytestmark = pytest.mark.live
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=15)
TURNS = 100
EXPRESSIONS = (
    "m > 5", "m >= 5", "m < 2", "m == 3", "m != 3", "5 < m", "m", "m > bool 5", "sum by (a) (m) > 9", "max(m) > 6",
    "m > 2 and m < 7", "m > 6 or m < 1", "m > on(a, b) n", "avg_over_time(m[50s]) > 4", "-m > -3", "m / n > 1.5",
    "count(m > 4) > 1", "rate(c[50s]) > 0.1", "absent(m{a=\"none\"})", "count by (a) (m > 4) >= 1",
)  # fmt: skip
ANSWER = frozenset[tuple[str, str]]


def made(dice: random.Random, *, stale: bool) -> list[tuple[Labels, list[float]]]:
    """Series on the grid; `stale`: some end and begin again."""
    series = []
    for name in ("m", "n", "c"):
        for a, b in (("1", "x"), ("1", "y"), ("2", "x")):
            values, value = [], 3.0
            for _ in range(TURNS):
                value = dice.choice(
                    [value, value, value, float(dice.randint(0, 8)), math.nan, math.inf, -math.inf][
                        : 6 if dice.random() < 0.9 else 7
                    ]
                )
                values.append(float(sum(range(len(values))) % 40) if name == "c" else value)
            if stale and name != "c":
                start = dice.randrange(TURNS)
                for place in range(start, min(TURNS, start + dice.randrange(30))):
                    values[place] = float(STALE)
            series.append(({"__name__": name, "a": a, "b": b}, values))
    return series


def rules_of(dice: random.Random, *, exact: bool) -> list[dict[str, Any]]:
    """A rule per expression; `exact` has ours take missing data as Prometheus does."""
    found = []
    for number, expression in enumerate(EXPRESSIONS):
        found.append(
            {
                "alert": f"R{number}",
                "expr": expression,
                "for": dice.choice(["0s", "15s", "30s", "1m", "2m"]),
                "keep_firing_for": dice.choice(["0s", "0s", "30s", "90s"]),
                "labels": {"severity": "warning", "of": "{{ $labels.a }}"},
                "annotations": {"no_data": "ok"} if exact else {},
            }
        )
    return found


def text_of(value: float) -> str:
    return (
        "stale"
        if is_stale(value)
        else "NaN"
        if math.isnan(value)
        else {math.inf: "Inf", -math.inf: "-Inf"}.get(value, repr(value))
    )


def is_stale(value: float) -> bool:
    return bool(np.float64(value).view(np.uint64) == np.float64(STALE).view(np.uint64))


def theirs(folder: Path, series: Sequence[tuple[Labels, list[float]]], every_s: int = 15) -> list[set[ANSWER]]:
    """The labels of ALERTS at every evaluation, by promtool."""
    given = [
        {
            "series": f'{labels["__name__"]}{{a="{labels["a"]}",b="{labels["b"]}"}}',
            "values": " ".join(map(text_of, values)),
        }
        for labels, values in series
    ]
    asked = [
        {"expr": "ALERTS", "eval_time": f"{every_s * turn}s", "exp_samples": [{"labels": 'never{n="n"}', "value": 1}]}
        for turn in range(TURNS)
    ]
    test = {"interval": f"{every_s}s", "input_series": given, "promql_expr_test": asked}
    file = folder / "test.yml"
    file.write_text(json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": f"{every_s}s", "tests": [test]}))
    ran = subprocess.run([tool(), "test", "rules", str(file)], check=False, capture_output=True, text=True, timeout=300)
    said = ran.stdout + ran.stderr
    answers = [_read(found) for found in _FAILED.finditer(said)]
    assert len(answers) == TURNS, said[:2000]
    told = []
    for answer in answers:
        assert isinstance(answer, dict)
        # A label that expands to nothing is not on the alert; ALERTS alone shows its template then.
        told.append({frozenset((k, v) for k, v in labels if k != "__name__" and "{{" not in v) for labels in answer})
    return told


def ours(store: MetricStore, rules: tuple[Rule, ...]) -> list[set[ANSWER]]:
    told: list[set[ANSWER]] = [set() for _ in range(TURNS)]
    window = Window(EPOCH, EPOCH + (TURNS - 1) * STEP)
    for rule in rules:
        for turn, (_, (state, _)) in enumerate(walk(rule, past(store, rule, window, STEP))):
            for episode in state.open.values():
                word = "pending" if episode.state is AlertState.PENDING else "firing"
                told[turn].add(frozenset({**episode.labels, "alertstate": word}.items()))
    return told


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckMetrics]:
    opened = DuckMetrics(tmp_path / "metrics.duckdb")
    yield opened
    opened.close()


def fill(store: DuckMetrics, series: list[tuple[Labels, list[float]]]) -> None:
    count = len(series)
    values = np.empty(count * TURNS)
    for place, (_, points) in enumerate(series):
        for turn, value in enumerate(points):
            values[place * TURNS + turn] = STALE if is_stale(value) else value
    times = np.tile(np.arange(TURNS, dtype=np.int64) * 15_000, count)
    store.append(
        Samples(
            tuple(labels for labels, _ in series), np.repeat(np.arange(count, dtype=np.int32), TURNS), times, values
        ),
        live=False,
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("stale", [False, True], ids=["dense", "stale"])
def test_every_alert_is_in_the_state_that_prometheus_has_it_in(
    tmp_path: Path, store: DuckMetrics, seed: int, stale: bool
) -> None:
    dice = random.Random(1000 * stale + seed)
    series = made(dice, stale=stale)
    groups = [{"name": "g", "rules": rules_of(dice, exact=stale)}]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": groups}), encoding="utf-8")
    rules = load_rules(tmp_path / "rules.yml")
    fill(store, series)

    expected, found = theirs(tmp_path, series), ours(store, rules)

    wrong = [(turn, a ^ b) for turn, (a, b) in enumerate(zip(expected, found, strict=True)) if a != b]
    assert sum(map(len, expected)) > 500, "too little happens to prove anything"
    assert {word for answer in expected for labels in answer for word in [dict(labels)["alertstate"]]} == {
        "pending",
        "firing",
    }
    assert wrong[:3] == []
