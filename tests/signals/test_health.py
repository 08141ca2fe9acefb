"""Health: time that nobody watched counts neither as up nor as down."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from lib.signals import health
from lib.stores import Stores
from lib.window import Window
from tests.seed import HOUR, NOW, WHOLE


def test_uptime_is_a_share_of_the_time_watched(busy: Stores) -> None:
    found = health.uptime(busy, HOUR).set_index(["target", "check"])

    failed, fine = found.loc[("a:3000", "database")], found.loc[("b:3000", "database")]
    assert failed["uptime_24h"] == pytest.approx(110 / 120)  # ten minutes of the two hours watched
    assert failed["covered_24h"] == pytest.approx(2 / 24)
    assert fine["uptime_30d"] == 1
    assert fine["covered_30d"] == pytest.approx(2 / 720)


def test_bars_leave_hours_without_probes_open(busy: Stores) -> None:
    found = health.uptime_bars(busy, HOUR, period="24h")

    bars = found[(found["target"] == "a:3000") & (found["check"] == "database")].set_index("ts")
    assert len(bars) == 24
    assert bars["status"].iloc[:22].unique().tolist() == ["no data"]
    assert bars["uptime"].iloc[-2:].tolist() == pytest.approx([1, 50 / 60])
    assert bars["status"].iloc[-2:].tolist() == ["ok", "critical"]


def test_daily_bars_follow_the_zones_days(busy: Stores) -> None:
    found = health.uptime_bars(busy, Window(HOUR.start, HOUR.end, "America/New_York"), period="7d")

    local = found["ts"].dt.tz_convert("America/New_York")
    assert (local.dt.hour == 0).all()


def test_an_outage_has_its_length_and_reason(busy: Stores) -> None:
    found = health.outages(busy, WHOLE)

    row = found[found["check"] == "database"].iloc[0]
    assert (row["target"], row["duration_s"], row["ongoing"]) == ("a:3000", 600, False)
    assert row["reason"] == "connection refused"
    assert health.outages(busy, Window(NOW - timedelta(minutes=40), NOW)).empty


def test_a_check_not_heard_of_for_five_minutes_is_no_data(busy: Stores) -> None:
    later = Window(NOW, NOW + timedelta(minutes=10))

    assert set(health.health_now(busy, HOUR)["status"]) == {"ok"}
    assert set(health.health_now(busy, later)["status"]) == {"no data"}


def test_response_times_are_in_ms(busy: Stores) -> None:
    assert health.response_times(busy, HOUR)["database"].iloc[-1] == pytest.approx(50)


def test_a_range_without_probes_is_not_a_range_without_outages(busy: Stores, empty: Stores) -> None:
    later = Window(NOW + timedelta(hours=6), NOW + timedelta(hours=12))

    assert health.watched(busy, HOUR)["covered"] == pytest.approx(1, abs=0.01)
    assert health.watched(busy, later) == health.watched(empty, HOUR) == {"covered": 0.0}


def test_nothing_watched_is_an_empty_answer(empty: Stores) -> None:
    for found in (health.uptime(empty, HOUR), health.uptime_bars(empty, HOUR), health.outages(empty, HOUR)):
        assert isinstance(found, pd.DataFrame)
        assert found.empty
