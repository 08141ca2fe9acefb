"""Latency buckets: fine enough for percentiles within 2 %, with the round limits people ask for among their edges."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lib.errors import QueryError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PERCENTILES = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}
_COLUMNS = ("requests", "avg_ms", "max_ms", *PERCENTILES)

_PER_DECADE = 60  # a ratio of 1.039: the middle of a bucket is at most 1.94 % from anything in it
_DECADES = range(-2, 8)


def _edges() -> Floats:
    # Bucket numbers are stored: never change these edges without rebuilding the rollups.
    grid = {10.0 ** (decade + part / _PER_DECADE) for decade in _DECADES for part in range(1, _PER_DECADE)}
    exact = {digit * 10.0**decade for decade in _DECADES for digit in (1.0, 2.0, 2.5, 5.0)}
    return np.array([0.0, *sorted(grid | exact)])


EDGES_MS = _edges()
"""Lower edge of each bucket; the first is 0, the last bucket is open (from 2.7 hours)."""

_UPPER = np.append(EDGES_MS[1:], EDGES_MS[-1] * 1.02)
_MIDDLE = np.sqrt(EDGES_MS * _UPPER)


def buckets_of(duration_ms: Floats) -> npt.NDArray[np.int16]:
    """The bucket of each duration; negative ones count as 0."""
    found = np.searchsorted(EDGES_MS, np.maximum(duration_ms, 0.0), side="right") - 1
    return found.astype(np.int16)


def percentiles(bucket: Ints, requests: Ints, starts: Ints, max_ms: Floats) -> dict[str, Floats]:
    """Nearest-rank percentiles per group of rows, each group sorted by bucket and beginning at one of `starts`.

    `max_ms` is the largest duration per group: no percentile is above it.
    """
    cumulated = np.cumsum(requests)
    ends = np.append(starts[1:], len(bucket)) - 1
    before = cumulated[starts] - requests[starts]
    total = cumulated[ends] - before
    found = {}
    for name, share in PERCENTILES.items():
        rank = np.maximum(np.ceil(total * share - 1e-9), 1)
        row = np.searchsorted(cumulated, before + rank, side="left")
        found[name] = np.minimum(_MIDDLE[bucket[row]], max_ms)
    return found


def band_of_bucket(edges_ms: Sequence[float]) -> Ints:
    """For every bucket the band [edge, next edge) that its middle is in; -1 below the first edge.

    Exact for edges that are 1, 2, 2.5 or 5 times a power of ten; another edge moves by less than 2 %.
    """
    edges = np.asarray(edges_ms, dtype=np.float64)
    if len(edges) == 0 or not np.all(np.isfinite(edges)) or np.any(np.diff(edges) <= 0):
        raise QueryError("the edges of a histogram must be finite numbers that rise")
    found: Ints = np.searchsorted(edges, _MIDDLE, side="right") - 1
    return found.astype(np.int64)


def bands(edges_ms: Sequence[float]) -> pd.DataFrame:
    """`low_ms` and `high_ms` of every band, the last one open."""
    low = np.asarray(edges_ms, dtype=np.float64)
    return pd.DataFrame({"low_ms": low, "high_ms": np.append(low[1:], math.inf)})


def summed(found: Mapping[str, npt.NDArray[Any]], keys: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Latency per group of `keys`, from `bucket`, `requests`, `sum_ms` and `max_ms` per group and bucket, sorted by these."""
    starts = group_starts([found[key] for key in keys], len(found["bucket"]))
    if not len(starts):
        return {key: found[key] for key in keys} | dict.fromkeys(_COLUMNS, np.empty(0))
    requests, largest = np.add.reduceat(found["requests"], starts), np.maximum.reduceat(found["max_ms"], starts)
    return {key: found[key][starts] for key in keys} | {
        "requests": requests,
        "avg_ms": np.add.reduceat(found["sum_ms"], starts) / requests,
        "max_ms": largest,
        **percentiles(found["bucket"], found["requests"], starts, largest),
    }


def banded(
    found: Mapping[str, npt.NDArray[Any]], edges_ms: Sequence[float], *, stepped: bool
) -> dict[str, npt.NDArray[Any]]:
    """Requests per band [edge, next edge), from `bucket` and `requests` [per `ts`]; every band of every `ts` is there."""
    band_of, shown = band_of_bucket(edges_ms), bands(edges_ms)
    ts, row = np.unique(found["ts"], return_inverse=True) if stepped else (np.zeros(1), np.zeros(1, int))
    band = band_of[found["bucket"]]
    counted = np.zeros((len(ts), len(shown)), dtype=np.int64)
    kept = band >= 0
    np.add.at(counted, (np.broadcast_to(row, band.shape)[kept], band[kept]), found["requests"][kept])
    return {
        "ts": np.repeat(ts, len(shown)),
        "low_ms": np.tile(shown["low_ms"], len(ts)),
        "high_ms": np.tile(shown["high_ms"], len(ts)),
        "requests": counted.ravel(),
    }


def group_starts(keys: Sequence[npt.NDArray[Any]], rows: int) -> Ints:
    """Where each group of equal, adjacent keys begins. Without keys all rows are one group."""
    changed = np.zeros(rows, dtype=bool)
    changed[:1] = True
    for key in keys:
        changed[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changed)
