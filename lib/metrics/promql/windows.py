"""Which samples each (series, step) looks at: index bounds into the samples, found for all series at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lib.metrics.ingest import STALE
from lib.metrics.promql.values import Bools, Floats, Ints, LabelSet, Raw

CHUNK = 4_000_000
_STALE_BITS = STALE.view(np.uint64)


def is_stale(values: Floats) -> Bools:
    """Where the value is the stale marker, compared by bits."""
    stale: Bools = values.view(np.uint64) == _STALE_BITS
    return stale


def without_stale(raw: Raw) -> Raw:
    """The samples that a range selector sees: stale markers left out."""
    stale = is_stale(raw.values)
    if not stale.any():
        return raw
    kept = ~stale
    before = np.concatenate(([0], np.cumsum(kept)))
    return Raw(raw.labels, before[raw.offsets], raw.ts_ms[kept], raw.values[kept])


def until(raw: Raw, at_ms: Ints) -> Ints:
    """int64[n, m]: per series and moment, the index after its newest sample with ts ≤ that moment."""
    series = len(raw.labels)
    if raw.ts_ms.size == 0:
        return np.zeros((series, at_ms.size), dtype=np.int64)
    first = int(min(raw.ts_ms.min(), at_ms.min()))
    span = int(max(raw.ts_ms.max(), at_ms.max())) - first + 2
    base = np.arange(series, dtype=np.int64) * span
    keys = raw.ts_ms - first + np.repeat(base, np.diff(raw.offsets))
    wanted = base[:, None] + (at_ms - first)[None, :]
    found = np.searchsorted(keys, wanted.ravel(), side="right").reshape(wanted.shape)
    return found.astype(np.int64, copy=False)


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows (t − range, t] of n series at m moments: samples [low, high) of each, both int64[n, m]."""

    labels: list[LabelSet]
    ts_ms: Ints
    values: Floats
    offsets: Ints
    low: Ints
    high: Ints
    at_ms: Ints
    range_ms: int

    @classmethod
    def of(cls, raw: Raw, at_ms: Ints, range_ms: int) -> Windows:
        """The windows that end at `at_ms`."""
        raw = without_stale(raw)
        low, high = until(raw, at_ms - range_ms), until(raw, at_ms)
        return cls(raw.labels, raw.ts_ms, raw.values, raw.offsets, low, high, at_ms, range_ms)

    @property
    def counts(self) -> Ints:
        """int64[n, m]: samples in each window."""
        return self.high - self.low

    def at(self, index: Ints) -> tuple[Floats, Floats]:
        """Times in seconds and values at sample indices; any sample where the index is out of range."""
        if self.values.size == 0:
            return np.full(index.shape, np.nan), np.full(index.shape, np.nan)
        inside = np.clip(index, 0, self.values.size - 1)
        return self.ts_ms[inside] / 1000, self.values[inside]

    def reduced(self, ufunc: np.ufunc, samples: Floats) -> Floats:
        """`ufunc` over the samples of each window, float64[n, m]; meaningless where a window is empty."""
        low, high = self.low.ravel(), self.high.ravel()
        if samples.size == 0 or low.size == 0:
            return np.full(self.low.shape, np.nan)
        padded = np.append(samples, 0.0)
        bounds = np.stack((low, np.maximum(high, low)), axis=1).ravel()
        reduced: Floats = ufunc.reduceat(padded, bounds)[::2].reshape(self.low.shape)
        return reduced

    def exploded(self) -> Iterator[tuple[Ints, Ints]]:
        """Pieces of (window number in the flat n·m order, sample index), every non-empty window whole in one piece."""
        counts = np.maximum(self.counts, 0).ravel()
        filled = np.nonzero(counts)[0]
        total = np.cumsum(counts[filled])
        start = 0
        while start < filled.size:
            done = total[start - 1] if start else 0
            stop = max(int(np.searchsorted(total, done + CHUNK, side="right")), start + 1)
            windows = filled[start:stop]
            length = counts[windows]
            inner = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
            yield np.repeat(windows, length), np.repeat(self.low.ravel()[windows], length) + inner
            start = stop
