"""Overview: every area has a verdict with its reason, and a source that is down costs one area."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.errors import SourceUnavailable
from lib.metrics.duckdb import DuckMetrics
from lib.signals import overview
from lib.stores import Stores
from lib.window import Window
from tests.seed import DEPLOY, HOUR, NOW, WHOLE, empty_stores, samples


class Down:
    """A store that never answers."""

    name = "metrics"

    def __getattr__(self, name: str) -> Any:
        raise SourceUnavailable("no answer", "metrics")


def verdicts(stores: Stores, window: Window = HOUR) -> dict[str, tuple[str, str]]:
    found = overview.verdicts(stores, window)
    return {row.area: (row.status, row.reason) for row in found.itertuples()}


def test_the_golden_signals_are_the_rules_own(busy: Stores) -> None:
    found = overview.golden_signals(busy, HOUR)

    assert found == pytest.approx(
        {"requests_per_s": 2.0, "error_ratio": 0.02, "p95_ms": 750, "pool_ratio": 0.6, "queue_items": 900}
    )


def test_each_area_has_a_verdict_and_says_why(busy: Stores) -> None:
    found = verdicts(busy)

    assert {area: status for area, (status, _) in found.items()} == {
        "Errors": "warning", "Latency": "ok", "Queues & sync": "warning", "Leads": "ok", "System": "ok",
        "Health": "ok", "Collection": "ok",
    }  # fmt: skip
    assert "1 new error pattern" in found["Errors"][1]
    assert "30.0 lead syncs a minute fail" in found["Queues & sync"][1]


def test_nothing_collected_is_no_data_everywhere_never_green(empty: Stores) -> None:
    found = verdicts(empty)

    assert {status for status, _ in found.values()} == {"no data"}
    assert all(reason for _, reason in found.values())


def test_what_is_not_collected_any_more_is_not_green_either(busy: Stores) -> None:
    later = Window(NOW + timedelta(hours=1), NOW + timedelta(hours=2))

    assert "ok" not in {status for area, (status, _) in verdicts(busy, later).items() if area not in ("Leads",)}


def test_a_source_that_is_down_leaves_the_other_verdicts(busy: Stores) -> None:
    found = verdicts(replace(busy, metrics=Down()))

    assert found["Latency"] == ("no data", "metrics does not answer")
    assert found["Leads"][0] == "ok"
    assert found["Health"][0] == "ok"


def test_what_changed_is_listed_newest_first(busy: Stores) -> None:
    found = overview.changes(busy, WHOLE)

    assert sorted(found["kind"]) == ["health", "health", "restart", "version"]
    assert found["ts"].is_monotonic_decreasing
    assert found.loc[found["kind"] == "restart", "what"].item() == "b:3000 started"
    assert "2.4.0" in found.loc[found["kind"] == "version", "what"].item()
    assert "error" in overview.changes(busy, HOUR)["kind"].tolist()


def test_changes_that_cannot_be_known_are_said_to_be_missing(busy: Stores) -> None:
    found = overview.changes(replace(busy, metrics=Down()), WHOLE)

    assert found.iloc[0]["what"] == "metrics does not answer: not all is listed"
    assert "version" in found["kind"].tolist()


def test_a_process_without_an_instance_is_among_what_changed(tmp_path: Path) -> None:
    pushed = (("__name__", "process_start_time_seconds"), ("job", "crm"))
    with empty_stores(tmp_path) as stores:
        assert isinstance(stores.metrics, DuckMetrics)
        stores.metrics.append(samples({pushed: np.array(DEPLOY.timestamp())}))

        found = overview.changes(stores, WHOLE)

    assert found[["ts", "kind", "what"]].to_dict("records") == [
        {"ts": DEPLOY, "kind": "restart", "what": "A process started"}
    ]
