"""Sums, means and variances that stay exact where floating point would lose what is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lib.metrics.promql.values import Floats, Ints

_CANCELLED, _MOST_CELLS = 1e-3, 10_000
_SHRUNK = 2.0**64  # a power of two: dividing by it loses nothing


def careful(total: Floats, size: Floats, terms: Callable[[int], Floats]) -> Floats:
    """`total` with the sums whose terms cancel added anew, as exactly as Prometheus' compensated sums.

    `size` holds the sums of the absolute values; `terms(cell)` gives the terms of a sum by its place in the flat order.
    """
    cells = np.flatnonzero(np.abs(total) < size * _CANCELLED)
    for cell in cells if cells.size <= _MOST_CELLS else ():  # one by one: more would take longer than they are worth
        total.flat[cell] = math.fsum(terms(int(cell)))
    return total


def mean(total: Callable[[Floats], Floats], values: Floats, counts: Ints) -> Floats:
    """`total(values) / counts`, also where the sum of finite values is beyond every number."""
    found = total(values) / counts
    beyond = np.isinf(found)
    return np.where(beyond, total(values / _SHRUNK) / counts * _SHRUNK, found) if beyond.any() else found


def variance(squares: Floats, rest: Floats, counts: Ints) -> Floats:
    """From the sums of squared and of plain deviations; the latter would be 0 if the mean were not rounded."""
    return np.maximum((squares - rest * rest / counts) / counts, 0.0)
