"""A metric sink that keeps what it was given, and the questions that tests ask of it."""

from __future__ import annotations

import threading

import numpy as np

from lib.errors import SourceUnavailable
from lib.metrics.ingest import STALE, Appended, Samples

Point = tuple[int, float | str]


class KeptSamples:
    """Keeps every batch. While `broken` is set it answers as a store that is down."""

    def __init__(self) -> None:
        self.batches: list[Samples] = []
        self.broken = False
        self._lock = threading.Lock()

    def append(self, samples: Samples, *, live: bool = True) -> Appended:
        if self.broken:
            raise SourceUnavailable("the disk is full", "metrics")
        assert live
        with self._lock:
            self.batches.append(samples)
        return Appended(stored=len(samples.values))

    def points(self, name: str, **labels: str) -> list[Point]:
        """(ts_ms, value) of every sample of a metric that has these labels; "stale" for a stale marker."""
        found: list[Point] = []
        for batch in list(self.batches):
            for series, ts_ms, value in zip(batch.series, batch.ts_ms, batch.values, strict=True):
                have = batch.labels[series]
                if have["__name__"] == name and all(have.get(k) == v for k, v in labels.items()):
                    found.append((int(ts_ms), "stale" if is_stale(value) else float(value)))
        return found

    def values(self, name: str, **labels: str) -> list[float | str]:
        return [value for _, value in self.points(name, **labels)]


def is_stale(value: np.float64) -> bool:
    return bool(np.float64(value).view(np.uint64) == STALE.view(np.uint64))
