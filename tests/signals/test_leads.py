"""Leads: what happened in a period, where they come from and where they are lost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from lib.logs.duckdb import DuckLogs
from lib.signals import leads
from lib.stores import Stores
from tests.seed import HOUR, NOW, WHOLE, batch, empty_stores, record


def test_totals_stand_beside_those_of_the_period_before(busy: Stores) -> None:
    found = leads.lead_totals(busy, HOUR)

    assert (found["created"], found["converted"], found["opportunities"], found["value"]) == (12, 3, 1, 30_000)
    assert found["conversion_ratio"] == 0.25
    assert found["created_before"] == 12
    assert leads.lead_totals(busy, WHOLE)["created_before"] is None


def test_the_funnel_says_what_is_lost_from_stage_to_stage(busy: Stores) -> None:
    found = leads.lead_funnel(busy, HOUR).set_index("stage")

    assert found["count"].to_dict() == {"created": 12, "converted": 3, "opportunities": 1}
    assert found.loc["converted", "lost"] == 9
    assert found.loc["opportunities", "of_previous"] == pytest.approx(1 / 3)
    assert found.loc["opportunities", "of_first"] == pytest.approx(1 / 12)


def test_the_funnel_of_unknown_counts_is_unknown(empty: Stores) -> None:
    found = leads.lead_funnel(empty, HOUR)

    assert list(found["stage"]) == ["created", "converted", "opportunities"]
    assert found["count"].isna().all()


def test_a_source_shows_its_technical_errors_beside_its_leads(busy: Stores) -> None:
    found = leads.lead_sources(busy, HOUR).set_index("source")

    assert found["created"].to_dict() == {"apollo": 8, "zoominfo": 4}
    assert found["before"].to_dict() == {"apollo": 8, "zoominfo": 4}
    assert found["errors"].to_dict() == {"apollo": 6, "zoominfo": 0}
    assert found["not_synced"].to_dict() == {"apollo": 0, "zoominfo": 60}


def test_a_source_whose_syncs_all_fail_is_listed_though_it_made_no_lead(tmp_path: Path) -> None:
    failed = {"event": "operation.error", "operation": "halopsa.push_lead", "error": "refused"}
    sync = {"event": "sync.completed", "processed": 9, "successful": 0, "failed": 9}
    rows = [record(NOW - timedelta(minutes=5), "ERROR", **failed, source="apollo") for _ in range(9)]
    with empty_stores(tmp_path) as stores:
        assert isinstance(stores.logs, DuckLogs)
        stores.logs.write(batch([*rows, record(NOW - timedelta(minutes=5), **sync, source="apollo")]))

        found = leads.lead_sources(stores, HOUR)

    row = found.iloc[0]
    assert (row["source"], row["created"], row["not_synced"], row["errors"]) == ("apollo", 0, 9, 9)
    assert np.isnan(row["share"]) and np.isnan(row["before"])


def test_events_over_time_add_up_and_run_up(busy: Stores) -> None:
    assert leads.leads_trend(busy, WHOLE).sum().to_dict() == {"created": 36, "converted": 9, "opportunities": 3}
    assert leads.conversion_by_events(busy, WHOLE)["value"].iloc[-1] == 0.25
    assert leads.conversion_trend(busy, WHOLE)["30d"].iloc[-1] == 0.25


def test_a_value_range_that_was_never_seen_is_unknown_not_zero(busy: Stores) -> None:
    found = leads.opportunities_by_value(busy, HOUR).set_index("value_range")

    assert found.loc["25k-50k", "count"] == pytest.approx(1)
    assert found["count"].isna().sum() == 4
