"""The formulas of Prometheus 3, written plainly for one window: what the vectorised evaluator must equal."""

from __future__ import annotations

import itertools
import math

Point = tuple[float, float]
"""Seconds and value."""


def inside(points: list[Point], at_s: float, range_s: float) -> list[Point]:
    """The samples of the left-open window."""
    return [(t, v) for t, v in points if at_s - range_s < t <= at_s]


def extrapolated(points: list[Point], at_s: float, range_s: float, *, counter: bool) -> float | None:
    """increase (counter) or delta; None with fewer than two samples."""
    window = inside(points, at_s, range_s)
    if len(window) < 2:
        return None
    (first_s, first), (last_s, last) = window[0], window[-1]
    gained = last - first
    if counter:
        gained += sum(before for (_, before), (_, after) in itertools.pairwise(window) if after < before)
    sampled = last_s - first_s
    average = sampled / (len(window) - 1)
    to_start, to_end = first_s - (at_s - range_s), at_s - last_s
    if to_start >= average * 1.1:
        to_start = average / 2
    if counter and gained > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / gained))
    if to_end >= average * 1.1:
        to_end = average / 2
    return gained * (sampled + to_start + to_end) / sampled


def instant(points: list[tuple[float, float | None]], at_s: float) -> float | None:
    """The newest sample of the last five minutes (left-open); None is a stale marker."""
    window = [(t, v) for t, v in points if at_s - 300 < t <= at_s]
    return window[-1][1] if window else None


def close(left: float | None, right: float | None) -> bool:
    """Equal within a billionth, or both missing."""
    if left is None or right is None:
        return left is right
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
