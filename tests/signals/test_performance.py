"""Latency: in ms everywhere, from the log and from the histogram."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from lib.signals import performance
from lib.stores import Stores
from lib.window import Window
from tests.seed import HOUR, NOW, START, WHOLE


def test_the_summary_is_of_all_requests_and_the_period_before(busy: Stores) -> None:
    found = performance.latency_summary(busy, HOUR)

    assert found["requests"] == 132
    assert found["avg_ms"] == pytest.approx((120 * 80 + 12 * 800) / 132)
    assert found["p50_ms"] == pytest.approx(80, rel=0.02)
    assert found["p99_ms"] == 800
    assert found["requests_before"] == 132


def test_latency_is_unknown_where_nothing_was_asked(busy: Stores) -> None:
    found = performance.latency_trend(busy, Window(START - timedelta(hours=1), NOW))

    assert found.loc[found.index < START].isna().all(axis=None)
    assert found["p95_ms"].max() == 800


def test_p95_of_the_rule_is_shown_in_ms(busy: Stores) -> None:
    found = performance.p95_by_rule(busy, HOUR)

    assert found["value"].iloc[-1] == pytest.approx(750)  # half way into the bucket from 0.5 s to 1 s


def test_every_band_of_the_guide_is_there(busy: Stores) -> None:
    found = performance.latency_distribution(busy, WHOLE)

    assert list(found["low_ms"]) == [0, 100, 500, 1000, 5000]
    assert list(found["requests"]) == [360, 0, 36, 0, 0]
    assert found["band"].iloc[-1] == "≥ 5000 ms"


def test_the_heatmap_counts_each_request_in_one_band(busy: Stores) -> None:
    found = performance.latency_heatmap(busy, HOUR)

    row = found.iloc[-1]
    assert row["≤ 100 ms"] == pytest.approx(540)  # 2 requests a second, 90 % of them, in 5 minutes
    assert row["500–1000 ms"] == pytest.approx(60)
    assert row.sum() == pytest.approx(600)


def test_the_slowest_route_leads_with_its_share_of_the_time(busy: Stores) -> None:
    found = performance.slowest_routes(busy, HOUR)

    assert list(found["route"]) == ["/api/reports", "/api/leads"]
    assert found["time_share"].tolist() == pytest.approx([0.5, 0.5])
    assert found["p95_before_ms"].iloc[0] == 800


def test_one_routes_latency_leaves_the_others_out(busy: Stores) -> None:
    found = performance.route_latency(busy, HOUR, method="GET", route="/api/leads")

    assert found["p95_ms"].max() == pytest.approx(80, rel=0.02)


def test_requests_are_counted_over_all_instances_by_status_class(busy: Stores) -> None:
    found = performance.request_rate(busy, HOUR)

    assert found.iloc[-1].to_dict() == pytest.approx({"2xx": 1.96, "5xx": 0.04})


def test_no_sample_is_skipped_where_points_are_far_apart(busy: Stores) -> None:
    found = performance.request_rate(busy, Window(NOW - timedelta(days=30), NOW))

    # Three hours of 7,200 requests each are in the one point that spans them; 2.98 h of them lie inside its range.
    span_s = (found.index[1] - found.index[0]).total_seconds() if len(found) > 1 else np.nan
    assert np.nansum(found.to_numpy()) * span_s == pytest.approx(3 * 7200, rel=0.05)


def test_query_latency_is_in_ms_per_type(busy: Stores) -> None:
    found = performance.query_latency(busy, HOUR)

    assert found["select"].iloc[-1] == pytest.approx(46)
    assert performance.query_rate(busy, HOUR)["select"].iloc[-1] == pytest.approx(2)
    assert performance.db_errors(busy, HOUR)["timeout"].iloc[-1] == pytest.approx(2)
