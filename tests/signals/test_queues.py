"""Queues and sync: growth, time to the limit, and the freshness of each source."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.metrics.duckdb import DuckMetrics
from lib.signals import queues
from lib.stores import Stores
from lib.window import Window
from tests.seed import HOUR, NOW, WHOLE, empty_stores, samples

HOUR_S = 3600


def test_a_growing_queue_says_when_it_reaches_the_rules_limit(busy: Stores) -> None:
    found = queues.queue_status(busy, HOUR).set_index("queue")

    growing, steady = found.loc["enrichment"], found.loc["webhooks"]
    assert (growing["items"], growing["limit"]) == (900, 1000)
    assert growing["growth_per_min"] == pytest.approx(30)
    assert growing["to_limit_s"] == pytest.approx(200)
    assert (growing["status"], steady["status"]) == ("warning", "ok")
    assert np.isnan(steady["to_limit_s"])


def test_a_queue_that_filled_up_and_was_emptied_again_is_not_on_its_way_to_the_limit(tmp_path: Path) -> None:
    age_s = np.arange(3 * HOUR_S, -1, -15)
    filled = np.where((age_s > 60) & (age_s < 300), (300 - age_s) * 3.0, 0.0)  # a storm of webhooks, worked off by now
    with empty_stores(tmp_path) as stores:
        assert isinstance(stores.metrics, DuckMetrics)
        stores.metrics.append(samples({(("__name__", "queue_size"), ("queue_name", "webhooks")): filled}))

        found = queues.queue_status(stores, HOUR).iloc[0]

    assert found["growth_per_min"] > 0
    assert (found["items"], found["status"]) == (0, "ok")
    assert np.isnan(found["to_limit_s"])


def test_failed_syncs_are_per_minute_as_the_rule_has_them(busy: Stores) -> None:
    found = queues.failed_syncs(busy, HOUR)

    assert found.iloc[-1].to_dict() == pytest.approx({"zoominfo": 30})


def test_a_source_that_never_failed_succeeds_always(busy: Stores) -> None:
    found = queues.sync_success_ratio(busy, HOUR)

    assert found.iloc[-1].to_dict() == pytest.approx({"apollo": 1.0, "zoominfo": 0.5})


def test_a_run_that_brought_nothing_in_does_not_make_a_source_fresh(busy: Stores) -> None:
    found = queues.sync_sources(busy, HOUR).set_index("source")

    assert found.loc["zoominfo", "last_run"] > pd.Timestamp(NOW - timedelta(minutes=11))
    assert found.loc["zoominfo", "last_success"] < pd.Timestamp(NOW - timedelta(minutes=60))
    assert found["success_ratio"].to_dict() == {"apollo": 1.0, "zoominfo": 0.0}
    assert queues.sync_freshness(busy, HOUR).set_index("source")["status"].to_dict() == {
        "apollo": "ok",
        "zoominfo": "warning",
    }


def test_a_source_with_no_run_in_the_window_is_still_listed(busy: Stores) -> None:
    found = queues.sync_sources(busy, Window(NOW + timedelta(hours=1), NOW + timedelta(hours=2)))

    assert found["runs"].tolist() == [0, 0]
    assert found["age_s"].tolist() == pytest.approx([7740, 11340])


def test_runs_and_records_add_up(busy: Stores) -> None:
    assert queues.sync_runs(busy, WHOLE).sum().to_dict() == {"apollo": 18, "zoominfo": 18}
    assert queues.sync_records(busy, WHOLE).sum().to_dict() == {"apollo": 180, "zoominfo": 180}
    assert queues.sync_failed_records(busy, WHOLE).sum().to_dict() == {"apollo": 0, "zoominfo": 60}


def test_a_runs_length_is_an_average_over_runs_and_unknown_without_one(busy: Stores) -> None:
    found = queues.sync_duration(busy, WHOLE)

    assert found["zoominfo"].dropna().unique().tolist() == [4000]
    assert found["zoominfo"].notna().sum() == 18
