"""Aggregations over series: sum, avg, min, max, count, group, stddev, stdvar, quantile, topk, bottomk, count_values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lib.errors import QueryError
from lib.metrics.promql.over_time import interpolated
from lib.metrics.promql.sums import careful, mean, variance
from lib.metrics.promql.values import LABEL, Bools, Floats, Ints, LabelSet, Signature, Vector, key_of


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows sorted so that each group is one run: `start` is where group g's run begins, `row_group` row → group."""

    labels: list[LabelSet]
    row_group: Ints
    start: Ints
    values: Floats
    present: Bools

    @classmethod
    def of(cls, vector: Vector, labels: tuple[str, ...], *, without: bool) -> Groups:
        """Groups in order of first appearance."""
        found: dict[Signature, int] = {}
        keys = [key_of(_kept(series, labels, without=without)) for series in vector.labels]
        group = np.array([found.setdefault(key, len(found)) for key in keys], dtype=np.int64)
        order = np.argsort(group, kind="stable")
        start = np.searchsorted(group[order], np.arange(len(found)))
        present = vector.present[order]
        values = np.where(present, vector.values[order], np.nan)  # a filtered sample must not be the smallest one
        return cls([dict(key) for key in found], group, start, values, present)

    def reduced(self, ufunc: np.ufunc, values: Floats) -> Floats:
        """`ufunc` over the rows of each group: [groups, steps]."""
        reduced: Floats = ufunc.reduceat(values, self.start, axis=0)
        return reduced

    @property
    def counts(self) -> Ints:
        """int64[groups, steps]: samples present."""
        counts: Ints = np.add.reduceat(self.present, self.start, axis=0, dtype=np.int64)
        return counts


def _kept(labels: LabelSet, names: tuple[str, ...], *, without: bool) -> LabelSet:
    if without:
        return {name: value for name, value in labels.items() if name not in names and name != "__name__"}
    return {name: labels[name] for name in names if name in labels}


def _sum(groups: Groups) -> Floats:
    return _total(groups, np.where(groups.present, groups.values, 0.0))


def _total(groups: Groups, values: Floats) -> Floats:
    steps, ends = values.shape[1], np.append(groups.start[1:], len(values))

    def terms(cell: int) -> Floats:
        group, step = divmod(cell, steps)
        return values[groups.start[group] : ends[group], step]

    return careful(groups.reduced(np.add, values), groups.reduced(np.add, np.abs(values)), terms)


def _avg(groups: Groups) -> Floats:
    present = np.where(groups.present, groups.values, 0.0)
    return mean(lambda values: _total(groups, values), present, groups.counts)


def _min(groups: Groups) -> Floats:
    return groups.reduced(np.fmin, groups.values)


def _max(groups: Groups) -> Floats:
    return groups.reduced(np.fmax, groups.values)


def _count(groups: Groups) -> Floats:
    return groups.counts.astype(np.float64)


def _group(groups: Groups) -> Floats:
    return np.ones(groups.counts.shape)


def _stdvar(groups: Groups) -> Floats:
    centre = _avg(groups)
    rows = np.diff(np.append(groups.start, len(groups.values)))
    deviation = np.where(groups.present, groups.values - np.repeat(centre, rows, axis=0), 0.0)
    squares, rest = groups.reduced(np.add, deviation * deviation), groups.reduced(np.add, deviation)
    return variance(squares, rest, groups.counts)


def _stddev(groups: Groups) -> Floats:
    return np.sqrt(_stdvar(groups))


SIMPLE: dict[str, Callable[[Groups], Floats]] = {
    "sum": _sum, "avg": _avg, "min": _min, "max": _max, "count": _count,
    "group": _group, "stddev": _stddev, "stdvar": _stdvar,
}  # fmt: skip


def simple(op: str, vector: Vector, labels: tuple[str, ...], *, without: bool) -> Vector:
    """One of SIMPLE over each group; a step where a group has no sample has no result."""
    if not vector.labels:
        return vector
    groups = Groups.of(vector, labels, without=without)
    return Vector(groups.labels, SIMPLE[op](groups), groups.counts > 0)


