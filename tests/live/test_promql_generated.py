"""The evaluator against Prometheus' own, on expressions that the dice make: evaluated half a scrape interval off the grid."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from lib.metrics.duckdb import DuckMetrics
from tests.metrics import crowds, phrases, promtool

pytestmark = pytest.mark.timeout(1800)

FIRST, STEP, COUNT = timedelta(minutes=20, milliseconds=37_500), timedelta(minutes=4, seconds=45), 3
"""Every window and offset ends after time 0: before it, the two versions of Prometheus extrapolate differently."""


@pytest.mark.parametrize(
    ("seed", "instances", "expressions"),
    [
        pytest.param(1, 8, 400, marks=pytest.mark.live),
        *(pytest.param(seed, 25, 2_000, marks=pytest.mark.faults) for seed in (2, 3, 4)),
    ],
)
def test_no_generated_expression_is_answered_differently(
    tmp_path: Path, seed: int, instances: int, expressions: int
) -> None:
    world, moments = crowds.make(seed, instances), [FIRST + STEP * n for n in range(COUNT)]
    source = phrases.Phrases(random.Random(seed), crowds.families(instances))
    texts = [source.expression() for _ in range(expressions)]
    store = DuckMetrics(tmp_path / "metrics.duckdb")
    store.append(world.samples(), live=False)

    theirs = promtool.ask(promtool.tool(), tmp_path, world, texts, moments)
    ours = [answer for text in texts for answer in promtool.ours(store, text, moments)]
    store.close()

    wrong = promtool.wrong(texts, moments, theirs, ours)
    assert not wrong, f"{len(wrong)} of {len(theirs)} differ:\n" + "\n".join(wrong[:20])
    refused = sum(isinstance(answer, str) for answer in theirs)
    answered = sum(isinstance(answer, dict) and bool(answer) for answer in theirs)
    print(
        f"\n{len(world.series)} series, {expressions} expressions: {answered} answered, {refused} refused of {len(theirs)}"
    )
    assert answered > len(theirs) // 2 and refused > len(theirs) // 50
