"""Calendar periods of a zone (F30): around clock changes, a leap day, the end of a year and a change of the zone."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from lib.checklists import calendar
from lib.checklists.model import Period
from tests.checklists.world import LONDON, at

DAY, WEEK, MONTH = Period.DAY, Period.WEEK, Period.MONTH


@pytest.mark.parametrize(
    ("period", "day", "zone", "days", "starts", "ends"),
    [
        (DAY, "2026-03-29", LONDON, ("2026-03-29", "2026-03-29"), "2026-03-29 00:00", "2026-03-29 23:00"),  # 23 h
        (DAY, "2026-10-25", LONDON, ("2026-10-25", "2026-10-25"), "2026-10-24 23:00", "2026-10-26 00:00"),  # 25 h
        (DAY, "2024-02-29", LONDON, ("2024-02-29", "2024-02-29"), "2024-02-29 00:00", "2024-03-01 00:00"),
        (DAY, "2026-12-31", "Asia/Tokyo", ("2026-12-31", "2026-12-31"), "2026-12-30 15:00", "2026-12-31 15:00"),
        (DAY, "2018-11-04", "America/Sao_Paulo", ("2018-11-04", "2018-11-04"), "2018-11-04 03:00", "2018-11-05 02:00"),
        (WEEK, "2026-03-29", LONDON, ("2026-03-23", "2026-03-29"), "2026-03-23 00:00", "2026-03-29 23:00"),
        (WEEK, "2027-01-01", LONDON, ("2026-12-28", "2027-01-03"), "2026-12-28 00:00", "2027-01-04 00:00"),
        (MONTH, "2024-02-29", LONDON, ("2024-02-01", "2024-02-29"), "2024-02-01 00:00", "2024-03-01 00:00"),
        (MONTH, "2026-02-28", LONDON, ("2026-02-01", "2026-02-28"), "2026-02-01 00:00", "2026-03-01 00:00"),
        (MONTH, "2026-12-31", LONDON, ("2026-12-01", "2026-12-31"), "2026-12-01 00:00", "2027-01-01 00:00"),
        (MONTH, "2026-10-01", LONDON, ("2026-10-01", "2026-10-31"), "2026-09-30 23:00", "2026-11-01 00:00"),
    ],
)  # fmt: skip
def test_a_period_is_its_calendar_days_in_the_zone(  # noqa: PLR0917 - the columns of the table
    period: Period, day: str, zone: str, days: tuple[str, str], starts: str, ends: str
) -> None:
    span = calendar.span_of(period, date.fromisoformat(day), zone)

    assert (str(span.first_day), str(span.last_day)) == days
    assert (span.starts_at, span.ends_at) == (at(starts), at(ends))


@pytest.mark.parametrize(
    ("due", "period", "day", "moment"),
    [
        ("10:00", DAY, "2026-03-28", "2026-03-28 10:00"),
        ("10:00", DAY, "2026-03-29", "2026-03-29 09:00"),  # summer time
        ("01:30", DAY, "2026-03-29", "2026-03-29 01:30"),  # skipped by the clocks: an hour later, 02:30
        ("01:30", DAY, "2026-10-25", "2026-10-25 00:30"),  # comes twice: the first
        ("", DAY, "2026-10-25", "2026-10-26 00:00"),
        ("fri 17:00", WEEK, "2026-03-25", "2026-03-27 17:00"),
        ("sun 17:00", WEEK, "2026-03-25", "2026-03-29 16:00"),
        ("", WEEK, "2026-03-25", "2026-03-29 23:00"),
        ("5 12:00", MONTH, "2026-02-20", "2026-02-05 12:00"),
        ("31 12:00", MONTH, "2026-02-20", "2026-02-28 12:00"),  # the month has no such day
        ("30 12:00", MONTH, "2024-02-20", "2024-02-29 12:00"),
        ("last 17:00", MONTH, "2026-12-01", "2026-12-31 17:00"),
    ],
)
def test_a_due_time_is_on_the_clock_of_the_zone(due: str, period: Period, day: str, moment: str) -> None:
    assert calendar.is_due_time(due, period)
    assert calendar.due_at(due, calendar.span_of(period, date.fromisoformat(day), LONDON)) == at(moment)


@pytest.mark.parametrize(
    ("due", "period"),
    [
        ("24:00", DAY), ("9:00", DAY), ("fri 17:00", DAY), ("10:00", WEEK), ("friday 10:00", WEEK), ("Fri 10:00", WEEK),
        ("0 10:00", MONTH), ("32 10:00", MONTH), ("05 10:00", MONTH), ("10:00", MONTH), ("last", MONTH),
    ],
)  # fmt: skip
def test_what_is_no_due_time_of_the_period_is_not_taken(due: str, period: Period) -> None:
    assert not calendar.is_due_time(due, period)


@pytest.mark.parametrize("zone", [LONDON, "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu", "UTC"])
@pytest.mark.parametrize("period", Period)
def test_the_periods_of_years_follow_each_other_without_gap_or_overlap(period: Period, zone: str) -> None:
    first = calendar.span_of(period, date(2009, 12, 25), zone)

    found = list(calendar.spans(first, date(2013, 1, 10)))

    ends = [span.ends_at for span in found]
    assert [span.starts_at for span in found][1:] == ends[:-1]
    assert len({span.first_day for span in found}) == len(found)
    if period is DAY:  # Samoa went from 29 to 31 December 2011: a day that was not has no run
        assert (date(2011, 12, 30) in {span.first_day for span in found}) is (zone != "Pacific/Apia")


@pytest.mark.parametrize("zone", [LONDON, "Pacific/Apia"])
@pytest.mark.parametrize("period", Period)
def test_every_moment_is_in_exactly_one_period(period: Period, zone: str) -> None:
    moment: datetime = at("2011-12-20 00:00")
    while moment < at("2012-01-10 00:00"):
        span = calendar.current(period, moment, zone)
        assert span.starts_at <= moment < span.ends_at
        moment += timedelta(minutes=30)
