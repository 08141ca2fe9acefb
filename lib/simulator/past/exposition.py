"""Prometheus text with a time stamp on every sample, written a series at a time."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lib.simulator.past.story import Floats

Mask = npt.NDArray[np.bool_]


class Family(NamedTuple):
    """Name and type of a family, and the suffix that a series of it has (a histogram's have three)."""

    name: str
    kind: str
    suffix: str = ""


class Exposition:
    """Collects the samples of one chunk on one grid of times."""

    def __init__(self, grid_s: Floats) -> None:
        self.grid_s = grid_s
        self.samples = 0
        self._stamps = [f" {round(moment * 1000)}\n" for moment in grid_s.tolist()]
        self._types: dict[str, str] = {}
        self._parts: dict[str, list[str]] = {}

    def add(self, family: Family, labels: Mapping[str, str], values: npt.ArrayLike, seen: Mask) -> None:
        """One series: `values` at every time of the grid, written only where it was `seen` by a scrape."""
        self._types.setdefault(family.name, family.kind)
        inside = ",".join(f'{name}="{value}"' for name, value in labels.items())
        head = f"{family.name}{family.suffix}{{{inside}}} "
        shown = np.broadcast_to(np.asarray(values), self.grid_s.shape)
        lines = [
            f"{head}{value}{stamp}"
            for value, stamp, kept in zip(shown.tolist(), self._stamps, seen.tolist(), strict=True)
            if kept
        ]
        self.samples += len(lines)
        self._parts.setdefault(family.name, []).extend(lines)

    def text(self) -> str:
        """All families, each under its TYPE line."""
        out = StringIO()
        for family, lines in self._parts.items():
            out.write(f"# TYPE {family} {self._types[family]}\n")
            out.writelines(lines)
        return out.getvalue()