def quantile(vector: Vector, q: Floats, labels: tuple[str, ...], *, without: bool) -> Vector:
    """The q-quantile (q per step) of each group, interpolated; NaN sorts before every number."""
    if not vector.labels:
        return vector
    groups = Groups.of(vector, labels, without=without)
    steps = vector.values.shape[1]
    row, column = np.nonzero(groups.present)
    values = groups.values[row, column]
    group = np.searchsorted(groups.start, row, side="right") - 1
    order = np.lexsort((values, ~np.isnan(values), column, group))
    cell, start, counts = np.unique((group * steps + column)[order], return_index=True, return_counts=True)
    out = np.full(len(groups.labels) * steps, np.nan)
    out[cell] = interpolated(values[order], start, counts, q[cell % steps])
    return Vector(groups.labels, out.reshape(-1, steps), groups.counts > 0)


def extreme(vector: Vector, k: Floats, labels: tuple[str, ...], *, without: bool, largest: bool) -> Vector:
    """topk/bottomk: per step and group the k extreme series, each with all its labels; NaN is the last choice."""
    if not vector.labels:
        return vector
    if np.isnan(k).any() or (k > np.iinfo(np.int64).max).any():
        raise QueryError(f"Scalar value {k[0]} overflows int64")
    groups = Groups.of(vector, labels, without=without)
    row, column = np.nonzero(vector.present)
    values = vector.values[row, column]
    group, signed = groups.row_group[row], -values if largest else values
    order = np.lexsort((row, signed, np.isnan(values), group, column))
    run = group[order] * k.size + column[order]
    begins = np.concatenate(([True], run[1:] != run[:-1])) if run.size else np.empty(0, dtype=bool)
    rank = np.arange(run.size) - np.maximum.accumulate(np.where(begins, np.arange(run.size), 0))
    chosen = order[rank < np.floor(k[column[order]])]
    present = np.zeros_like(vector.present)
    present[row[chosen], column[chosen]] = True
    picked = Vector(vector.labels, vector.values.copy(), present)
    return _ranked(picked, largest=largest) if k.size == 1 else picked


def _ranked(vector: Vector, *, largest: bool) -> Vector:
    """An instant answer lists the extreme series first."""
    first = vector.values[:, 0]
    order = np.lexsort((-first if largest else first, np.isnan(first)))
    return Vector([vector.labels[i] for i in order], vector.values[order], vector.present[order])


def ordered(vector: Vector, *, descending: bool) -> Vector:
    """sort/sort_desc: by value, NaN last. Only an instant answer has an order, as in Prometheus."""
    return _ranked(vector, largest=descending) if vector.values.shape[1] == 1 else vector


def count_values(vector: Vector, label: str, labels: tuple[str, ...], *, without: bool) -> Vector:
    """How many series have each value; the value becomes the label `label`."""
    if not LABEL.match(label):
        raise QueryError(f"invalid label name {label[:100]} in count_values()")
    if not vector.labels:
        return vector
    steps = vector.values.shape[1]
    found: dict[Signature, Floats] = {}
    bases = [_kept(series, labels, without=without) for series in vector.labels]
    for row, column in zip(*np.nonzero(vector.present), strict=True):
        key = key_of(bases[row] | {label: shown(float(vector.values[row, column]))})
        found.setdefault(key, np.zeros(steps))[column] += 1
    counts = np.array(list(found.values())).reshape(len(found), steps)
    return Vector([dict(key) for key in found], counts, counts > 0)


def shown(value: float) -> str:
    """A number as Go's ``strconv.FormatFloat(v, 'f', -1, 64)`` writes it."""
    if np.isnan(value):
        return "NaN"
    return ("+Inf" if value > 0 else "-Inf") if np.isinf(value) else np.format_float_positional(value, trim="-")
