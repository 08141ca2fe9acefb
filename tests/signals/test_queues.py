"""Queues and sync: growth, time to the limit, and the freshness of each source."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.logs.duckdb import DuckLogs
from lib.metrics.duckdb import DuckMetrics
from lib.signals import queues
from lib.stores import Stores
from lib.window import Window
from tests.seed import HOUR, NOW, WHOLE, batch, empty_stores, every, record, samples

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
    assert found["usual_s"].tolist() == [600, 600]
    assert found["status"].to_dict() == {"apollo": "ok", "zoominfo": "warning"}


def test_a_source_with_no_run_in_the_window_is_still_listed(busy: Stores) -> None:
    found = queues.sync_sources(busy, Window(NOW + timedelta(hours=1), NOW + timedelta(hours=2)))

    assert found["runs"].tolist() == [0, 0]
    assert found["age_s"].tolist() == pytest.approx([7740, 11340])


def test_runs_add_up(busy: Stores) -> None:
    assert queues.sync_runs(busy, WHOLE).sum().to_dict() == {"apollo": 18, "zoominfo": 18}


def test_a_source_is_late_by_its_own_rhythm_and_one_without_any_success_is_critical(tmp_path: Path) -> None:
    done = {"event": "sync.completed", "processed": 1, "failed": 0, "sync_ms": 1.0}
    rows = [
        *(record(at, **done, source="four-hourly", successful=1) for at in every(4 * HOUR_S, NOW - timedelta(hours=23))),
        *(record(at, **done, source="ended", successful=1) for at in every(60, NOW - timedelta(hours=2), NOW - timedelta(hours=1))),
        *(record(at, **(done | {"failed": 1}), source="refused", successful=0) for at in every(60, NOW - timedelta(hours=1))),
    ]  # fmt: skip
    with empty_stores(tmp_path) as stores:
        assert isinstance(stores.logs, DuckLogs)
        stores.logs.write(batch(rows))

        found = queues.sync_sources(stores, HOUR).set_index("source")

    assert found["status"].to_dict() == {"ended": "warning", "four-hourly": "ok", "refused": "critical"}
    assert found.loc["four-hourly", "usual_s"] == 4 * HOUR_S
    assert found.loc["ended", "usual_s"] == 60  # the hour without a run is not usual
