"""Numbers, lengths of time and ages as people read them, the same on every page, in every notice and report."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pandas as pd

NONE = "–"
"""What stands where there is no value: never a zero."""


def number(value: float | None, digits: int = 3) -> str:
    """A count or figure with thin spaces between thousands: "12 431", "0.0042", "–" where there is none."""
    if value is None or pd.isna(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == int(value) or abs(value) >= 10**digits:
        return f"{value:,.0f}".replace(",", "\u202f")
    return f"{value:.{digits}g}"


def duration_ms(value: float | None) -> str:
    """A latency, always in ms, so that two cards can be compared: "0.4 ms", "87 ms", "12 431 ms"."""
    if value is None or pd.isna(value):
        return NONE
    return f"{value:.1f} ms" if abs(value) < 10 else f"{number(round(value))} ms"


def duration_s(value: float | None) -> str:
    """`duration_ms` of a value in seconds, which is what metrics hold."""
    return duration_ms(None if value is None else value * 1000)


def ratio(value: float | None) -> str:
    """A share from 0 to 1 as a percentage: "0 %", "0.42 %", "12.3 %", "100 %"; a non-zero share is never shown as 0."""
    if value is None or pd.isna(value):
        return NONE
    percent = value * 100
    if 0 < percent < 0.01:
        return "<0.01 %"
    digits = 2 if abs(percent) < 1 else 1
    return f"{percent:.{digits}f}".rstrip("0").rstrip(".") + " %"


def size(value: float | None) -> str:
    """Bytes in binary units: "512 B", "1.5 MiB"."""
    if value is None or pd.isna(value):
        return NONE
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def span(length: timedelta | float | None) -> str:
    """A length of time with its two largest units: "8 s", "4 min", "3 h 12 min", "2 d 4 h"."""
    if length is None or pd.isna(length):
        return NONE
    total = int(length.total_seconds() if isinstance(length, timedelta) else length)
    if total < 60:
        return f"{max(total, 0)} s"
    parts = [(total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "min")]
    first = next(i for i, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago: "12 s ago", "never" where there was none, "now" for the future within clock error."""
    if moment is None or pd.isna(moment):
        return "never"
    seconds = (now - moment).total_seconds()
    return "now" if seconds < 1 else f"{span(seconds)} ago"
