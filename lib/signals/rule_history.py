"""What the past says about a rule: how often its condition held, and which values its expression takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from lib.stores import Stores
from lib.window import Window

MOST_MOMENTS, MOST_POINTS = 10_080, 2_016
"""A week at a minute for a condition, which gives little, and at 5 minutes for values, of which each series gives all."""

FLOOR = timedelta(seconds=15)

_NO_SPREAD: dict[str, Any] = {"values": 0} | dict.fromkeys(("p50", "p95", "p99", "max", "min", "counts", "edges"))


def rule_share(stores: Stores, window: Window, *, expression: str) -> dict[str, float | None]:
    """`share` (0–1) of the kept moments of the window at which a condition gave any series; None where nothing is kept.

    `covered_s` is how much of the window the store reaches back, `look_s` how far apart the moments are (a minute in a week).
    Raises QueryError, SourceError.
    """
    reach = _kept(stores, window)
    if reach is None:
        return {"share": None, "covered_s": 0.0, "look_s": None}
    look = reach.step(MOST_MOMENTS, floor=FLOOR)
    found = stores.metrics.range(expression, reach, look)
    held = found.present.any(axis=0).mean() if len(found.labels) else 0.0
    return {"share": float(held), "covered_s": reach.length.total_seconds(), "look_s": look.total_seconds()}


def rule_spread(stores: Stores, window: Window, *, expression: str) -> dict[str, Any]:
    """The values of an expression over the window, all series together: `p50`, `p95`, `p99`, `max`, `min`, and `counts`
    of 40 equal bins with their `edges`; `values` is how many there were, `covered_s` how far the store reaches back, `look_s`
    how far apart the moments are (5 minutes in a week).

    Without a number `values` is 0 and the others are None. Infinite values count in the maximum only. Raises QueryError, SourceError.
    """
    reach = _kept(stores, window)
    if reach is None:
        return _NO_SPREAD | {"covered_s": 0.0, "look_s": None}
    look = reach.step(MOST_POINTS, floor=FLOOR)
    found = stores.metrics.range(expression, reach, look)
    numbers = found.values[found.present & ~np.isnan(found.values)]
    finite = numbers[np.isfinite(numbers)]
    reached = {"covered_s": reach.length.total_seconds(), "look_s": look.total_seconds()}
    if not finite.size:
        return _NO_SPREAD | reached
    p50, p95, p99 = np.quantile(finite, (0.5, 0.95, 0.99))
    counts, edges = np.histogram(finite, bins=40)
    return {
        "values": int(numbers.size), **reached,
        "p50": float(p50), "p95": float(p95), "p99": float(p99), "max": float(numbers.max()), "min": float(numbers.min()),
        "counts": counts.tolist(), "edges": edges.tolist(),
    }  # fmt: skip


def _kept(stores: Stores, window: Window) -> Window | None:
    """The part of the window that the store reaches back to; None where it keeps nothing of it."""
    oldest = stores.metrics.oldest()
    if oldest is None or oldest >= window.end:
        return None
    return Window(max(window.start, oldest), window.end, window.zone)
