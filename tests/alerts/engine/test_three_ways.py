"""One rule file and the same samples in a running Prometheus, in promtool and in our engine: one and the same course."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest

from lib.alerts.model import AlertState
from lib.alerts.rules import load_rules
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.window import Window
from tests.alerts.engine import test_against_promtool as generated
from tests.alerts.engine.history import past, walk
from tests.prometheus_server import prometheus

pytestmark = pytest.mark.live
TURNS = 25
SECOND = timedelta(seconds=1)
EXPRESSIONS = (
    "m > 5",
    "m != 3",
    "m",
    "sum by (a) (m) >= 9",
    "max(m) < 8",
    "m > 2 and m < 7",
    "m / 2 == 2",
    "absent(m > 7)",
)


def test_the_three_agree_at_every_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(3)
    series = [
        ({"__name__": "m", "a": a, "b": b}, [float(dice.choice([1, 3, 4, 6, 9])) for _ in range(TURNS)])
        for a, b in (("1", "x"), ("1", "y"), ("2", "x"))
    ]
    rules = [
        {"alert": f"R{n}", "expr": expression, "for": dice.choice(["0s", "1s", "3s"]),
         "keep_firing_for": dice.choice(["0s", "2s"]), "labels": {"severity": "warning"}}
        for n, expression in enumerate(EXPRESSIONS)
    ]  # fmt: skip
    text = json.dumps({"groups": [{"name": "g", "interval": "1s", "rules": rules}]})
    (tmp_path / "rules.yml").write_text(text, encoding="utf-8")
    config = json.dumps({"rule_files": [str(tmp_path / "rules.yml")]})

    for attempt in range(3):
        samples, real = evaluated(tmp_path / f"server{attempt}", config, series)
        times = sorted(real)
        if whole := times == list(range(times[0], times[0] + 1000 * TURNS, 1000)):
            break  # a server on a busy machine leaves evaluations out
    assert whole, "the server left evaluations out"

    monkeypatch.setattr(generated, "TURNS", TURNS)
    tool = generated.theirs(tmp_path, series, every_s=1)
    store = DuckMetrics(tmp_path / "metrics.duckdb")
    store.append(samples, live=False)
    first = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=times[0])
    ours: list[set[frozenset[tuple[str, str]]]] = [set() for _ in range(TURNS)]
    for rule in load_rules(tmp_path / "rules.yml"):
        course = walk(rule, past(store, rule, Window(first, first + (TURNS - 1) * SECOND), SECOND))
        for turn, (_, (state, _)) in enumerate(course):
            for episode in state.open.values():
                word = "pending" if episode.state is AlertState.PENDING else "firing"
                ours[turn].add(frozenset({**episode.labels, "alertstate": word}.items()))
    store.close()

    assert [real[at] for at in times] == tool
    assert ours == tool
    assert sum(map(len, tool)) > 200


def evaluated(
    folder: Path, config: str, series: list[tuple[dict[str, str], list[float]]]
) -> tuple[Samples, dict[int, set[frozenset[tuple[str, str]]]]]:
    """The samples as a running server got them, and the alerts that it had at each moment (Unix ms)."""
    with prometheus(folder, config) as server:
        start_ms = (int(time.time()) + 3) * 1000
        samples = batch(series, start_ms)
        server.write(samples)  # ahead of time: each is seen when its second has come
        time.sleep(max(0.0, start_ms / 1000 + TURNS + 1 - time.time()))
        question = {"query": f"ALERTS[{TURNS + 1}s]", "time": f"{start_ms / 1000 + TURNS}"}
        found = httpx.get(f"{server.url}/api/v1/query", params=question, trust_env=False).json()["data"]["result"]
    real: dict[int, set[frozenset[tuple[str, str]]]] = {}
    for one in found:
        labels = frozenset((k, v) for k, v in one["metric"].items() if k != "__name__")
        for at, _ in one["values"]:
            if at * 1000 >= start_ms:
                real.setdefault(round(at * 1000), set()).add(labels)
    return samples, real


def batch(series: list[tuple[dict[str, str], list[float]]], start_ms: int) -> Samples:
    count = len(series)
    return Samples(
        tuple(labels for labels, _ in series),
        np.repeat(np.arange(count, dtype=np.int32), TURNS),
        start_ms + np.tile(np.arange(TURNS, dtype=np.int64) * 1000, count),
        np.array([value for _, values in series for value in values]),
    )
