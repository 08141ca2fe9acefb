"""The values that flow through an evaluation: numbers per step, series by steps, and raw samples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lib.errors import QueryError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
LabelSet = dict[str, str]
Signature = tuple[tuple[str, str], ...]
LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
"""A label name that can be written. Prometheus 3 knows quoted names of any letters; here there are none."""


class Op(StrEnum):
    """How a matcher compares a label."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCHES = "=~"
    NOT_MATCHES = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; an absent label has the value ""."""

    name: str
    op: Op
    value: str


@dataclass(frozen=True, slots=True)
class Raw:
    """Samples of n series, back to back: series i owns [offsets[i], offsets[i+1]) of `ts_ms` (ascending) and `values`."""

    labels: list[LabelSet]
    offsets: Ints
    ts_ms: Ints
    values: Floats


@dataclass(slots=True)
class Scalar:
    """One number per step: float64[m]."""

    values: Floats


@dataclass(slots=True)
class Text:
    """A string literal."""

    value: str


@dataclass(slots=True)
class Vector:
    """n series by m steps. `present` says where a sample exists; elsewhere `values` means nothing."""

    labels: list[LabelSet]
    values: Floats
    present: Bools


Value = Scalar | Text | Vector


@dataclass(frozen=True, slots=True)
class Needed:
    """The samples that a question looks at: those in (t − width, t] for each moment t."""

    at_ms: Ints
    width_ms: int

    @property
    def after_ms(self) -> int:
        """Every needed sample is later than this."""
        return int(self.at_ms[0]) - self.width_ms

    @property
    def until_ms(self) -> int:
        """No needed sample is later than this."""
        return int(self.at_ms[-1])

    @property
    def step_ms(self) -> int:
        """The distance of the moments where windows leave samples out between them, else 0 (all are needed)."""
        step = int(self.at_ms[1] - self.at_ms[0]) if self.at_ms.size > 1 else 0
        return step if step > self.width_ms else 0


class Source(Protocol):
    """Where samples come from, and who runs regular expressions (RE2: linear time whatever the pattern)."""

    def select(self, matchers: Sequence[Matcher], needed: Needed) -> Raw:
        """The needed samples (and maybe more), stale markers among them; series without samples are left out."""

    def capture(self, pattern: str, values: Sequence[str]) -> list[list[str] | None]:
        """Per value, the groups 0…9 of an anchored match ("" where there is no such group), or None for no match."""


def without_name(labels: LabelSet) -> LabelSet:
    """The labels that remain when a function changes what the number means."""
    return {name: value for name, value in labels.items() if name != "__name__"}


def key_of(labels: LabelSet) -> Signature:
    """A hashable identity of a label set."""
    return tuple(sorted(labels.items()))


def described(labels: LabelSet) -> str:
    """``name{label="value"}``, as messages show it."""
    inner = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return labels.get("__name__", "") + "{" + inner + "}"


def empty(steps: int) -> Vector:
    """No series."""
    return Vector([], np.empty((0, steps)), np.empty((0, steps), dtype=bool))


def merged(vector: Vector, message: str = "vector cannot contain metrics with the same labelset") -> Vector:
    """Rows with equal labels joined into one; QueryError where two of them hold a sample at the same step."""
    rows: dict[Signature, int] = {}
    target = np.array([rows.setdefault(key_of(labels), len(rows)) for labels in vector.labels], dtype=np.int64)
    if len(rows) == len(vector.labels):
        return vector
    held = np.zeros((len(rows), vector.present.shape[1]), dtype=np.int64)
    np.add.at(held, target, vector.present)
    if (held > 1).any():
        raise QueryError(message)
    values = np.full(held.shape, np.nan)
    row, column = np.nonzero(vector.present)
    values[target[row], column] = vector.values[row, column]
    return Vector([dict(key) for key in rows], values, held > 0)


def compact(vector: Vector) -> Vector:
    """Without the series that have no sample at any step, and NaN wherever there is no sample."""
    vector.values[~vector.present] = np.nan
    kept = vector.present.any(axis=1)
    if kept.all():
        return vector
    rows = np.nonzero(kept)[0]
    return Vector([vector.labels[i] for i in rows], vector.values[rows], vector.present[rows])
