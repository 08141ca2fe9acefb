"""Days of metric history with incidents in it, written through the true sink: what rules are edited and replayed on."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt

from lib.metrics.base import epoch_ms
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples

STEP_MS = 15_000
ROUTES = ("/api/leads", "/api/sync", "/api/opportunities", "/health")
Floats = npt.NDArray[np.float64]


def write_days(metrics: DuckMetrics, end: datetime, days: float, *, seed: int = 3) -> None:
    """Requests by route and status, queue depths and failed syncs, each 15 s for so many days until `end`."""
    count = int(days * 86_400_000 // STEP_MS)
    ts_ms = epoch_ms(end) - STEP_MS * np.arange(count, dtype=np.int64)[::-1]
    dice = np.random.default_rng(seed)
    bad = incidents(ts_ms, dice)
    labels, columns = [], []
    for route in ROUTES:
        busy = 4 + 3 * np.sin(ts_ms / 86_400_000 * 2 * np.pi) + dice.random(count)
        for status, share in (("200", 1 - bad), ("500", bad)):
            labels.append(
                {"__name__": "http_requests_total", "route": route, "status_code": status, "instance": "a:3000"}
            )
            columns.append(np.cumsum(busy * share))
    for queue, height in (("lead-sync", 900.0), ("mail", 200.0)):
        labels.append({"__name__": "queue_size", "queue_name": queue, "instance": "a:3000"})
        columns.append(
            height * (0.4 + 0.3 * np.sin(ts_ms / 43_200_000 * 2 * np.pi) + 4 * bad) + 20 * dice.random(count)
        )
    labels.append({"__name__": "lead_sync_total", "source": "apollo", "status": "failed", "instance": "a:3000"})
    columns.append(np.cumsum(bad * 3))
    values = np.concatenate(columns)
    series = np.repeat(np.arange(len(labels), dtype=np.int32), count)
    metrics.append(Samples(tuple(labels), series, np.tile(ts_ms, len(labels)), values), live=False)


def incidents(ts_ms: npt.NDArray[np.int64], dice: np.random.Generator) -> Floats:
    """The share of requests that fail: small, and two or three times a day large for a while."""
    share = 0.004 + 0.004 * dice.random(ts_ms.size)
    days = max(int((ts_ms[-1] - ts_ms[0]) // 86_400_000), 1)
    for start in dice.uniform(ts_ms[0], ts_ms[-1], 3 * days):
        length = dice.exponential(12 * 60_000)
        share[(ts_ms >= start) & (ts_ms < start + length)] = dice.uniform(0.02, 0.3)
    return share
