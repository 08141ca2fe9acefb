"""Batches of samples, and the memory of which series were there so that their end can be marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.metrics.base import Labels
from lib.metrics.ingest import STALE, Samples

HOUR_MS = 3_600_000


def samples_of(points: Sequence[tuple[Labels, float]], ts_ms: int) -> Samples:
    """One sample of each of these series, all at one time."""
    count = len(points)
    return Samples(
        tuple(labels for labels, _ in points),
        np.arange(count, dtype=np.int32),
        np.full(count, ts_ms, dtype=np.int64),
        np.array([value for _, value in points], dtype=np.float64),
    )


def joined(batches: Sequence[Samples]) -> Samples:
    """Several batches as one, in their order."""
    offsets = np.cumsum([0, *(len(batch.labels) for batch in batches)])
    return Samples(
        tuple(labels for batch in batches for labels in batch.labels),
        np.concatenate([b.series + o for b, o in zip(batches, offsets[:-1], strict=True)]).astype(np.int32),
        np.concatenate([batch.ts_ms for batch in batches]),
        np.concatenate([batch.values for batch in batches]),
    )


def before(samples: Samples, limit_ms: int) -> Samples:
    """The samples that are not later than `limit_ms`."""
    kept = samples.ts_ms <= limit_ms
    if kept.all():
        return samples
    return Samples(samples.labels, samples.series[kept], samples.ts_ms[kept], samples.values[kept])


class Presence:
    """The series that one target had at its last good scrape, and all that it had within an hour."""

    def __init__(self) -> None:
        self._there: dict[frozenset[tuple[str, str]], Labels] = {}
        self._recent: dict[frozenset[tuple[str, str]], int] = {}

    def count_with(self, labels: Sequence[Labels], ts_ms: int) -> int:
        """How many series the target would have had within the hour if these were taken in."""
        self._recent = {key: seen for key, seen in self._recent.items() if seen > ts_ms - HOUR_MS}
        return len(self._recent.keys() | {frozenset(item.items()) for item in labels})

    def vanished(self, labels: Sequence[Labels], ts_ms: int) -> Samples:
        """Stale markers for the series that were there before and are not among `labels`, which are there now."""
        now = {frozenset(item.items()): item for item in labels}
        gone = [(item, float(STALE)) for key, item in self._there.items() if key not in now]
        self._there = now
        self._recent |= dict.fromkeys(now, ts_ms)
        ended = samples_of(gone, ts_ms)
        ended.values.fill(STALE)  # the marker is a NaN of certain bits, which must not pass through arithmetic
        return ended
