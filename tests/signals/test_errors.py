"""Errors: counted once, compared only with what is known, and named new only against a period that was watched."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.metrics.duckdb import DuckMetrics
from lib.signals import errors, overview
from lib.stores import Stores
from lib.window import Window
from tests.seed import DEPLOY, HOUR, NEW_ERROR, NEW_PATTERN, NOW, OLD_PATTERN, START, WHOLE, empty_stores, samples


def test_the_last_hour_stands_against_the_hour_before_it(busy: Stores) -> None:
    found = errors.error_last_hour(busy, WHOLE)

    assert (found["errors"], found["errors_before"], found["change"]) == (9, 3, 2.0)
    assert found["http_errors_ratio"] == pytest.approx(12 / 132)  # 12 reports failed, of 120 + 12 requests
    assert found["http_errors_ratio_before"] == 0


def test_there_is_no_before_where_the_log_does_not_reach(busy: Stores) -> None:
    found = errors.error_summary(busy, WHOLE)

    assert found["errors"] == 15
    assert found["errors_before"] is None
    assert found["change"] is None


def test_a_quiet_bucket_is_zero_and_one_before_the_log_began_is_unknown(busy: Stores) -> None:
    window = Window(START - timedelta(hours=3), NOW)

    found = errors.error_trend(busy, window)

    assert found["ERROR"].sum() == 15
    assert found.loc[found.index < pd.Timestamp(START), "ERROR"].isna().all()
    assert found.loc[found.index >= pd.Timestamp(START)].notna().all(axis=None)


def test_buckets_long_after_the_newest_record_are_unknown(busy: Stores) -> None:
    found = errors.error_trend(busy, Window(NOW - timedelta(hours=1), NOW + timedelta(hours=1)))

    assert found.loc[found.index > pd.Timestamp(NOW + timedelta(minutes=6)), "ERROR"].isna().all()


def test_a_pattern_is_new_only_if_the_preceding_period_was_watched_and_had_none_of_it(busy: Stores) -> None:
    found = errors.error_patterns(busy, HOUR).set_index("pattern")

    assert found["is_new"].to_dict() == {NEW_PATTERN: True, OLD_PATTERN: False}
    assert found["records"].to_dict() == {NEW_PATTERN: 6, OLD_PATTERN: 3}
    assert found.loc[NEW_PATTERN, "first_seen"] == NEW_ERROR
    assert found.loc[NEW_PATTERN, "share"] == pytest.approx(6 / 9)
    assert sum(found.loc[NEW_PATTERN, "trend"]) == 6
    assert not errors.error_patterns(busy, WHOLE)["is_new"].any()  # nothing is known of the three hours before


def test_samples_of_a_pattern_are_its_newest_records_with_their_stack(busy: Stores) -> None:
    name = errors.error_patterns(busy, HOUR).set_index("pattern").loc[NEW_PATTERN, "pattern_id"]

    found = errors.error_samples(busy, HOUR, pattern_id=str(name), limit=2)

    assert list(found["error"]) == ["HaloPSA rejected lead 5", "HaloPSA rejected lead 4"]
    assert "lead-5.js" in found["stack"].iloc[0]


def test_routes_that_fail_come_first(busy: Stores) -> None:
    found = errors.errors_by_route(busy, HOUR)

    first = found.iloc[0]
    assert (first["route"], first["requests"], first["server_errors"]) == ("/api/reports", 12, 12)
    assert first["server_error_ratio"] == 1
    assert found["client_errors"].sum() == 0


def test_the_error_ratio_is_the_rules_own(busy: Stores) -> None:
    found = errors.http_error_ratio(busy, HOUR)

    assert found["value"].iloc[-1] == pytest.approx(0.02)
    assert found.index[-1] == NOW


def test_requests_of_which_none_ever_failed_are_0_percent_not_unknown(tmp_path: Path) -> None:
    counted = np.arange(0, 3 * 3600 + 1, 15, dtype="float64")
    with empty_stores(tmp_path) as stores:
        assert isinstance(stores.metrics, DuckMetrics)
        stores.metrics.append(samples({(("__name__", "http_requests_total"), ("status_code", "200")): counted}))

        found, now = errors.http_error_ratio(stores, HOUR), overview.golden_signals(stores, HOUR)

    assert found["value"].iloc[-1] == 0
    assert now["error_ratio"] == 0


def test_without_requests_the_error_ratio_is_unknown(empty: Stores) -> None:
    assert errors.http_error_ratio(empty, HOUR).empty
    assert overview.golden_signals(empty, HOUR)["error_ratio"] is None


def test_versions_are_compared_by_their_share_of_errors(busy: Stores) -> None:
    found = errors.errors_by_version(busy, Window(DEPLOY, NOW))

    assert list(found["version"]) == ["2.4.0"]
    assert found["errors"].item() == 10


def test_operations_carry_their_share_and_the_count_before(busy: Stores) -> None:
    found = errors.errors_by_operation(busy, HOUR).set_index("operation")

    assert found.loc["apollo.push", ["errors", "before"]].tolist() == [6, 0]
    assert found.loc["token.refresh", ["errors", "before"]].tolist() == [3, 3]
