"""Windows: what people type, and the buckets a range is cut into."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pandas as pd
import pytest

from lib.errors import QueryError
from lib.logs.base import LogQuery
from lib.logs.duckdb import DuckLogs
from lib.window import CALENDAR_PRESETS, PRESETS, Window
from tests.logs.batches import batch

NOW = datetime(2026, 3, 31, 12, 34, 56, tzinfo=UTC)  # a Tuesday, two days after London's clocks went forward


@pytest.mark.parametrize("text", [*PRESETS, "now-6h", "now-90s", "2w"])
def test_a_length_ends_now(text: str) -> None:
    window = Window.parse(text, NOW)

    assert window.end == NOW
    assert window.start < NOW


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("today", datetime(2026, 3, 30, 23, tzinfo=UTC), NOW),
        ("yesterday", datetime(2026, 3, 29, 23, tzinfo=UTC), datetime(2026, 3, 30, 23, tzinfo=UTC)),
        ("this week", datetime(2026, 3, 29, 23, tzinfo=UTC), NOW),
        # the week before holds the change: its Monday is still at UTC+0
        ("previous week", datetime(2026, 3, 23, tzinfo=UTC), datetime(2026, 3, 29, 23, tzinfo=UTC)),
        ("this month", datetime(2026, 3, 1, tzinfo=UTC), NOW),
        ("previous month", datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-29T00:30/2026-03-29T03:30", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 2, 30, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_calendar_ranges_follow_the_zone(text: str, start: datetime, end: datetime) -> None:
    window = Window.parse(text, NOW, "Europe/London")

    assert (window.start, window.end) == (start, end)


@pytest.mark.parametrize(
    "text", ["", "6", "h", "-1h", "0h", "now-", "6 parsecs", "2026-99-01/2026-01-02", "9999d", "b/a"]
)
def test_what_is_no_range_is_refused_with_the_form_it_must_have(text: str) -> None:
    with pytest.raises(QueryError) as refused:
        Window.parse(text, NOW)

    assert len(str(refused.value)) > 10


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(QueryError, match="ends before"):
        Window.parse("2026-03-02T00:00/2026-03-01T00:00", NOW)


@pytest.mark.parametrize(
    ("length", "step"), [("5m", 15), ("6h", 120), ("24h", 300), ("7d", 3600), ("30d", 3 * 3600), ("90d", 12 * 3600)]
)
def test_the_step_gives_at_most_three_hundred_buckets(length: str, step: int) -> None:
    window = Window.last(length, NOW)

    chosen = window.step()

    assert chosen == timedelta(seconds=step)
    assert window.length / chosen <= 300


def test_day_buckets_start_at_the_zones_midnight_across_the_change_of_clocks() -> None:
    window = Window.parse("2026-03-28T12:00/2026-03-31T12:00", NOW, "Europe/London")

    buckets = window.buckets(timedelta(days=1))

    assert [b.isoformat() for b in buckets] == [
        "2026-03-28T00:00:00+00:00",
        "2026-03-29T00:00:00+00:00",
        "2026-03-29T23:00:00+00:00",
        "2026-03-30T23:00:00+00:00",
    ]


def test_short_buckets_cover_the_range_on_the_epoch_grid() -> None:
    window = Window(NOW, NOW + timedelta(minutes=3))

    buckets = window.buckets(timedelta(minutes=1))

    assert [b.strftime("%H:%M:%S") for b in buckets] == ["12:34:00", "12:35:00", "12:36:00", "12:37:00"]


def test_whole_minutes_cover_the_range_and_a_range_of_them_is_itself() -> None:
    def at(text: str) -> datetime:
        return datetime.fromisoformat(f"2026-03-10T{text}+00:00")

    whole = Window(at("09:00:10"), at("09:00:40.5"), "Europe/London").whole_minutes()

    assert (whole.start, whole.end, whole.zone) == (at("09:00:00"), at("09:01:00"), "Europe/London")
    assert whole.whole_minutes() == whole


def test_askers_within_one_step_share_a_window() -> None:
    one, two = (Window.last("1h", NOW + timedelta(seconds=s)) for s in (1, 3))

    assert one.floored(timedelta(seconds=15)) == two.floored(timedelta(seconds=15))


DAYS = timedelta(days=1)
F30 = [
    ("Europe/London", "2026-03-28", 4, [24, 23, 24, 24]),  # the clocks go forward on the 29th
    ("Europe/London", "2026-10-24", 3, [24, 25, 24]),  # and back on the 25th
    ("Europe/London", "2028-02-28", 3, [24, 24, 24]),  # a leap day
    ("Asia/Kathmandu", "2026-12-31", 2, [24, 24]),  # the year ends at 18:15 UTC
    ("Pacific/Apia", "2026-12-31", 2, [24, 24]),
    ("Africa/Cairo", "2026-04-23", 3, [24, 23, 24]),  # the 24th has no midnight
    ("America/Havana", "2026-03-07", 3, [24, 23, 24]),
    ("Atlantic/Azores", "2026-10-24", 3, [24, 25, 24]),  # midnight of the 25th comes twice
    ("Australia/Lord_Howe", "2026-10-03", 3, [24, 23.5, 24]),  # by half an hour
]


@pytest.mark.parametrize(("zone", "first", "count", "hours"), F30)
def test_f30_days_are_the_zones_own_whatever_the_clocks_do(
    zone: str, first: str, count: int, hours: list[float]
) -> None:
    start = datetime.fromisoformat(first).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    whole = Window(start, start + timedelta(hours=sum(hours)), zone)
    inside = Window(whole.start + timedelta(hours=3), whole.end - timedelta(hours=3), zone)

    for window in (whole, inside):
        starts = [*window.buckets(DAYS), pd.Timestamp(whole.end)]
        lengths = [(b - a).total_seconds() / 3600 for a, b in pairwise(starts)]
        assert lengths == hours
        local = [moment.tz_convert(zone).date() for moment in starts[:-1]]
        assert local == [date.fromisoformat(first) + n * DAYS for n in range(count)]


@pytest.mark.slow
def test_f30_every_zone_has_days_and_calendar_ranges_all_year() -> None:
    for zone in sorted(available_timezones()):
        for month in range(0, 360, 30):
            start = datetime(2026, 1, 1, 9, tzinfo=UTC) + timedelta(days=month)
            window = Window(start, start + timedelta(days=32), zone)

            days = window.buckets(DAYS)

            assert days.is_monotonic_increasing
            assert days.is_unique
            assert len(days) in (32, 33)
            assert days[0] <= window.start < days[1]
            for name in CALENDAR_PRESETS:
                assert Window.parse(name, start, zone).length > timedelta(0)


def test_f30_calendar_ranges_at_the_edges() -> None:
    def told(text: str, now: datetime, zone: str = "Europe/London") -> list[str]:
        window = Window.parse(text, now, zone)
        return [f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" for moment in (window.start, window.end)]

    new_year = datetime(2027, 1, 1, 0, 30, tzinfo=UTC)
    assert told("yesterday", new_year) == ["2026-12-31 00:00", "2027-01-01 00:00"]
    assert told("previous month", new_year) == ["2026-12-01 00:00", "2027-01-01 00:00"]
    assert told("this week", new_year) == ["2026-12-28 00:00", "2027-01-01 00:30"]
    assert told("previous month", datetime(2028, 3, 1, tzinfo=UTC)) == ["2028-02-01 00:00", "2028-03-01 00:00"]
    assert told("yesterday", datetime(2026, 3, 29, 23, 30, tzinfo=UTC)) == ["2026-03-29 00:00", "2026-03-30 00:00"]
    assert (
        Window.parse("yesterday", datetime(2026, 3, 29, 23, 30, tzinfo=UTC), "Europe/London").length.seconds
        == 23 * 3600
    )
    midnight = datetime(2026, 7, 1, 23, 0, tzinfo=UTC)
    assert told("today", midnight) == ["2026-07-02 00:00", "2026-07-02 00:01"]
    assert told("today", datetime(2027, 1, 1, 4, tzinfo=UTC), "America/New_York")[0] == "2026-12-31 00:00"


def test_f30_a_store_counts_by_the_days_of_the_zone(tmp_path: Path) -> None:
    """One record at each hour of three days: the short day has 23, and none is counted twice or lost."""
    start = datetime(2026, 3, 28, tzinfo=UTC)
    window = Window(start, datetime(2026, 3, 30, 23, tzinfo=UTC), "Europe/London")
    store = DuckLogs(tmp_path / "logs.duckdb")
    store.write(batch({"id": str(h), "ts": start + timedelta(hours=h)} for h in range(71)))

    for _ in range(2):
        found = store.totals(LogQuery(window), step=DAYS)
        assert found["records"].tolist() == [24, 23, 24]
        store.compact()
    store.close()
