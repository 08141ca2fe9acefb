"""Which samples of a batch may be stored: the first of each (series, time), and for live ones nothing older."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib.metrics.promql.values import Bools, Ints

NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples by series number, in the order of series and then of arrival."""

    series: npt.NDArray[np.int64]
    ts_ms: Ints
    values: npt.NDArray[np.float64]

    @classmethod
    def of(cls, series: Ints, ts_ms: Ints, values: npt.NDArray[np.float64]) -> Batch:
        """Sorted by series; the samples of one series keep their order."""
        order = np.argsort(series, kind="stable")
        return cls(series[order], ts_ms[order], values[order])

    def by_time(self) -> Batch:
        """Sorted by series, then time; equal times keep their order."""
        order = np.lexsort((self.ts_ms, self.series))
        return self.where(order)

    def where(self, chosen: Bools | npt.NDArray[np.intp]) -> Batch:
        """Only some of the samples."""
        return Batch(self.series[chosen], self.ts_ms[chosen], self.values[chosen])

    def __len__(self) -> int:
        return self.series.size


def live(batch: Batch, newest: Ints) -> tuple[Batch, int, int]:
    """The samples newer than all before them of their series, and how many were duplicates and out of order.

    `newest` is indexed by series number: its newest stored time in ms, NEVER for none.
    """
    before = _newest_before(batch, newest)
    duplicate, older = batch.ts_ms == before, batch.ts_ms < before
    refused = duplicate | older
    if not refused.any():
        return batch, 0, 0
    return batch.where(~refused), int(duplicate.sum()), int(older.sum())


def _newest_before(batch: Batch, newest: Ints) -> Ints:
    """Per sample, the newest time that its series had when the sample came."""
    before = newest[batch.series].copy()
    same = batch.series[1:] == batch.series[:-1]
    if same.any():
        low = int(batch.ts_ms.min())
        span = int(batch.ts_ms.max()) - low + 1
        rank = np.concatenate(([0], np.cumsum(~same)))
        running = np.maximum.accumulate(batch.ts_ms - low + rank * span) - rank * span + low
        before[1:] = np.where(same, np.maximum(before[1:], running[:-1]), before[1:])
    return before


def imported(batch: Batch) -> tuple[Batch, int]:
    """The first sample of each (series, time), and how many were repeats within the batch."""
    batch = batch.by_time()
    repeat = np.zeros(len(batch), dtype=bool)
    repeat[1:] = (batch.series[1:] == batch.series[:-1]) & (batch.ts_ms[1:] == batch.ts_ms[:-1])
    return (batch.where(~repeat), int(repeat.sum())) if repeat.any() else (batch, 0)
