"""rate, increase, delta, irate, idelta, changes, resets: what a counter or gauge did inside a window."""

from __future__ import annotations

import numpy as np

from lib.metrics.promql.values import Bools, Floats
from lib.metrics.promql.windows import Windows

Answer = tuple[Floats, Bools]


def _steps_down(windows: Windows) -> Floats:
    """Per sample the value lost by a counter reset just before it, else 0; 0 at the first sample of a series."""
    lost = np.zeros(windows.values.size)
    if lost.size:
        before, after = windows.values[:-1], windows.values[1:]
        lost[1:] = np.where(after < before, before, 0.0)
        lost[windows.offsets[:-1][np.diff(windows.offsets) > 0]] = 0.0
    return lost


def _gained(windows: Windows) -> Floats:
    """v_n − v_1 with what resets took away added back, the loss at a window's first sample not being inside it."""
    _, first = windows.at(windows.low)
    _, last = windows.at(windows.high - 1)
    lost = _steps_down(windows)
    if not lost.any():
        return last - first
    inside = Windows(
        windows.labels, windows.ts_ms, windows.values, windows.offsets,
        np.minimum(windows.low + 1, windows.high), windows.high, windows.at_ms, windows.range_ms,
    )  # fmt: skip
    added = np.where(inside.counts > 0, inside.reduced(np.add, lost), 0.0)
    return last - first + added


def _extrapolated(windows: Windows, gained: Floats, *, counter: bool) -> Floats:
    """Prometheus 3's `extrapolatedRate` before the division by the range: the change over the whole window."""
    first_s, first = windows.at(windows.low)
    last_s, _ = windows.at(windows.high - 1)
    sampled = last_s - first_s
    average = sampled / (windows.counts - 1)
    threshold = average * 1.1
    end_s = (windows.at_ms / 1000)[None, :]
    to_start, to_end = first_s - (end_s - windows.range_ms / 1000), end_s - last_s
    to_start = np.where(to_start >= threshold, average / 2, to_start)
    if counter:
        to_zero = sampled * (first / gained)
        to_start = np.where((gained > 0) & (first >= 0) & (to_zero < to_start), to_zero, to_start)
    to_end = np.where(to_end >= threshold, average / 2, to_end)
    return gained * ((sampled + to_start + to_end) / sampled)


def rate(windows: Windows) -> Answer:
    """Per-second increase of a counter, extrapolated to the window."""
    values, present = increase(windows)
    return values / (windows.range_ms / 1000), present


def increase(windows: Windows) -> Answer:
    """Increase of a counter over the window, extrapolated, resets added back."""
    return _extrapolated(windows, _gained(windows), counter=True), windows.counts >= 2


def delta(windows: Windows) -> Answer:
    """Change of a gauge over the window, extrapolated."""
    _, first = windows.at(windows.low)
    _, last = windows.at(windows.high - 1)
    return _extrapolated(windows, last - first, counter=False), windows.counts >= 2


def irate(windows: Windows) -> Answer:
    """Per-second increase between the last two samples; after a reset the whole last value."""
    previous_s, previous = windows.at(windows.high - 2)
    last_s, last = windows.at(windows.high - 1)
    gained = np.where(last < previous, last, last - previous)
    return gained / (last_s - previous_s), windows.counts >= 2


def idelta(windows: Windows) -> Answer:
    """Difference of the last two samples."""
    _, previous = windows.at(windows.high - 2)
    _, last = windows.at(windows.high - 1)
    return last - previous, windows.counts >= 2


def changes(windows: Windows) -> Answer:
    """How often the value changed (NaN to NaN is no change)."""
    before, after = windows.values[:-1], windows.values[1:]
    return _counted(windows, (before != after) & ~(np.isnan(before) & np.isnan(after)))


def resets(windows: Windows) -> Answer:
    """How often the value went down."""
    return _counted(windows, windows.values[1:] < windows.values[:-1])


def _counted(windows: Windows, events: Bools) -> Answer:
    """Events per window, `events[i]` standing between samples i and i + 1."""
    until = np.concatenate(([0, 0], np.cumsum(events))) if windows.values.size else np.zeros(2, dtype=np.int64)
    last, first = np.clip(windows.high, 1, None), np.clip(windows.low + 1, 1, None)
    top = until.size - 1
    counted = until[np.clip(last, 0, top)] - until[np.clip(first, 0, top)]
    return counted.astype(np.float64), windows.counts >= 1
