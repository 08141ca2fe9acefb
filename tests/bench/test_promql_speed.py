"""A day of rates in PromQL: the embedded store costs at most twice what a real Prometheus does over HTTP."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.window import Window
from tests.real_prometheus import Prometheus, points_of, range_question, serving

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

END = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY, SCRAPE, STEP = timedelta(days=1), timedelta(seconds=15), timedelta(seconds=288)
ROUTES, SERIES, SCRAPES_A_BATCH, ROUNDS, WARM_UP = 10, 200, 40, 15, 3
WINDOW = Window(END - DAY + STEP, END)
"""300 points."""

LATE_MS = 7_500
"""Half a scrape interval: no sample on the edge of a window, which the versions of Prometheus read differently."""

QUESTION = "sum by (route) (rate(http_requests_total[5m]))"


def day() -> Samples:
    """200 counters of 10 routes over 24 hours at a scrape interval of 15 s."""
    dice, scrapes = np.random.default_rng(1), DAY // SCRAPE + 24
    labels = tuple(
        {"__name__": "http_requests_total", "job": "crm", "instance": f"i{n // ROUTES % 4}:3000", "method": "GET",
         "route": f"/api/r{n % ROUTES}", "status_code": str(200 + n // 40)}
        for n in range(SERIES)
    )  # fmt: skip
    first_ms = int((END - DAY).timestamp() * 1000) - LATE_MS
    ts_ms = first_ms + np.arange(scrapes, dtype=np.int64) * (SCRAPE // timedelta(milliseconds=1))
    values = np.cumsum(dice.poisson(5, (SERIES, scrapes)), axis=1).astype(float)
    return Samples(
        labels, np.repeat(np.arange(SERIES, dtype=np.int32), scrapes), np.tile(ts_ms, SERIES), values.ravel()
    )


def scraped(store: DuckMetrics, samples: Samples) -> None:
    """Written as scrapes come: all series of ten minutes, then those of the next."""
    for rows in np.array_split(
        np.argsort(samples.ts_ms, kind="stable"), len(samples.ts_ms) // (SERIES * SCRAPES_A_BATCH)
    ):
        part = Samples(samples.labels, samples.series[rows], samples.ts_ms[rows], samples.values[rows])
        store.append(part)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DuckMetrics, Prometheus]]:
    folder, samples = tmp_path_factory.mktemp("speed"), day()
    store = DuckMetrics(folder / "metrics.duckdb")
    scraped(store, samples)
    with serving(folder, samples) as prometheus:
        yield store, prometheus
    store.close()


def test_a_day_of_rates_costs_at_most_twice_a_prometheus(both: tuple[DuckMetrics, Prometheus]) -> None:
    store, prometheus = both
    ours = points_of(store.range(QUESTION, WINDOW, STEP))
    theirs = prometheus.range(QUESTION, WINDOW, STEP).points
    assert {key: list(points.values()) for key, points in ours.items()} == {
        key: pytest.approx(list(points.values()), rel=1e-9) for key, points in theirs.items()
    }
    assert len(ours) == ROUTES and all(len(points) == 300 for points in ours.values())

    took = _interleaved(
        {
            "prometheus": lambda: prometheus.raw("query_range", range_question(QUESTION, WINDOW, STEP)),
            "ours, asked first": lambda: (store._cache.clear(), store.range(QUESTION, WINDOW, STEP)),
            "ours, asked again": lambda: store.range(QUESTION, WINDOW, STEP),
        }
    )

    limit = took["prometheus"]
    print("\n" + "\n".join(f"{name:18s} {s * 1000:6.1f} ms  ×{s / limit:.2f}" for name, s in took.items()))
    assert took["ours, asked first"] <= 2 * limit
    assert took["ours, asked again"] <= took["ours, asked first"]


def _interleaved(questions: dict[str, Callable[[], object]]) -> dict[str, float]:
    took: dict[str, list[float]] = {name: [] for name in questions}
    for _ in range(WARM_UP + ROUNDS):
        for name, ask in questions.items():
            started = time.perf_counter()
            ask()
            took[name].append(time.perf_counter() - started)
    return {name: statistics.median(times[WARM_UP:]) for name, times in took.items()}
