"""Every expression that the product asks, side by side with a real Prometheus on the same samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from lib.metrics.base import Labels
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.stores import Stores
from lib.window import Window
from tests import seed
from tests.live.asked import Listening, Question, listen_to_all, unheard
from tests.real_prometheus import Points, Prometheus, points_of, serving

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

WINDOWS = (("15m", 47), ("1h", 120), ("3h", 0), ("24h", 0), ("90d", 0))
"""Length, and minutes before the newest sample."""
OFF_GRID_MS = 7_500
"""Debian's windows are closed where ours are left-open: no sample may stand on an edge."""


def wild(samples: Samples) -> Samples:
    """The seeded series with values by the dice, half a scrape interval late: counters restart, gauges jump, some are NaN."""
    dice = np.random.default_rng(3)
    values = samples.values.copy()
    histograms: dict[tuple[tuple[str, str], ...], Any] = {}
    for number, labels in enumerate(samples.labels):
        rows = np.flatnonzero(samples.series == number)
        values[rows] = _values(dice, labels, samples.values[rows], histograms)
    return replace(samples, values=values, ts_ms=samples.ts_ms + OFF_GRID_MS - 15_000)


def _values(dice: np.random.Generator, labels: Labels, seeded: Any, histograms: dict[Any, Any]) -> Any:
    name, count = labels["__name__"], seeded.size
    if name.endswith("_bucket"):
        # Seeded bounds come in ascending order: each bucket counts what the one before does, and some more.
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        histograms[key] = histograms.get(key, 0.0) + _counter(dice, count)
        return histograms[key]
    if name.endswith(("_total", "_count")):
        return _counter(dice, count)
    if name.endswith("_seconds") and seeded.max() > 1e6:
        return seeded  # a time of day stays one
    if name == "up":
        return (dice.random(count) > 0.03).astype(float)
    odd = dice.random(count) < 0.01
    return np.where(odd, np.nan, np.round(seeded * dice.uniform(0.2, 1.8, count), 3))


def _counter(dice: np.random.Generator, count: int) -> Any:
    """From 0 on, with about one restart in 400 scrapes."""
    steps = np.cumsum(dice.poisson(3.0, count)).astype(float)
    steps -= steps[0]
    for restart in np.flatnonzero(dice.random(count) < 1 / 400):
        steps[restart:] -= steps[restart]
    return steps


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Listening, Stores, Prometheus]]:
    """What the product asked over full and quiet times, the stores that it asked, and a server with the same samples."""
    folder = tmp_path_factory.mktemp("asked")
    with seed.empty_stores(folder) as stores:
        seed.fill(stores)
        raw = wild(seed.samples(seed._series()))
        metrics = DuckMetrics(folder / "wild.duckdb")
        metrics.append(raw)
        windows = [Window.last(length, seed.NOW - timedelta(minutes=ago)) for length, ago in WINDOWS]
        both = replace(stores, metrics=metrics)
        listening = listen_to_all(both, [*windows, seed.QUIET])
        with serving(folder, raw) as prometheus:
            yield listening, both, prometheus
        metrics.close()


def test_no_place_that_asks_the_metric_store_went_unheard(asked: tuple[Listening, Stores, Prometheus]) -> None:
    assert unheard(asked[0]) == []
    assert len(unheard(Listening(asked[1].metrics))) > 30  # a store that was asked nothing


def test_every_question_has_the_same_answer(asked: tuple[Listening, Stores, Prometheus]) -> None:
    listening, stores, prometheus = asked
    questions = list(listening.heard)

    wrong, points = [], 0
    for question in questions:
        ours, theirs = _ours(stores, question), _theirs(prometheus, question)
        points += sum(map(len, theirs.values()))
        wrong += _differences(question, ours, theirs)

    assert not wrong, f"{len(wrong)} of {points} points differ:\n" + "\n".join(wrong[:20])
    print(
        f"\n{len(questions)} questions, {len({q.expression for q in questions})} expressions, {points} points, no difference"
    )
    assert points > 10_000 and len(questions) > 200


def _ours(stores: Stores, question: Question) -> Points:
    if question.step is None:
        return points_of(stores.metrics.instant(question.expression, question.window.end))
    return points_of(stores.metrics.range(question.expression, question.window, question.step))


def _theirs(prometheus: Prometheus, question: Question) -> Points:
    if question.step is None:
        answer = prometheus.instant(question.expression, question.window.end)
    else:
        answer = prometheus.range(question.expression, question.window, question.step)
    assert not answer.error, f"{question.expression}: {answer.error}"
    return answer.points


def _differences(question: Question, ours: Points, theirs: Points) -> list[str]:
    return [
        f"{question.expression} {dict(key)} at {at}: theirs {expected}, ours {got}"
        for key in ours.keys() | theirs.keys()
        for at in ours.get(key, {}).keys() | theirs.get(key, {}).keys()
        if not _close(expected := theirs.get(key, {}).get(at), got := ours.get(key, {}).get(at))
    ]


def _close(left: float | None, right: float | None) -> bool:
    if left is None or right is None:
        return left is right
    return math.isclose(left, right, rel_tol=1e-9) or (math.isnan(left) and math.isnan(right))
