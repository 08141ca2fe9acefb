"""rate and its kin follow Prometheus 3 to the letter, on and off the scrape grid, with gaps and resets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import STALE, Samples
from lib.metrics.promql import rates
from lib.metrics.promql.engine import evaluate
from lib.metrics.promql.values import Raw
from lib.metrics.promql.windows import Windows
from tests.metrics import reference

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def quiet_division() -> Iterator[None]:
    """As the engine does: what an empty window divides by is masked afterwards."""
    with np.errstate(all="ignore"):
        yield


def _raw(*series: list[reference.Point]) -> Raw:
    flat = [point for points in series for point in points]
    return Raw(
        [{"n": str(i)} for i in range(len(series))],
        np.cumsum([0, *(len(points) for points in series)]),
        np.array([round(t * 1000) for t, _ in flat], dtype=np.int64),
        np.array([v for _, v in flat], dtype=np.float64),
    )


def _windows(points: list[reference.Point], at_s: float, range_s: float) -> Windows:
    return Windows.of(_raw(points), np.array([round(at_s * 1000)], dtype=np.int64), round(range_s * 1000))


def _only(answer: rates.Answer) -> float | None:
    values, present = answer
    return float(values[0, 0]) if present[0, 0] else None


def test_the_window_is_left_open() -> None:
    points = [(0.0, 100.0), (15.0, 1.0), (30.0, 4.0), (45.0, 7.0), (60.0, 10.0)]

    assert _only(rates.resets(_windows(points, 60, 60))) == 0.0
    assert _only(rates.changes(_windows(points, 60, 60))) == 3.0


def test_one_sample_gives_no_rate() -> None:
    assert _only(rates.rate(_windows([(50.0, 1.0)], 60, 60))) is None


def test_a_steady_counter_is_extrapolated_to_the_whole_window() -> None:
    points = [(15.0 * n, 1000 + 30.0 * n) for n in range(5)]

    assert _only(rates.rate(_windows(points, 60, 60))) == pytest.approx(2.0)
    assert _only(rates.increase(_windows(points, 60, 60))) == pytest.approx(120.0)


def test_a_counter_is_not_extrapolated_below_zero() -> None:
    points = [(10.0, 0.0), (20.0, 10.0), (30.0, 20.0)]

    assert _only(rates.increase(_windows(points, 30, 30))) == pytest.approx(20.0)


def test_a_gauge_has_no_zero_to_stop_at() -> None:
    points = [(10.0, 0.0), (20.0, 10.0), (30.0, 20.0)]

    assert _only(rates.delta(_windows(points, 30, 30))) == pytest.approx(30.0)


def test_far_ends_are_extrapolated_by_half_an_interval() -> None:
    points = [(100.0, 50.0), (110.0, 60.0), (120.0, 70.0)]

    assert _only(rates.increase(_windows(points, 300, 300))) == pytest.approx(30.0)


def test_a_reset_adds_what_was_lost() -> None:
    points = [(10.0, 90.0), (20.0, 100.0), (30.0, 4.0), (40.0, 14.0)]

    assert _only(rates.increase(_windows(points, 40, 40))) == pytest.approx(24.0 / 30 * 40)


def test_irate_after_a_reset_takes_the_whole_last_value() -> None:
    assert _only(rates.irate(_windows([(10.0, 50.0), (20.0, 5.0)], 20, 60))) == pytest.approx(0.5)


def test_resets_of_a_large_series_do_not_blur_a_small_one() -> None:
    large = [(15.0 * n, 1e16 if n % 2 else 1.0) for n in range(20)]
    small = [(15.0 * n, float(n % 3)) for n in range(20)]
    windows = Windows.of(_raw(large, small), np.array([285_000], dtype=np.int64), 300_000)

    values, _ = rates.increase(windows)

    assert reference.close(float(values[1, 0]), reference.extrapolated(small, 285, 300, counter=True))


series = st.lists(st.tuples(st.integers(1, 40_000), st.floats(0, 1e6, width=32)), min_size=0, max_size=30).map(
    lambda gaps: [(sum(g for g, _ in gaps[: i + 1]) / 1000, value) for i, (_, value) in enumerate(gaps)]
)


@settings(max_examples=200, deadline=None)
@given(points=st.lists(series, min_size=1, max_size=3), step_s=st.integers(1, 90), range_s=st.integers(1, 400))
def test_every_window_of_wild_series_equals_the_plain_formula(
    points: list[list[reference.Point]], step_s: int, range_s: int
) -> None:
    at_s = np.arange(0, 12 * step_s, step_s)
    windows = Windows.of(_raw(*points), at_s * 1000, range_s * 1000)

    increase, delta = rates.increase(windows), rates.delta(windows)

    for (values, present), counter in ((increase, True), (delta, False)):
        for row, samples in enumerate(points):
            for column, moment in enumerate(at_s):
                got = float(values[row, column]) if present[row, column] else None
                assert reference.close(got, reference.extrapolated(samples, moment, range_s, counter=counter))


def test_stale_markers_end_a_series_but_not_a_window(store: DuckMetrics) -> None:
    points: list[tuple[float, float | None]] = [(0, 1.0), (15, 2.0), (30, None), (345, 9.0)]
    values = np.array([STALE if v is None else v for _, v in points])
    ts_ms = np.array([int(t * 1000) for t, _ in points], dtype=np.int64)
    store.append(Samples(({"__name__": "x"},), np.zeros(4, dtype=np.int32), ts_ms, values))
    moments = [0, 15, 29, 30, 299, 344, 345, 644, 645]

    selected = [store.instant("x", EPOCH + timedelta(seconds=s)).scalar() for s in moments]
    counted = evaluate(store, "count_over_time(x[1m])", np.array([45_000], dtype=np.int64)).scalar()

    assert selected == [reference.instant(points, s) for s in moments]
    assert counted == 2.0
