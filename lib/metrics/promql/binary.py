"""Operators between two values: arithmetic, comparison, set operators, and how the series of both sides are matched."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from lib.errors import QueryError
from lib.metrics.promql.values import (
    Bools,
    Floats,
    Ints,
    LabelSet,
    Scalar,
    Signature,
    Vector,
    described,
    empty,
    key_of,
    merged,
    without_name,
)

ARITHMETIC: dict[str, np.ufunc] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod, "^": np.power,
}  # fmt: skip
COMPARISON: dict[str, np.ufunc] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
SETS = ("and", "or", "unless")
_NOT_EXPLICIT = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
_NOT_UNIQUE = "multiple matches for labels: grouping labels must ensure unique matches"


@dataclass(frozen=True, slots=True)
class Matching:
    """How two vectors are joined. `many` is the side with several series per group ("" = one to one)."""

    labels: tuple[str, ...] = ()
    on: bool = False
    many: str = ""
    include: tuple[str, ...] = ()

    def kept(self, labels: LabelSet) -> LabelSet:
        """The labels that both sides must share."""
        if self.on:
            return {name: labels[name] for name in self.labels if name in labels}
        return {name: value for name, value in labels.items() if name not in self.labels and name != "__name__"}

    def signature(self, labels: LabelSet) -> Signature:
        """The same as something that can be looked up."""
        return key_of(self.kept(labels))


def scalars(op: str, left: Scalar, right: Scalar) -> Scalar:
    """Two numbers; a comparison gives 0 or 1."""
    ufunc = ARITHMETIC.get(op) or COMPARISON[op]
    return Scalar(np.asarray(ufunc(left.values, right.values), dtype=np.float64))


def with_scalar(op: str, vector: Vector, scalar: Scalar, *, swapped: bool, as_bool: bool) -> Vector:
    """Every series against one number. A comparison without `bool` filters, and keeps the series' own value and name."""
    number = np.broadcast_to(scalar.values, vector.values.shape)
    left, right = (number, vector.values) if swapped else (vector.values, number)
    if op in ARITHMETIC:
        return _unnamed(vector, ARITHMETIC[op](left, right))
    holds = COMPARISON[op](left, right)
    if as_bool:
        return _unnamed(vector, holds.astype(np.float64))
    return Vector(vector.labels, vector.values.copy(), vector.present & holds)


def _unnamed(vector: Vector, values: Floats) -> Vector:
    return merged(Vector([without_name(labels) for labels in vector.labels], values, vector.present))


def _by_signature(vector: Vector, matching: Matching) -> dict[Signature, list[int]]:
    rows: dict[Signature, list[int]] = {}
    for row, labels in enumerate(vector.labels):
        rows.setdefault(matching.signature(labels), []).append(row)
    return rows


def sets(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """and, or, unless: per step, by whether the other side has a series with the same signature."""
    if op == "or":
        extra = Vector(right.labels, right.values, right.present & ~_matched(right, left, matching))
        return merged(
            Vector(
                left.labels + extra.labels,
                np.concatenate((left.values, extra.values)),
                np.concatenate((left.present, extra.present)),
            )
        )
    matched = _matched(left, right, matching)
    return Vector(left.labels, left.values.copy(), left.present & (matched if op == "and" else ~matched))


def _matched(vector: Vector, other: Vector, matching: Matching) -> Bools:
    """bool[n, m]: whether `other` has a sample with the row's signature at that step."""
    rows = _by_signature(other, matching)
    held = {signature: other.present[members].any(axis=0) for signature, members in rows.items()}
    nothing = np.zeros(vector.present.shape[1], dtype=bool)
    found = [held.get(matching.signature(labels), nothing) for labels in vector.labels]
    return np.array(found, dtype=bool).reshape(vector.present.shape)


def vectors(op: str, left: Vector, right: Vector, matching: Matching, *, as_bool: bool) -> Vector:
    """Series of both sides with the same signature, operated on step by step; the rest is dropped."""
    if not left.labels or not right.labels:
        return empty(left.values.shape[1])
    swapped = matching.many == "right"
    many, one = (right, left) if swapped else (left, right)
    many_rows, one_rows = _pairs(many, one, matching, swapped=swapped)
    if not many_rows.size:
        return empty(left.values.shape[1])
    present = many.present[many_rows] & one.present[one_rows]
    lhs, rhs = many.values[many_rows], one.values[one_rows]
    values, kept = _operated(op, *((rhs, lhs) if swapped else (lhs, rhs)), as_bool=as_bool)
    drop = op in ARITHMETIC or as_bool
    labels = [
        _result(many.labels[i], one.labels[j], matching, drop_name=drop)
        for i, j in zip(many_rows, one_rows, strict=True)
    ]
    # As Prometheus 3 (not 2) does, before a comparison filters: whether a question is refused does not hang on values.
    signatures = [matching.signature(many.labels[i]) for i in many_rows]
    if matching.many:
        _check_unique(list(zip(signatures, map(key_of, labels), strict=True)), present, _NOT_UNIQUE)
    else:
        _check_unique(signatures, present, _NOT_EXPLICIT)
    return merged(Vector(labels, values, present & kept), _NOT_UNIQUE)


def _operated(op: str, left: Floats, right: Floats, *, as_bool: bool) -> tuple[Floats, Bools]:
    if op in ARITHMETIC:
        return ARITHMETIC[op](left, right), np.ones(left.shape, dtype=bool)
    holds = COMPARISON[op](left, right)
    if as_bool:
        return holds.astype(np.float64), np.ones(left.shape, dtype=bool)
    return left.copy(), holds


def _pairs(many: Vector, one: Vector, matching: Matching, *, swapped: bool) -> tuple[Ints, Ints]:
    """Rows of both sides that meet. QueryError where the "one" side is not one at some step."""
    ones = _by_signature(one, matching)
    pairs: list[tuple[int, int]] = []
    asked = many.present.any(axis=0)
    for signature, rows in ones.items():
        if len(rows) > 1 and ((one.present[rows].sum(axis=0) > 1) & asked).any():
            raise QueryError(_duplicates(dict(signature), one, rows, "left" if swapped else "right"))
    for i, labels in enumerate(many.labels):
        pairs.extend((i, j) for j in ones.get(matching.signature(labels), ()))
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _duplicates(signature: LabelSet, one: Vector, rows: list[int], side: str) -> str:
    first, second = (described(one.labels[row]) for row in rows[:2])
    return (
        f"found duplicate series for the match group {described(signature)} on the {side} hand-side of the operation: "
        f"[{first}, {second}];many-to-many matching not allowed: matching labels must be unique on one side"
    )


def _check_unique(keys: Sequence[Hashable], present: Bools, message: str) -> None:
    rows: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    for members in rows.values():
        if len(members) > 1 and (present[members].sum(axis=0) > 1).any():
            raise QueryError(message)


def _result(many: LabelSet, one: LabelSet, matching: Matching, *, drop_name: bool) -> LabelSet:
    labels = without_name(many) if drop_name else dict(many)
    if not matching.many:
        if matching.on:
            return {name: labels[name] for name in matching.labels if name in labels}
        return {name: value for name, value in labels.items() if name not in matching.labels}
    for name in matching.include:
        labels.pop(name, None)
        if one.get(name):
            labels[name] = one[name]
    return labels
