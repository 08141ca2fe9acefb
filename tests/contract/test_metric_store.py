"""What every metric store promises, whichever engine answers: the same tests over each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lib.errors import QueryError
from lib.metrics.base import MetricStore
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import STALE, Samples
from lib.window import Window

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
MINUTE = timedelta(minutes=1)


def _world() -> Samples:
    """Two counters at +1/s every 15 s for 10 minutes; a gauge that ends with a stale marker after 5 minutes."""
    labels = (
        {"__name__": "req_total", "route": "/a", "code": "200"},
        {"__name__": "req_total", "route": "/b", "code": "500"},
        {"__name__": "gone", "route": "/a"},
    )
    ticks = np.arange(41)
    ended = np.arange(21)
    values = np.concatenate((ticks * 15.0, 1000 + ticks * 15.0, np.append(np.full(20, 7.0), STALE)))
    ts_ms = START_MS + 15_000 * np.concatenate((ticks, ticks, ended))
    return Samples(labels, np.repeat(np.arange(3, dtype=np.int32), (41, 41, 21)), ts_ms, values)


def _duckdb(folder: Path, samples: Samples) -> DuckMetrics:
    store = DuckMetrics(folder / "metrics.duckdb")
    store.append(samples, live=False)
    return store


STORES: dict[str, Callable[[Path, Samples], DuckMetrics]] = {"duckdb": _duckdb}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MetricStore]:
    opened = STORES[request.param](tmp_path, _world())
    yield opened
    opened.close()


def test_an_instant_question_answers_one_column(store: MetricStore) -> None:
    result = store.instant('req_total{route="/a"}', START + MINUTE)

    assert result.labels == ({"__name__": "req_total", "route": "/a", "code": "200"},)
    assert result.ts_ms.tolist() == [START_MS + 60_000]
    assert result.scalar() == 60.0


def test_a_range_question_has_a_column_per_step_with_both_ends(store: MetricStore) -> None:
    result = store.range("req_total", Window(START, START + 10 * MINUTE), MINUTE)

    assert result.ts_ms.tolist() == [START_MS + 60_000 * n for n in range(11)]
    assert result.values.tolist() == [[60.0 * n for n in range(11)], [1000 + 60.0 * n for n in range(11)]]
    assert result.present.all()


def test_rates_are_taken_per_series_before_the_sum(store: MetricStore) -> None:
    result = store.instant("sum(rate(req_total[2m]))", START + 8 * MINUTE + timedelta(seconds=7))

    assert result.scalar() == pytest.approx(2.0)


def test_a_metric_name_is_dropped_where_the_number_means_something_else(store: MetricStore) -> None:
    result = store.instant("req_total * 2", START + MINUTE)

    assert all("__name__" not in labels for labels in result.labels)


def test_a_series_that_ended_is_absent_from_its_stale_marker_on(store: MetricStore) -> None:
    result = store.range("gone", Window(START + 4 * MINUTE, START + 6 * MINUTE), MINUTE)

    assert result.present.tolist() == [[True, False, False]]
    assert np.isnan(result.values[0, 1:]).all()


def test_no_series_is_an_empty_answer_and_not_an_error(store: MetricStore) -> None:
    result = store.range("nosuch", Window(START, START + MINUTE), MINUTE)

    assert result.labels == ()
    assert result.values.shape == result.present.shape == (0, 2)
    assert result.frame().columns.tolist() == ["ts", "value"]


def test_a_number_is_one_series_without_labels(store: MetricStore) -> None:
    result = store.range("1 + 1", Window(START, START + MINUTE), MINUTE)

    assert result.labels == ({},)
    assert result.values.tolist() == [[2.0, 2.0]]


def test_label_values_are_sorted_and_can_be_narrowed(store: MetricStore) -> None:
    assert store.label_values("__name__") == ["gone", "req_total"]
    assert store.label_values("route", 'req_total{code=~"5.."}') == ["/b"]
    assert store.label_values("nothing") == []


def test_newest_and_oldest_are_the_ends_of_the_samples(store: MetricStore) -> None:
    assert store.oldest() == START
    assert store.newest() == START + 10 * MINUTE


def test_what_is_not_promql_is_refused_with_its_position(store: MetricStore) -> None:
    with pytest.raises(QueryError) as refused:
        store.instant("sum(rate(req_total[2m]) by (route)", START)

    assert refused.value.position is not None


def test_more_than_eleven_thousand_points_are_refused(store: MetricStore) -> None:
    window = Window(START, START + timedelta(seconds=11_000))

    with pytest.raises(QueryError, match="11,000"):
        store.range("req_total", window, timedelta(seconds=1))


def test_many_to_many_matching_is_refused_with_prometheus_words(store: MetricStore) -> None:
    with pytest.raises(QueryError, match="many-to-many matching not allowed"):
        store.instant("req_total + on() req_total", START + MINUTE)
