"""Calendar days, weeks and months of a zone as moments, and when in them something is due."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from lib.checklists.model import Period

DAY = timedelta(days=1)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)"
_DUE = {
    Period.DAY: re.compile(_TIME),
    Period.WEEK: re.compile(rf"(?P<day>{'|'.join(DAYS)}) {_TIME}"),
    Period.MONTH: re.compile(rf"(?P<day>[1-9]|[12]\d|3[01]|last) {_TIME}"),
}
FORMS = {Period.DAY: "10:00", Period.WEEK: "fri 17:00", Period.MONTH: "5 12:00 or last 17:00"}
"""How a due time is written, by period."""


@dataclass(frozen=True, slots=True)
class Span:
    """One calendar period: its days in `zone`, and the moments [`starts_at`, `ends_at`) in UTC."""

    period: Period
    first_day: date
    last_day: date
    zone: str

    @property
    def starts_at(self) -> datetime:
        """The moment at which its first day begins."""
        return _moment(self.first_day, time(), self.zone)

    @property
    def ends_at(self) -> datetime:
        """The moment at which the day after its last one begins."""
        return _moment(self.last_day + DAY, time(), self.zone)

    def following(self) -> Span:
        """The next one."""
        return span_of(self.period, self.last_day + DAY, self.zone)


def span_of(period: Period, day: date, zone: str) -> Span:
    """The period that the day is in; weeks begin on Monday."""
    if period is Period.DAY:
        return Span(period, day, day, zone)
    if period is Period.WEEK:
        monday = day - day.weekday() * DAY
        return Span(period, monday, monday + 6 * DAY, zone)
    return Span(period, day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]), zone)


def current(period: Period, now: datetime, zone: str) -> Span:
    """The period that this moment is in."""
    return span_of(period, now.astimezone(ZoneInfo(zone)).date(), zone)


def spans(first: Span, last_day: date) -> Iterator[Span]:
    """`first` and those after it, up to the one that `last_day` is in. A day that a zone left out has none."""
    span = first
    while span.first_day <= last_day:
        if span.starts_at < span.ends_at:
            yield span
        span = span.following()


def is_due_time(text: str, period: Period) -> bool:
    """Whether `due_at` can read it."""
    return not text or _DUE[period].fullmatch(text) is not None


def due_at(text: str, span: Span) -> datetime:
    """The moment that an item's due time means in this period; its end for "".

    A local time that the clocks skip is as much later as they skip; of one that comes twice it is the first. A day that the
    month does not have is its last one.
    """
    found = _DUE[span.period].fullmatch(text)
    if found is None:
        return span.ends_at
    at = time(int(found["hour"]), int(found["minute"]))
    if span.period is Period.DAY:
        return _moment(span.first_day, at, span.zone)
    if span.period is Period.WEEK:
        return _moment(span.first_day + DAYS.index(found["day"]) * DAY, at, span.zone)
    number = span.last_day.day if found["day"] == "last" else min(int(found["day"]), span.last_day.day)
    return _moment(span.first_day.replace(day=number), at, span.zone)


def _moment(day: date, at: time, zone: str) -> datetime:
    return datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)
