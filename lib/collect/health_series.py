"""What a check says as series: the same from the live probe and from an imported past."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from lib.metrics.base import Labels
from lib.metrics.ingest import Samples
from lib.state.answer import Status
from lib.state.fold import Episode, Key

UP, SECONDS = "health_check_up", "health_check_response_seconds"
METRICS = (UP, SECONDS)
"""What the probe writes: samples that only the process that probes has."""


def points(labels: Labels, status: Status, response_ms: float) -> list[tuple[Labels, float]]:
    """The samples of one reading: whether it is up (none while unknown), and how long it took (none while implausible)."""
    found: list[tuple[Labels, float]] = []
    if status is not Status.UNKNOWN:
        found.append(({**labels, "__name__": UP}, float(status is Status.HEALTHY)))
    if not math.isnan(response_ms):
        found.append(({**labels, "__name__": SECONDS}, response_ms / 1000))
    return found


def past(readings: Mapping[Key, Sequence[Episode]], job: str) -> Samples:
    """The readings of an imported past as samples at their own times."""
    series: list[Labels] = []
    place: dict[tuple[str, ...], int] = {}
    rows: list[tuple[int, int, float]] = []
    for (target, check), items in readings.items():
        common = {"job": job, "instance": target, "check": check}
        for item in items:
            for labels, value in points(common, item.status, item.response_ms):
                key = (target, check, labels["__name__"])
                if key not in place:
                    place[key] = len(series)
                    series.append(labels)
                rows.append((place[key], round(item.since.timestamp() * 1000), value))
    return Samples(
        tuple(series),
        np.array([row[0] for row in rows], dtype=np.int32),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64),
    )
