"""Samples out of files in Prometheus' text format: portion by portion, each at its own time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from lib.collect.exposition import SeriesCache, parse_exposition
from lib.collect.left_out import LeftOut
from lib.collect.parse import FUTURE
from lib.metrics.base import epoch_ms
from lib.metrics.ingest import Samples

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""What claims to be older has a stamp in another unit than ms, or in OpenMetrics seconds."""
_MOST_SAMPLES = 10_000_000


def samples_of(
    portions: Iterator[tuple[bytes, int]], now: datetime, left_out: LeftOut
) -> Iterator[tuple[Samples | None, int]]:
    """The samples of portions of whole lines (None: none to keep), each with how far in the file that is."""
    cache: SeriesCache = {}
    lines = 0
    for text, at in portions:
        errors: list[str] = []
        samples = parse_exposition(
            text, extra={}, default_ts_ms=0, max_samples=_MOST_SAMPLES, cache=cache, errors=errors, past=True,
            lines_before=lines,
        )  # fmt: skip
        lines += text.count(b"\n")
        left_out.note("malformed lines", len(errors), errors[0] if errors else "")
        yield _of_the_past(samples, now, left_out), at


def _of_the_past(samples: Samples, now: datetime, left_out: LeftOut) -> Samples | None:
    ts_ms = samples.ts_ms
    unstamped = ts_ms == 0
    elsewhere = ~unstamped & ((ts_ms < epoch_ms(EARLIEST)) | (ts_ms > epoch_ms(now + FUTURE)))
    left_out.note("samples without a time stamp", int(unstamped.sum()))
    left_out.note(
        f"samples whose time stamp, read as ms, lies before {EARLIEST:%Y} or ahead of now", int(elsewhere.sum()),
        f"{ts_ms[np.argmax(elsewhere)]}" if elsewhere.any() else "",
    )  # fmt: skip
    kept = ~(unstamped | elsewhere)
    if not kept.any():
        return None
    return replace(samples, series=samples.series[kept], ts_ms=ts_ms[kept], values=samples.values[kept])
