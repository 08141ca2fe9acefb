"""What only a range question can show: each step stands for itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lib.errors import QueryError
from lib.metrics.base import Labels, Result
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import STALE, Samples
from lib.window import Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _write(store: DuckMetrics, labels: Labels, *values: float | None) -> None:
    """One sample a minute from time 0; None is a stale marker."""
    points = np.array([STALE if value is None else value for value in values])
    ts_ms = np.arange(len(values), dtype=np.int64) * 60_000
    store.append(Samples((labels,), np.zeros(len(values), dtype=np.int32), ts_ms, points))


def _ask(store: DuckMetrics, text: str, steps: int = 3) -> Result:
    window = Window(EPOCH, EPOCH + timedelta(minutes=steps - 1))
    return store.range(text, window, timedelta(minutes=1))


def _rows(result: Result) -> dict[tuple[tuple[str, str], ...], list[float | None]]:
    return {
        tuple(sorted(labels.items())): [v if p else None for v, p in zip(values, present, strict=True)]
        for labels, values, present in zip(result.labels, result.values.tolist(), result.present.tolist(), strict=True)
    }


def test_topk_chooses_anew_at_every_step(store: DuckMetrics) -> None:
    for name, values in (("a", (1.0, 5.0, 1.0)), ("b", (2.0, 4.0, None)), ("c", (0.0, 9.0, 3.0))):
        _write(store, {"__name__": "x", "n": name}, *values)

    rows = _rows(_ask(store, "topk(1, x)"))

    assert rows == {
        (("__name__", "x"), ("n", "b")): [2.0, None, None],
        (("__name__", "x"), ("n", "c")): [None, 9.0, 3.0],
    }


def test_series_that_become_equal_without_their_name_are_joined_where_they_do_not_meet(store: DuckMetrics) -> None:
    _write(store, {"__name__": "old", "n": "a"}, 1.0, None)
    _write(store, {"__name__": "new", "n": "a"}, None, 2.0, 3.0)

    rows = _rows(_ask(store, '{__name__=~"old|new"} * 10'))

    assert rows == {(("n", "a"),): [10.0, 20.0, 30.0]}


def test_series_that_become_equal_and_meet_are_refused(store: DuckMetrics) -> None:
    _write(store, {"__name__": "old", "n": "a"}, 1.0, 1.0)
    _write(store, {"__name__": "new", "n": "a"}, None, 2.0)

    with pytest.raises(QueryError, match="vector cannot contain metrics with the same labelset"):
        _ask(store, '{__name__=~"old|new"} * 10')


def test_a_replaced_partner_is_matched_at_the_steps_where_it_lives(store: DuckMetrics) -> None:
    _write(store, {"__name__": "load", "host": "h"}, 10.0, 20.0, 30.0)
    _write(store, {"__name__": "info", "host": "h", "version": "1"}, 1.0, None)
    _write(store, {"__name__": "info", "host": "h", "version": "2"}, None, 1.0, 1.0)

    rows = _rows(_ask(store, "load * on(host) group_left(version) info"))

    assert rows == {
        (("host", "h"), ("version", "1")): [10.0, None, None],
        (("host", "h"), ("version", "2")): [None, 20.0, 30.0],
    }


def test_or_fills_only_the_steps_that_the_left_side_lacks(store: DuckMetrics) -> None:
    _write(store, {"__name__": "x"}, 1.0, None)

    rows = _rows(_ask(store, "sum(x) or vector(0)"))

    assert rows == {(): [1.0, 0.0, 0.0]}


def test_absent_speaks_only_where_nothing_is_there(store: DuckMetrics) -> None:
    _write(store, {"__name__": "x", "job": "a"}, 1.0, None)

    assert _rows(_ask(store, 'absent(x{job="a"})')) == {(("job", "a"),): [None, 1.0, 1.0]}


def test_scalar_is_nan_where_there_is_not_exactly_one_series(store: DuckMetrics) -> None:
    _write(store, {"__name__": "x", "n": "a"}, 1.0, 2.0, None)
    _write(store, {"__name__": "x", "n": "b"}, None, 5.0, None)

    values = _ask(store, "scalar(x)").values

    assert values[0, 0] == 1.0
    assert np.isnan(values[0, 1:]).all()


def test_a_comparison_that_never_holds_leaves_no_series(store: DuckMetrics) -> None:
    _write(store, {"__name__": "x"}, 1.0, 2.0)

    assert _ask(store, "x > 5").labels == ()


def test_a_nan_is_an_answer_and_an_empty_step_is_not(store: DuckMetrics) -> None:
    _write(store, {"__name__": "x"}, 0.0, None)

    result = _ask(store, "x / 0")

    assert result.present.tolist() == [[True, False, False]]
    assert np.isnan(result.values).all()


def test_buckets_that_go_down_are_forced_up_with_a_warning(store: DuckMetrics) -> None:
    for le, count in (("1", 5.0), ("2", 4.0), ("+Inf", 10.0)):
        _write(store, {"__name__": "b_bucket", "le": le}, count)

    result = _ask(store, "histogram_quantile(0.5, b_bucket)", steps=2)

    assert result.values[0].tolist() == [1.0, 1.0]
    assert result.warnings == ("forced monotonic",)


def test_no_traffic_has_no_quantile(store: DuckMetrics) -> None:
    for le in ("1", "+Inf"):
        _write(store, {"__name__": "b_bucket", "le": le}, 3.0, 3.0, 3.0)

    result = _ask(store, "histogram_quantile(0.95, sum by (le) (rate(b_bucket[2m]))) > 0.5", steps=3)

    assert result.labels == ()
