"""What runs out and when, on real stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lib.settings import Settings
from lib.signals.capacity import capacity_forecast, daily_log_records
from lib.state.database import sqlite_url
from lib.state.migrate import open_state
from lib.window import Window
from tests.checklists.evidence.world import DAY, HOUR, MINUTE, NOW, World
from tests.seed import empty_stores

WEEKS = Window(NOW - 28 * DAY, NOW)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with empty_stores(tmp_path) as stores:
        state = open_state(sqlite_url(tmp_path / "state.sqlite"))
        yield World(stores, state, Settings(data_dir=tmp_path))
        state.close()


def forecast(world: World) -> dict[str, dict[str, object]]:
    return {str(row["what"]): row for row in capacity_forecast(world.stores, WEEKS).to_dict("records")}  # type: ignore[misc]


def test_free_space_that_shrinks_runs_out_on_the_day_that_its_line_says(world: World) -> None:
    world.metric(
        "halo_ops_disk_free_bytes", lambda t: 100e9 - t / 86400 * 2e9, since=28 * DAY, every=5 * MINUTE, mount="/"
    )

    row = forecast(world)["Free on /"]

    assert (row["unit"], row["said"], row["limit"]) == ("bytes", "falling", 0)
    assert row["per_day"] == pytest.approx(-2e9, rel=0.01)
    assert row["days"] == pytest.approx((100 - 56) / 2, rel=0.01)


def test_a_queue_is_as_full_as_its_fullest_moment_of_a_day_and_its_limit_is_the_rules(world: World) -> None:
    def busy_at_noon(t: np.ndarray) -> np.ndarray:
        return np.where((t % 86400) < 3600 * 4, 100 + t / 86400 * 20, 0.0)

    world.metric("queue_size", busy_at_noon, since=28 * DAY, every=5 * MINUTE, queue_name="lead_sync")

    row = forecast(world)["Queue lead_sync"]

    assert (row["limit"], row["said"]) == (1000, "growing")
    assert row["per_day"] == pytest.approx(20, rel=0.1)
    assert 0 < float(str(row["days"])) < 60


def test_connections_are_held_against_what_the_rule_allows_of_the_pool(world: World) -> None:
    world.metric("db_connections_active", 4.0, since=28 * DAY, every=5 * MINUTE)
    world.metric("db_connections_max", 10.0, since=28 * DAY, every=5 * MINUTE)

    row = forecast(world)["Database connections"]

    assert (row["now"], row["limit"], row["said"]) == (4, 9, "no trend")
    assert np.isnan(float(str(row["days"])))


def test_what_is_over_its_limit_is_there_now_however_few_days_were_seen(world: World) -> None:
    world.metric("queue_size", 1500.0, since=2 * DAY, every=5 * MINUTE, queue_name="webhooks")

    row = forecast(world)["Queue webhooks"]

    assert (row["days"], row["said"]) == (0, "at its limit")


def test_a_log_that_grows_has_a_slope_and_no_limit(world: World) -> None:
    for day in range(20, 0, -1):
        world.requests(day * DAY, (day - 1) * DAY, DAY / (10 + 2 * (20 - day)))

    row = forecast(world)["Log records a day"]

    assert row["said"] == "growing; it has no limit"
    assert row["per_day"] == pytest.approx(2, rel=0.2)


def test_days_that_the_log_does_not_wholly_cover_are_left_out(world: World) -> None:
    world.requests(3 * DAY, 0 * DAY, HOUR)  # since noon three days ago, until noon

    found = daily_log_records(world.stores, WEEKS)

    assert found["records"].tolist() == [24, 24]


def test_nothing_is_forecast_of_what_was_never_seen(world: World) -> None:
    found = capacity_forecast(world.stores, WEEKS)

    assert found.empty
    assert found["days"].dtype == "float64"
