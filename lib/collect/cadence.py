"""Rounds on a fixed grid of time, so that neither a slow round nor a late wake-up shifts the ones after it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime

Clock = Callable[[], datetime]
_LATE_SHARE = 0.05


def utc_now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


def phase_s(name: str, interval_s: float) -> float:
    """Where in the interval a target's turn is: spread by name, and the same after a restart."""
    return zlib.crc32(name.encode()) % 10_000 / 10_000 * interval_s


async def rounds(interval_s: float, phase: float, clock: Clock, stop: asyncio.Event) -> AsyncIterator[datetime]:
    """Now, and then the times `k * interval_s + phase` as they come, until `stop` is set.

    A round that ran over its successor's time skips it. A round that starts late by more than a twentieth of the
    interval is given its real time.
    """
    if stop.is_set():
        return
    yield clock()
    reached = clock().timestamp() + interval_s / 2  # the first turn must not follow the start at once
    while True:
        due = ((reached - phase) // interval_s + 1) * interval_s + phase
        with suppress(TimeoutError):
            # Never longer than the first turn can be away: a clock that was put back would make it an hour.
            await asyncio.wait_for(stop.wait(), min(1.5 * interval_s, max(0.0, due - clock().timestamp())))
        if stop.is_set():
            return
        now = clock().timestamp()
        late = not 0 <= now - due <= interval_s * _LATE_SHARE
        yield datetime.fromtimestamp(now if late else due, UTC)
        reached = max(clock().timestamp(), due) if not late else clock().timestamp()
