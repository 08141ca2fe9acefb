"""What goes into a metric store: samples of labelled series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lib.metrics.base import Labels

STALE = np.uint64(0x7FF0000000000002).view(np.float64)
"""Prometheus' stale marker: the NaN that says "this series ended here". Compare bits, not values."""


@dataclass(frozen=True, slots=True)
class Samples:
    """n samples of k series: `labels` k label sets (`__name__` among them), `series` int32[n] into them, `ts_ms`, `values`."""

    labels: tuple[Labels, ...]
    series: npt.NDArray[np.int32]
    ts_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch, in samples: stored, dropped as duplicate (same series and time), dropped as out of order."""

    stored: int
    duplicate: int = 0
    out_of_order: int = 0


class MetricSink(Protocol):
    """A store that samples can be written to."""

    def append(self, samples: Samples, *, live: bool = True) -> Appended:
        """All or nothing, in one transaction. `live` refuses samples older than a series' newest; an import does not.

        Of two samples of a series at one time the first wins. Raises SourceError.
        """
