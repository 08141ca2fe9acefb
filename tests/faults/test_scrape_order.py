"""F13: scrapes that come twice, late or again, over resets and gaps, leave every answer as it is without them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lib.metrics.base import Result
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Appended, Samples
from lib.window import Window
from tests.metrics import crowds
from tests.metrics.worlds import INTERVAL_MS, World

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUESTIONS = (
    "req_total", "rate(req_total[5m])", "increase(gap_total[2m])", "resets(req_total[10m])", "changes(gap_total[5m])",
    "irate(gap_total[1m])", "count_over_time(temp[3m])", "sum by (instance) (rate(late_total[5m]))", "temp offset 45s",
    "histogram_quantile(0.9, sum by (le) (rate(lat_bucket[5m])))", "delta(temp[2m30s])", "last_over_time(info[1h])",
)  # fmt: skip


@pytest.mark.parametrize(
    ("seed", "instances"), [(1, 1), *(pytest.param(seed, 8, marks=pytest.mark.faults) for seed in range(2, 8))]
)
@pytest.mark.timeout(600)
def test_disordered_scrapes_answer_as_orderly_ones(tmp_path: Path, seed: int, instances: int) -> None:
    dice, world = random.Random(seed), crowds.make(seed, instances)
    orderly, disordered = DuckMetrics(tmp_path / "a.duckdb"), DuckMetrics(tmp_path / "b.duckdb")
    orderly.append(world.samples(), live=False)
    sent = refused = 0

    for scrape in _scrapes(dice, world):
        if dice.random() < 0.03:
            disordered.close()
            disordered = DuckMetrics(tmp_path / "b.duckdb")
        appended: Appended = disordered.append(scrape)
        sent += scrape.ts_ms.size
        refused += appended.duplicate + appended.out_of_order
        if dice.random() < 0.05:  # so that the sample cache holds a part of what is to come
            _answers(disordered)

    assert sent - refused == world.samples().ts_ms.size and refused > sent // 20
    for question, got, expected in zip(QUESTIONS, _answers(disordered), _answers(orderly), strict=True):
        assert got.labels == expected.labels, question
        # Series are numbered as they are born, so a sum may differ in its last bit.
        np.testing.assert_allclose(got.values, expected.values, rtol=1e-9, err_msg=question)
    orderly.close()
    disordered.close()


def _scrapes(dice: random.Random, world: World) -> list[Samples]:
    """The world as scrapes in the order of time, some of them followed by a copy of their own or of an older one."""
    whole = world.samples()
    order = np.argsort(whole.ts_ms, kind="stable")
    edges = np.flatnonzero(np.diff(whole.ts_ms[order])) + 1
    scrapes = [_part(whole, rows) for rows in np.split(order, edges)]
    sent: list[Samples] = []
    for number, scrape in enumerate(scrapes):
        sent.append(scrape)
        if dice.random() < 0.2:
            again = scrapes[dice.randint(max(number - 20, 0), number)]
            sent.append(_known(_changed(again), scrapes[: number + 1]))
    return sent


def _known(late: Samples, before: list[Samples]) -> Samples:
    """Only of series that have a sample at this time or later: any other would be new, not late."""
    newest: dict[int, int] = {}
    for scrape in before:
        newest |= dict.fromkeys(scrape.series.tolist(), int(scrape.ts_ms[0]))
    rows = [row for row, series in enumerate(late.series.tolist()) if newest[series] >= late.ts_ms[row]]
    return _part(late, np.array(rows, dtype=np.int64))


def _part(whole: Samples, rows: np.ndarray) -> Samples:
    return Samples(whole.labels, whole.series[rows], whole.ts_ms[rows], whole.values[rows])


def _changed(scrape: Samples) -> Samples:
    """Other values, so that it shows which of two samples was kept."""
    return Samples(scrape.labels, scrape.series, scrape.ts_ms, np.full_like(scrape.values, -777.0))


def _answers(store: DuckMetrics) -> list[Result]:
    window = Window(EPOCH, EPOCH + timedelta(milliseconds=crowds.POINTS * INTERVAL_MS))
    return [store.range(question, window, timedelta(seconds=40)) for question in QUESTIONS]
