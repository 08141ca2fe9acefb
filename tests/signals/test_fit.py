"""The line through noisy days: it does not see what is not there, and never tells of a past limit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.signals.fit import FEWEST_DAYS, Fit, fit, reach

DAYS = np.arange(28, dtype="float64")
values = st.lists(st.floats(-1e12, 1e12, allow_nan=False), min_size=FEWEST_DAYS, max_size=40)


def of(y: list[float] | np.ndarray) -> Fit:
    found = fit(np.arange(len(y), dtype="float64"), np.asarray(y, dtype="float64"))
    assert found is not None
    return found


def test_a_line_is_found_exactly() -> None:
    found = of(5 + 2.5 * DAYS)

    assert (found.slope, found.low, found.high) == pytest.approx((2.5, 2.5, 2.5))
    assert (found.now, found.days, found.is_trend) == (pytest.approx(5 + 2.5 * 27), 28, True)


def test_one_wild_day_in_four_does_not_move_it() -> None:
    y = 100 + DAYS
    y[::5] += 10_000

    assert of(y).slope == pytest.approx(1, abs=0.2)


def test_noise_is_no_trend() -> None:
    dice = np.random.default_rng(7)
    trends = sum(of(dice.normal(0, 1, 28)).is_trend for _ in range(400))

    assert trends <= 0.08 * 400  # 5 % by definition


def test_a_true_slope_lies_within_the_interval_about_as_often_as_promised() -> None:
    dice = np.random.default_rng(8)
    within = 0
    for _ in range(400):
        found = of(3 * DAYS + dice.normal(0, 20, 28))
        within += found.low <= 3 <= found.high

    assert within >= 0.92 * 400


def test_the_same_value_every_day_is_no_trend() -> None:
    assert not of([7.0] * 20).is_trend


@pytest.mark.parametrize("known", range(FEWEST_DAYS))
def test_too_few_days_are_told_apart_from_no_trend(known: int) -> None:
    y = np.full(28, np.nan)
    y[:known] = np.arange(known)

    assert fit(DAYS, y) is None


def test_days_without_a_value_are_left_out() -> None:
    y = 2 * DAYS
    y[3:20] = np.nan

    found = fit(DAYS, y)

    assert found is not None
    assert (found.slope, found.days) == (pytest.approx(2), 11)


@given(st.lists(st.floats(0, 1e9), min_size=FEWEST_DAYS, max_size=40))
def test_what_only_grows_has_no_falling_trend_and_the_interval_holds_the_slope(steps: list[float]) -> None:
    found = of(np.cumsum(steps))

    assert 0 <= found.low <= found.slope <= found.high or found.low <= found.slope <= found.high
    assert found.slope >= 0
    assert found.low >= 0


@given(values, st.floats(-1e13, 1e13), st.floats(-1e13, 1e13))
def test_days_to_a_limit_are_never_negative_and_in_order(y: list[float], now: float, limit: float) -> None:
    ahead = reach(of(y), now, limit)

    assert ahead is None or 0 <= ahead.soonest <= ahead.days <= ahead.latest


@given(st.lists(st.floats(0, 1e9), min_size=FEWEST_DAYS, max_size=40), st.floats(0.001, 1e9))
def test_what_only_falls_never_reaches_a_limit_above_it(steps: list[float], above: float) -> None:
    y = -np.cumsum(steps)

    assert reach(of(y), float(y[-1]), float(y[-1]) + above) is None or float(y[-1]) + above == float(y[-1])


def test_the_limit_is_reached_when_the_line_says() -> None:
    ahead = reach(of(10 * DAYS), 270, 370)

    assert ahead is not None
    assert (ahead.days, ahead.soonest, ahead.latest) == pytest.approx((10, 10, 10))


def test_what_is_at_its_limit_is_there_now() -> None:
    ahead = reach(of([1.0] * 6), 5, 5)

    assert ahead is not None
    assert ahead.days == 0
