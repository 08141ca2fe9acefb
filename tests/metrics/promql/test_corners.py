"""Corners where Prometheus was found to answer differently: each stays as Prometheus 3 has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lib.errors import QueryError
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.window import Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEN = EPOCH + timedelta(minutes=10)


def _write(store: DuckMetrics, name: str, *rows: list[float], step_ms: int = 60_000, **labels: str) -> None:
    """A series per row, numbered by label `n`, one value each `step_ms` that ends at ten minutes."""
    for number, values in enumerate(rows):
        ts_ms = 600_000 - step_ms * np.arange(len(values) - 1, -1, -1)
        series = {"__name__": name, "n": str(number), **labels}
        store.append(Samples((series,), np.zeros(len(values), dtype=np.int32), ts_ms, np.array(values)))


def _values(store: DuckMetrics, text: str) -> list[float]:
    return [float(value) for value in store.instant(text, TEN).values[:, 0]]


def test_a_sample_that_a_comparison_took_out_is_not_the_smallest(store: DuckMetrics) -> None:
    _write(store, "x", [1.0], [5.0], [9.0])

    assert _values(store, "min(x > 3)") == [5.0]
    assert _values(store, "max(x < 6)") == [5.0]


def test_a_series_too_young_for_a_rate_is_not_the_smallest(store: DuckMetrics) -> None:
    _write(store, "x", [10.0, 70.0, 130.0], [-1e9])

    low = store.range("min(rate(x[3m]))", Window(TEN - timedelta(minutes=1), TEN), timedelta(minutes=1))

    assert (low.values > 0).all() and low.present.all()


def test_a_prediction_counts_from_the_evaluation_and_not_from_the_offset(store: DuckMetrics) -> None:
    _write(store, "x", [60.0 * n for n in range(11)])

    assert _values(store, "predict_linear(x[4m] offset 3m, 60)") == pytest.approx([660.0])


def test_values_of_nothing_are_none(store: DuckMetrics) -> None:
    _write(store, "x", [1.0])

    assert store.instant('count_values("v", topk(0, x))', TEN).labels == ()


@pytest.mark.parametrize("name", ["0v", "a b", "", "é"])
def test_a_value_cannot_become_a_label_that_cannot_be_written(store: DuckMetrics, name: str) -> None:
    _write(store, "x", [1.0])

    with pytest.raises(QueryError, match="invalid label name"):
        store.instant(f'count_values("{name}", x)', TEN)


def test_a_rank_that_falls_on_a_sample_is_that_sample_whatever_stands_beside_it(store: DuckMetrics) -> None:
    _write(store, "x", [1.0], [np.inf])
    _write(store, "y", [1.0, 2.0, np.inf])

    assert _values(store, "quantile(0, x)") == [1.0]
    assert _values(store, "quantile(1, x)") == [np.inf]
    assert _values(store, "quantile_over_time(0.5, y[5m])") == [2.0]


def test_whether_a_match_is_unique_does_not_hang_on_the_values(store: DuckMetrics) -> None:
    _write(store, "many", [1.0], [2.0])
    _write(store, "one", [9.0])

    with pytest.raises(QueryError, match="many-to-one matching must be explicit"):
        store.instant("many == on() one", TEN)


def test_a_bad_expression_in_label_replace_is_refused_without_a_series_to_try_it_on(store: DuckMetrics) -> None:
    with pytest.raises(QueryError, match="RE2"):
        store.instant('label_replace(nosuch, "x", "a", "n", "(")', TEN)


def test_series_that_do_not_move_have_no_deviation_however_large_they_are(store: DuckMetrics) -> None:
    _write(store, "x", *[[1e9 + 0.001] * 6] * 7)

    assert _values(store, "stddev(x)") == [0.0]
    assert _values(store, "stddev_over_time(x[10m])") == [0.0] * 7


def test_a_mean_of_finite_values_is_finite(store: DuckMetrics) -> None:
    _write(store, "x", [1e308] * 3, [1e308] * 3)
    _write(store, "y", [1e308], [np.inf])

    assert _values(store, "avg(x)") == _values(store, "avg_over_time(x[5m])")[:1] == [1e308]
    assert _values(store, "avg(y)") == [np.inf]


def test_terms_that_cancel_leave_what_is_small(store: DuckMetrics) -> None:
    _write(store, "x", [1e16], [1.0], [-1e16])
    _write(store, "y", [1e16, 1.0, -1e16])

    assert _values(store, "sum(x)") == _values(store, "sum_over_time(y[5m])") == [1.0]
    assert _values(store, "avg(x)") == _values(store, "avg_over_time(y[5m])") == [pytest.approx(1 / 3)]


def test_buckets_without_end_have_no_quantile_between_them(store: DuckMetrics) -> None:
    for le, count in (("1", 1.0), ("2", np.inf), ("+Inf", np.inf)):
        _write(store, "b_bucket", [count], le=le)

    assert np.isnan(_values(store, "histogram_quantile(0.5, b_bucket)")).all()
    assert _values(store, "histogram_quantile(0, b_bucket)") == [2.0]
