"""histogram_quantile over classic buckets, the buckets of all groups and steps at once."""

from __future__ import annotations

import numpy as np

from lib.metrics.promql.values import Bools, Floats, Ints, LabelSet, Signature, Vector, key_of

MONOTONIC = "forced monotonic"
_TOLERANCE, _LARGEST = 1e-12, np.finfo(np.float64).max


def histogram_quantile(q: Floats, vector: Vector) -> tuple[Vector, bool]:
    """The q-quantile (q per step) of each histogram, and whether bucket counts had to be forced monotonic.

    Groups by the labels minus `le` and the name; series without a readable `le` are left out.
    """
    groups: dict[Signature, list[tuple[float, int]]] = {}
    for row, labels in enumerate(vector.labels):
        bound = _bound(labels.get("le"))
        if bound is not None:
            groups.setdefault(key_of(_kept(labels)), []).append((bound, row))
    steps, forced, rows, present = vector.values.shape[1], False, [], []
    for members in groups.values():
        values, held, fixed = _group(q, vector, sorted(members))
        rows.append(values)
        present.append(held)
        forced = forced or fixed
    shape = (len(groups), steps)
    return Vector(
        [dict(key) for key in groups], np.reshape(rows, shape), np.reshape(present, shape).astype(bool)
    ), forced


def _kept(labels: LabelSet) -> LabelSet:
    return {name: value for name, value in labels.items() if name not in ("le", "__name__")}


def _bound(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _group(q: Floats, vector: Vector, members: list[tuple[float, int]]) -> tuple[Floats, Bools, bool]:
    """One histogram at every step. Steps that hold the same set of buckets are solved together."""
    rows = np.array([row for _, row in members])
    bounds = np.array([bound for bound, _ in members])
    held = vector.present[rows]
    out, forced = np.full(q.size, np.nan), False
    patterns, which = np.unique(held, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        chosen, columns = patterns[:, number], np.nonzero(which.ravel() == number)[0]
        if chosen.any():
            counts = vector.values[np.ix_(rows[chosen], columns)]
            out[columns], fixed = _solved(q[columns], bounds[chosen], counts)
            forced = forced or fixed
    return out, held.any(axis=0), forced


def _solved(q: Floats, bounds: Floats, counts: Floats) -> tuple[Floats, bool]:
    """Quantiles per step of buckets [b, steps] with ascending bounds."""
    if np.isnan(bounds).any() or not np.isposinf(bounds[-1]):
        answer, fixed = np.full(q.size, np.nan), False
    else:
        unique, start = np.unique(bounds, return_index=True)
        counts, fixed = _monotonic(np.add.reduceat(counts, start, axis=0))
        answer = _walked(q, unique, counts)
    answer = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, answer))
    return np.where(np.isnan(q), np.nan, answer), fixed


def _monotonic(counts: Floats) -> tuple[Floats, bool]:
    counts, forced = counts.copy(), False
    for i in range(1, len(counts)):
        previous, current = counts[i - 1], counts[i]
        apart, size = np.abs(current - previous), np.minimum(np.abs(current) + np.abs(previous), _LARGEST)
        near = (current == previous) | (apart / size < _TOLERANCE)
        below = ~near & (current < previous)
        forced = forced or bool(below.any())
        counts[i] = np.where(near | below, previous, current)
    return counts, forced


def _walked(q: Floats, bounds: Floats, counts: Floats) -> Floats:
    if len(bounds) < 2:
        return np.full(q.size, np.nan)
    total = counts[-1]
    rank = q * total
    inside: Ints = np.argmax(counts[:-1] >= rank, axis=0)
    bucket = np.where((counts[:-1] >= rank).any(axis=0), inside, len(bounds) - 1)
    column = np.arange(q.size)
    below = np.maximum(bucket - 1, 0)
    low = np.where(bucket > 0, bounds[below], 0.0)
    base = np.where(bucket > 0, counts[below, column], 0.0)
    high = bounds[np.minimum(bucket, len(bounds) - 2)]
    value = low + (high - low) * ((rank - base) / (counts[bucket, column] - base))
    value = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], value)
    value = np.where(bucket == len(bounds) - 1, bounds[-2], value)
    return np.where((total == 0) | np.isnan(total), np.nan, value)
