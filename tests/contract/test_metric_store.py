"""What every metric store promises, whichever engine answers: the same tests over each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lib.errors import QueryError
from lib.metrics.base import MetricStore
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import STALE, Samples
from lib.metrics.prometheus import Access, PrometheusMetrics
from lib.window import Window
from tests.prometheus_server import prometheus

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
MINUTE = timedelta(minutes=1)
ODD_NUMBERS = [np.nan, np.inf, -np.inf, 5e-324]
ODD_TEXT = 'a "quoted"\\back\nnew line, ünïcödé 🎉 {x=~"."}'


def _world() -> Samples:
    """Two counters at +1/s every 15 s for 10 minutes; a gauge that ends with a stale marker after 5 minutes; a gauge of
    odd numbers under a label of odd characters."""
    labels = (
        {"__name__": "req_total", "route": "/a", "code": "200"},
        {"__name__": "req_total", "route": "/b", "code": "500"},
        {"__name__": "gone", "route": "/a"},
        {"__name__": "odd", "text": ODD_TEXT},
    )
    ticks = np.arange(41)
    ended = np.arange(21)
    values = np.concatenate((ticks * 15.0, 1000 + ticks * 15.0, np.append(np.full(20, 7.0), STALE), ODD_NUMBERS))
    ts_ms = START_MS + 15_000 * np.concatenate((ticks, ticks, ended, np.arange(4)))
    return Samples(labels, np.repeat(np.arange(4, dtype=np.int32), (41, 41, 21, 4)), ts_ms, values)


@contextmanager
def _duckdb(folder: Path, samples: Samples) -> Iterator[MetricStore]:
    store = DuckMetrics(folder / "metrics.duckdb")
    store.append(samples, live=False)
    yield store
    store.close()


@contextmanager
def _prometheus(folder: Path, samples: Samples) -> Iterator[MetricStore]:
    with prometheus(folder, prefix="/prom") as server:
        server.write(samples)
        store = PrometheusMetrics(Access(server.url), clock=lambda: START + 12 * MINUTE)
        yield store
        store.close()


STORES: dict[str, Callable[[Path, Samples], AbstractContextManager[MetricStore]]] = {
    "duckdb": _duckdb,
    "prometheus": _prometheus,
}


@pytest.fixture(scope="module", params=["duckdb", pytest.param("prometheus", marks=pytest.mark.live)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MetricStore]:
    with STORES[request.param](tmp_path_factory.mktemp(request.param), _world()) as opened:
        yield opened


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


@pytest.mark.parametrize("name", ["ts", "value"])
def test_a_label_that_is_called_as_a_column_keeps_its_own(store: MetricStore, name: str) -> None:
    """Regression: `count_values("value", …)` showed how often, and not what."""
    frame = store.instant(f'count_values("{name}", vector(7))', START + MINUTE).frame()

    assert frame[[f"label {name}", "value"]].to_numpy().tolist() == [["7", 1.0]]
    assert frame["ts"].tolist() == [START + MINUTE]


def test_a_number_is_one_series_without_labels(store: MetricStore) -> None:
    result = store.range("1 + 1", Window(START, START + MINUTE), MINUTE)

    assert result.labels == ({},)
    assert result.values.tolist() == [[2.0, 2.0]]


def test_label_values_are_sorted_and_can_be_narrowed(store: MetricStore) -> None:
    assert store.label_values("__name__") == ["gone", "odd", "req_total"]
    assert store.label_values("route", 'req_total{code=~"5.."}') == ["/b"]
    assert store.label_values("text") == [ODD_TEXT]
    assert store.label_values("nothing") == store.label_values("no label/../can be called so") == []


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


def test_nan_and_infinities_are_answers_and_not_gaps(store: MetricStore) -> None:
    result = store.range("odd", Window(START, START + timedelta(seconds=45)), timedelta(seconds=15))

    assert result.present.all()
    np.testing.assert_array_equal(result.values[0], ODD_NUMBERS)


def test_nan_passes_no_comparison_but_unequal(store: MetricStore) -> None:
    assert [store.instant(f"odd {sign} 0", START).labels for sign in (">", "<", "==", ">=")] == [()] * 4
    assert np.isnan(store.instant("odd != 0", START).values).all()
    assert store.instant("odd > 0", START + timedelta(seconds=15)).scalar() == np.inf


def test_a_label_comes_back_character_by_character(store: MetricStore) -> None:
    assert store.instant("odd", START).labels == ({"__name__": "odd", "text": ODD_TEXT},)


def test_evaluation_happens_at_the_millisecond_that_was_asked_for(store: MetricStore) -> None:
    just_before = START - timedelta(milliseconds=1)
    step = timedelta(milliseconds=2)

    result = store.range("req_total", Window(just_before, START + timedelta(milliseconds=2)), step)

    assert result.ts_ms.tolist() == [START_MS - 1, START_MS + 1]
    assert result.present.tolist() == [[False, True], [False, True]]
    assert store.instant("count(req_total)", just_before).scalar() is None


def test_an_order_that_was_asked_for_is_kept(store: MetricStore) -> None:
    at = START + MINUTE

    assert store.instant("sort_desc(req_total)", at).values.ravel().tolist() == [1060.0, 60.0]
    assert store.instant("sort(req_total)", at).values.ravel().tolist() == [60.0, 1060.0]


def test_a_gap_between_samples_is_absent_and_not_zero(store: MetricStore) -> None:
    result = store.range("req_total > 100", Window(START, START + 3 * MINUTE), MINUTE)

    assert result.present.tolist() == [[False, False, True, True], [True, True, True, True]]
    assert np.isnan(result.values[0, :2]).all()


@pytest.mark.parametrize("text", ['"a text"', "req_total[5m]"])
def test_what_gives_no_number_is_refused(store: MetricStore, text: str) -> None:
    with pytest.raises(QueryError):
        store.instant(text, START)
    with pytest.raises(QueryError):
        store.range(text, Window(START, START + MINUTE), MINUTE)


def test_the_position_of_a_mistake_counts_characters_over_lines(store: MetricStore) -> None:
    text = 'sum(odd{text="ünïcödé"})\n  + + rate(req_total'

    with pytest.raises(QueryError) as refused:
        store.instant(text, START)

    assert refused.value.position == len(text)


@pytest.mark.parametrize("matcher", ["sum(req_total)", "req_total{", "1"])
def test_label_values_are_narrowed_by_selectors_only(store: MetricStore, matcher: str) -> None:
    with pytest.raises(QueryError):
        store.label_values("route", matcher)


def test_an_endless_text_and_a_step_of_nothing_are_refused(store: MetricStore) -> None:
    with pytest.raises(QueryError):
        store.instant("1 + " * 3_000 + "1", START)
    with pytest.raises(QueryError, match="millisecond"):
        store.range("req_total", Window(START, START + MINUTE), timedelta(0))
