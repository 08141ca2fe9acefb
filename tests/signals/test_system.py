"""Processes: units of the pages, restarts and versions by what they say of themselves."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from lib.metrics.duckdb import DuckMetrics
from lib.signals import system
from lib.stores import Stores
from lib.window import Window
from tests.seed import DEPLOY, HOUR, NOW, START, WHOLE, empty_stores, samples


def test_a_restart_is_where_a_process_began_within_the_window(busy: Stores) -> None:
    found = system.restarts(busy, WHOLE)

    assert found.to_dict("records") == [{"instance": "b:3000", "ts": DEPLOY}]
    assert system.restarts(busy, HOUR).empty


def test_a_version_is_a_change_only_against_records_before_it(busy: Stores) -> None:
    found = system.version_changes(busy, WHOLE)

    assert found.to_dict("records") == [{"ts": DEPLOY, "version": "2.4.0", "before": "2.3.1"}]


def test_the_version_that_a_young_log_begins_with_is_no_change(busy: Stores) -> None:
    found = system.version_changes(busy, Window(START, DEPLOY))

    assert found.empty


def test_a_version_that_the_preceding_period_lacks_is_a_change_at_the_windows_start(busy: Stores) -> None:
    found = system.version_changes(busy, Window(DEPLOY, NOW))

    assert found[["version", "before"]].to_dict("records") == [{"version": "2.4.0", "before": "2.3.1"}]


def test_instances_tell_their_version_and_use(busy: Stores) -> None:
    found = system.instances(busy, HOUR).set_index("instance")

    assert found["up"].tolist() == [True, True]
    assert found["version"].tolist() == ["2.4.0", "2.4.0"]
    assert found["uptime_s"].to_dict() == {"a:3000": 4 * 3600, "b:3000": 5400}
    assert found["cpu_cores"].tolist() == pytest.approx([0.25, 0.25])
    assert found["memory_mib"].tolist() == [100, 100]


def test_trends_are_in_the_units_of_the_pages(busy: Stores) -> None:
    assert system.memory(busy, HOUR)["a:3000"].iloc[-1] == 100  # MiB
    assert system.event_loop_lag(busy, HOUR)["a:3000"].iloc[-1] == pytest.approx(4)  # ms
    assert system.db_pool_ratio(busy, HOUR)["b:3000"].iloc[-1] == pytest.approx(0.6)
    assert system.log_volume(busy, WHOLE)["per_min"].mean() == pytest.approx(495 / 180)


def test_the_backups_age_is_seen_from_the_windows_end(busy: Stores, empty: Stores) -> None:
    assert system.backup(busy, HOUR)["age_s"] == 3 * 3600
    assert system.backup(empty, Window(NOW - timedelta(hours=1), NOW)) == {"at": None, "age_s": None}


def test_instances_that_export_no_version_have_none(tmp_path: Path) -> None:
    with empty_stores(tmp_path) as stores:
        assert isinstance(stores.metrics, DuckMetrics)
        up = (("__name__", "up"), ("instance", "a:3000"), ("job", "crm"))
        stores.metrics.append(samples({up: np.ones(1)}))

        found = system.instances(stores, HOUR)

    assert found[["instance", "version"]].to_dict("records") == [{"instance": "a:3000", "version": ""}]
