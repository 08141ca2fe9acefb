"""The *_over_time functions, deriv and predict_linear: statistics of the samples inside a window."""

from __future__ import annotations

import numpy as np

from lib.metrics.promql.rates import Answer
from lib.metrics.promql.sums import careful, mean, variance
from lib.metrics.promql.values import Floats
from lib.metrics.promql.windows import Windows


def avg_over_time(windows: Windows) -> Answer:
    """Mean."""
    return mean(lambda values: _total(windows, values), windows.values, windows.counts), windows.counts >= 1


def sum_over_time(windows: Windows) -> Answer:
    """Sum."""
    return _total(windows, windows.values), windows.counts >= 1


def _total(windows: Windows, values: Floats) -> Floats:
    low, high = windows.low.ravel(), windows.high.ravel()
    total, size = windows.reduced(np.add, values), windows.reduced(np.add, np.abs(values))
    return careful(total, size, lambda cell: values[low[cell] : high[cell]])


def min_over_time(windows: Windows) -> Answer:
    """Smallest value; NaN only where all are."""
    return windows.reduced(np.fmin, windows.values), windows.counts >= 1


def max_over_time(windows: Windows) -> Answer:
    """Largest value; NaN only where all are."""
    return windows.reduced(np.fmax, windows.values), windows.counts >= 1


def count_over_time(windows: Windows) -> Answer:
    """Number of samples."""
    return windows.counts.astype(np.float64), windows.counts >= 1


def last_over_time(windows: Windows) -> Answer:
    """Newest value."""
    return windows.at(windows.high - 1)[1], windows.counts >= 1


def present_over_time(windows: Windows) -> Answer:
    """1 where there is any sample."""
    return np.ones(windows.low.shape), windows.counts >= 1


def stdvar_over_time(windows: Windows) -> Answer:
    """Population variance, from the deviations from each window's own mean (no cancellation)."""
    centre = avg_over_time(windows)[0].ravel()
    squares, rest = np.zeros(centre.size), np.zeros(centre.size)
    for window, sample in windows.exploded():
        deviation = windows.values[sample] - centre[window]
        squares += np.bincount(window, deviation * deviation, minlength=centre.size)
        rest += np.bincount(window, deviation, minlength=centre.size)
    return variance(squares, rest, windows.counts.ravel()).reshape(windows.low.shape), windows.counts >= 1


def stddev_over_time(windows: Windows) -> Answer:
    """Population standard deviation."""
    values, present = stdvar_over_time(windows)
    return np.sqrt(values), present


def quantile_over_time(windows: Windows, q: Floats) -> Answer:
    """The q-quantile (q per step), interpolated between samples; NaN sorts before every number."""
    out = np.full(windows.low.size, np.nan)
    wanted = np.broadcast_to(q, windows.low.shape).ravel()
    for window, sample in windows.exploded():
        values = windows.values[sample]
        nan = np.isnan(values)
        order = np.lexsort((values, ~nan, window))
        ordered = values[order]
        filled, start, counts = np.unique(window, return_index=True, return_counts=True)
        out[filled] = interpolated(ordered, start, counts, wanted[filled])
    return out.reshape(windows.low.shape), windows.counts >= 1


def interpolated(ordered: Floats, start: np.ndarray, counts: np.ndarray, q: Floats) -> Floats:
    """Quantiles of sorted runs of `counts` ≥ 1 values that begin at `start`. q outside 0–1: ±Inf, NaN: NaN."""
    rank = np.where(np.isnan(q), 0.0, np.clip(q, 0.0, 1.0)) * (counts - 1)
    lower = np.floor(rank).astype(np.int64)
    upper = np.minimum(counts - 1, lower + 1)
    weight = rank - lower
    values = ordered[start + lower] * (1 - weight) + ordered[start + upper] * weight
    values = np.where(weight == 0, ordered[start + lower], values)  # 0 · Inf is NaN, and not asked for
    values = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, values))
    return np.where(np.isnan(q), np.nan, values)


def deriv(windows: Windows) -> Answer:
    """Slope per second of the least-squares line."""
    slope, _ = _line(windows)
    return slope, windows.counts >= 2


def predict_linear(windows: Windows, ahead_s: Floats) -> Answer:
    """Value of the least-squares line `ahead_s` (per step) after the windows' ends."""
    slope, now = _line(windows)
    return now + slope * ahead_s, windows.counts >= 2


def _line(windows: Windows) -> tuple[Floats, Floats]:
    """Slope per second, and the line's value at the windows' ends; times are centred, so large ones lose nothing."""
    counts, size = windows.counts.ravel(), windows.low.size
    end_s = np.broadcast_to(windows.at_ms, windows.low.shape).ravel()
    mean_y = (windows.reduced(np.add, windows.values) / windows.counts).ravel()
    sums = np.zeros((3, size))
    for window, sample in windows.exploded():
        age = (windows.ts_ms[sample] - end_s[window]) / 1000
        sums[0] += np.bincount(window, age, minlength=size)
    mean_x = sums[0] / counts
    for window, sample in windows.exploded():
        x = (windows.ts_ms[sample] - end_s[window]) / 1000 - mean_x[window]
        sums[1] += np.bincount(window, x * (windows.values[sample] - mean_y[window]), minlength=size)
        sums[2] += np.bincount(window, x * x, minlength=size)
    slope = sums[1] / sums[2]
    now = mean_y - slope * mean_x
    slope, now = _constant(windows, slope, now)
    return slope.reshape(windows.low.shape), now.reshape(windows.low.shape)


def _constant(windows: Windows, slope: Floats, now: Floats) -> tuple[Floats, Floats]:
    """A series that does not move has slope 0 exactly (NaN when it stands at ±Inf), as Prometheus says."""
    low = windows.reduced(np.minimum, windows.values).ravel()
    flat = low == windows.reduced(np.maximum, windows.values).ravel()
    infinite = flat & np.isinf(low)
    slope = np.where(infinite, np.nan, np.where(flat, 0.0, slope))
    return slope, np.where(infinite, np.nan, np.where(flat, low, now))
