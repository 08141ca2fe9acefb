"""The time range that a question is about, and the buckets it is cut into."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from lib.errors import QueryError

DAY = timedelta(days=1)
STEPS = tuple(
    timedelta(seconds=s)
    for s in (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 7 * 86400)
)
PRESETS = ("5m", "15m", "30m", "1h", "3h", "6h", "12h", "24h", "2d", "7d", "30d", "90d")
CALENDAR_PRESETS = ("today", "yesterday", "this week", "this month", "previous week", "previous month")
LONGEST = timedelta(days=92)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_RELATIVE = re.compile(r"^(?:now-)?(\d{1,6})([smhdw])$")


def parse_duration(text: str) -> timedelta:
    """``"6h"`` or ``"now-6h"`` as a timedelta. Raises QueryError that names the accepted form."""
    found = _RELATIVE.match(text.strip())
    if not found or int(found[1]) == 0:
        raise QueryError(f"“{text}” is not a length of time: write a number and one of s m h d w, such as 6h or now-6h")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open range [start, end) in UTC; `zone` is the IANA name whose days the buckets follow from 1 d up."""

    start: datetime
    end: datetime
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window's ends must carry a time zone")
        if self.start >= self.end:
            raise QueryError("the range ends before it starts")
        if self.end - self.start > LONGEST + DAY:
            raise QueryError(f"the range is longer than {LONGEST.days} days")

    @classmethod
    def last(cls, length: str | timedelta, now: datetime, zone: str = "UTC") -> Window:
        """The `length` ("6h" or a timedelta) that ends at `now`."""
        span = parse_duration(length) if isinstance(length, str) else length
        return cls(now - span, now, zone)

    @classmethod
    def parse(cls, text: str, now: datetime, zone: str = "UTC") -> Window:
        """What a person chose or typed: a preset, ``now-6h``, a calendar preset, or ``<ISO start>/<ISO end>``.

        Times without an offset are read in `zone`. Raises QueryError that names the accepted forms.
        """
        text = text.strip()
        if text in CALENDAR_PRESETS:
            return cls._calendar(text, now, zone)
        if "/" in text:
            start, _, end = text.partition("/")
            return cls(_instant(start, zone), _instant(end, zone), zone)
        return cls.last(text, now, zone)

    @classmethod
    def _calendar(cls, name: str, now: datetime, zone: str) -> Window:
        today = now.astimezone(ZoneInfo(zone)).date()
        monday, first = today - timedelta(days=today.weekday()), today.replace(day=1)
        ranges: dict[str, tuple[date, date | None]] = {
            "today": (today, None),
            "yesterday": (today - DAY, today),
            "this week": (monday, None),
            "this month": (first, None),
            "previous week": (monday - 7 * DAY, monday),
            "previous month": ((first - DAY).replace(day=1), first),
        }
        start, end = ranges[name]
        first_moment = _midnight(start, zone)
        last = max(now, first_moment + timedelta(minutes=1)) if end is None else _midnight(end, zone)
        return cls(first_moment, last, zone)  # at midnight itself today is not empty

    @property
    def length(self) -> timedelta:
        """How long the range is."""
        return self.end - self.start

    def step(self, points: int = 300, floor: timedelta = timedelta(0)) -> timedelta:
        """The shortest even step of the ladder that gives at most `points` buckets and is not below `floor`."""
        wanted = max(self.length / points, floor)
        return next((s for s in STEPS if s >= wanted), STEPS[-1])

    def previous(self) -> Window:
        """The range of the same length that ends where this one starts."""
        return Window(self.start - self.length, self.start, self.zone)

    def floored(self, step: timedelta) -> Window:
        """Both ends rounded down to `step` (epoch grid), so that askers within one step share an answer."""
        start, end = _floor(self.start, step), _floor(self.end, step)
        return Window(start, end if end > start else start + step, self.zone)

    def whole_minutes(self) -> Window:
        """The start rounded down to its minute, the end up: what aggregates of a log store count."""
        minute = timedelta(minutes=1)
        start, end = _floor(self.start, minute), _floor(self.end, minute)
        return Window(start, end if end == self.end else end + minute, self.zone)

    def buckets(self, step: timedelta) -> pd.DatetimeIndex:
        """UTC bucket starts that cover the range: on the epoch grid below 1 d, the zone's midnights from 1 d up."""
        if step < DAY:
            return pd.date_range(_floor(self.start, step), self.end, freq=step, inclusive="left", name="ts")
        day, starts = self.start.astimezone(ZoneInfo(self.zone)).date(), list[datetime]()
        while (moment := _midnight(day, self.zone)) < self.end:
            starts.append(moment)
            day += timedelta(days=step.days)
        return pd.DatetimeIndex(starts, name="ts")


def _floor(moment: datetime, step: timedelta) -> datetime:
    seconds = int(step.total_seconds()) or 1
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, UTC)


def _midnight(day: date, zone: str) -> datetime:
    """The moment at which the day begins; where the clocks skip its midnight, the moment at which they do."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _instant(text: str, zone: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise QueryError(f"“{text}” is not a time: write it as 2026-03-29T09:00") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    return moment.astimezone(UTC)
