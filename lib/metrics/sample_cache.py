"""Samples read before, so that a refresh reads only what is new; never stale, because writers cut what they touch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from lib.metrics.promql.values import Floats, Ints

MOST_SAMPLES = 6_000_000
"""16 bytes each, about 100 MB."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Samples of a list of series, back to back: series i owns [offsets[i], offsets[i + 1])."""

    offsets: Ints
    ts_ms: Ints
    values: Floats

    def between(self, after_ms: int, until_ms: int) -> Columns:
        """The samples with after_ms < ts ≤ until_ms."""
        if not self.ts_ms.size:
            return self
        kept = (self.ts_ms > after_ms) & (self.ts_ms <= until_ms)
        if kept.all():
            return self
        before = np.concatenate(([0], np.cumsum(kept)))
        return Columns(before[self.offsets], self.ts_ms[kept], self.values[kept])

    def followed_by(self, later: Columns) -> Columns:
        """Per series, these samples and then the later ones."""
        if not later.ts_ms.size:
            return self
        offsets = self.offsets + later.offsets
        ts_ms, values = np.empty(offsets[-1], dtype=np.int64), np.empty(offsets[-1])
        for part, start in ((self, offsets[:-1]), (later, offsets[:-1] + np.diff(self.offsets))):
            place = np.arange(part.ts_ms.size) + np.repeat(start - part.offsets[:-1], np.diff(part.offsets))
            ts_ms[place], values[place] = part.ts_ms, part.values
        return Columns(offsets, ts_ms, values)


@dataclass(slots=True, eq=False)  # two that are read at once look alike, and each must be found again
class _Block:
    after_ms: int
    until_ms: int
    span_ms: int
    columns: Columns | None = None

    def cut(self, first_ms: int, last_ms: int) -> None:
        """Something was written between these times."""
        if last_ms > self.after_ms:
            self.until_ms = min(self.until_ms, first_ms - 1)


Fetch = Callable[[int, int], Columns]


class SampleCache:
    """Blocks of samples by question, the least recently used dropped first."""

    def __init__(self, most_samples: int = MOST_SAMPLES) -> None:
        self._most = most_samples
        self._blocks: OrderedDict[Hashable, _Block] = OrderedDict()
        self._loading: list[_Block] = []
        self._lock = threading.Lock()

    def get(self, key: Hashable, after_ms: int, until_ms: int, fetch: Fetch) -> Columns:
        """The samples with after_ms < ts ≤ until_ms; `fetch` reads the part that is not held."""
        with self._lock:
            known = self._held(key, after_ms)
            if known and known.columns and known.until_ms >= until_ms:
                return known.columns.between(after_ms, until_ms)
            loading = _longer(known, after_ms, until_ms)
            self._loading.append(loading)
        try:
            if known and known.columns:
                kept = known.columns.between(loading.after_ms, known.until_ms)
                columns = kept.followed_by(fetch(known.until_ms, until_ms))
            else:
                columns = fetch(after_ms, until_ms)
        except BaseException:
            with self._lock:
                self._loading.remove(loading)
            raise
        with self._lock:
            self._loading.remove(loading)
            loading.columns = columns
            self._store(key, loading)
        return columns.between(after_ms, until_ms)

    def _held(self, key: Hashable, after_ms: int) -> _Block | None:
        """A copy of the block that covers the beginning of the question."""
        block = self._blocks.get(key)
        if block is None or block.after_ms > after_ms or block.until_ms <= after_ms:
            return None
        self._blocks.move_to_end(key)
        return _Block(block.after_ms, block.until_ms, block.span_ms, block.columns)

    def _store(self, key: Hashable, block: _Block) -> None:
        if block.until_ms <= block.after_ms:
            return
        self._blocks[key] = block
        self._blocks.move_to_end(key)
        held = sum(b.columns.ts_ms.size for b in self._blocks.values() if b.columns)
        while held > self._most:
            _, dropped = self._blocks.popitem(last=False)
            held -= dropped.columns.ts_ms.size if dropped.columns else 0

    def written(self, first_ms: int, last_ms: int) -> None:
        """Samples between these times were committed: what was read there before no longer counts."""
        with self._lock:
            for block in (*self._blocks.values(), *self._loading):
                block.cut(first_ms, last_ms)

    def clear(self) -> None:
        """Samples were removed."""
        with self._lock:
            self._blocks.clear()
            for block in self._loading:
                block.until_ms = block.after_ms


def _longer(known: _Block | None, after_ms: int, until_ms: int) -> _Block:
    """The block to make: as long as the longest question asked of it, so that a short one does not shrink it."""
    span_ms = until_ms - after_ms
    if known is None:
        return _Block(after_ms, until_ms, span_ms)
    span_ms = max(span_ms, known.span_ms)
    return _Block(min(max(known.after_ms, until_ms - span_ms), after_ms), until_ms, span_ms)
