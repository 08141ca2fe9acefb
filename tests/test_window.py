"""Windows: what people type, and the buckets a range is cut into."""

from datetime import UTC, datetime, timedelta

import pytest

from lib.errors import QueryError
from lib.window import PRESETS, Window

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


def test_askers_within_one_step_share_a_window() -> None:
    one, two = (Window.last("1h", NOW + timedelta(seconds=s)) for s in (1, 3))

    assert one.floored(timedelta(seconds=15)) == two.floored(timedelta(seconds=15))
