"""Which heartbeats are expected, how often, and how one stands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lib.errors import QueryError
from lib.window import parse_duration

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FORM = "each must be a name and its period, with or without a grace: backup=24h/2h"
LONGEST = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Expected:
    """One that should come every `period`; until `grace` more has gone by nobody is told that it is late."""

    name: str
    period: timedelta
    grace: timedelta = timedelta(0)

    @classmethod
    def parse(cls, text: str) -> Expected:
        """From "backup=24h/2h". Raises ValueError that names the accepted form."""
        name, equals, lengths = (part.strip() for part in text.partition("="))
        period, slash, grace = (part.strip() for part in lengths.partition("/"))
        if not equals or not NAME.fullmatch(name) or (slash and not grace):
            raise ValueError(f"{_FORM}; a name is of small letters, digits, - and _")
        try:
            found = cls(name, parse_duration(period), parse_duration(grace) if grace else timedelta(0))
        except (QueryError, OverflowError):
            raise ValueError(_FORM) from None
        if found.period + found.grace > LONGEST:
            raise ValueError(f"a heartbeat's period is at most {LONGEST.days} days")
        return found


def expected(texts: Iterable[str]) -> tuple[Expected, ...]:
    """Each of the settings' entries. Raises ValueError, also for a name that is there twice."""
    found = tuple(Expected.parse(text) for text in texts)
    names = [one.name for one in found]
    if len(set(names)) != len(names):
        raise ValueError("a heartbeat is there twice")
    return found


class Standing(StrEnum):
    """How a heartbeat stands. Due: its period is over, its grace is not."""

    ON_TIME = "on time"
    DUE = "due"
    LATE = "late"
    NEVER = "never heard of"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One expected heartbeat as it was last heard of. `last_at` None: never; the sizes are what it said of itself."""

    expected: Expected
    standing: Standing
    last_at: datetime | None = None
    size_bytes: float | None = None
    duration_s: float | None = None
    message: str = ""

    def age_s(self, now: datetime) -> float | None:
        """Seconds since it was last heard of; None where it never was."""
        return None if self.last_at is None else max((now - self.last_at).total_seconds(), 0.0)


def standing(one: Expected, last_at: datetime | None, now: datetime) -> Standing:
    """How it stands at `now`; exactly at the end of its period it is still on time."""
    if last_at is None:
        return Standing.NEVER
    age = now - last_at
    if age > one.period + one.grace:
        return Standing.LATE
    return Standing.DUE if age > one.period else Standing.ON_TIME
