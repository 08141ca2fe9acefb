from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib.metrics.duckdb import DuckMetrics
from lib.metrics.routed import RoutedMetrics
from lib.own_metrics import PREFIX, OwnMetrics
from lib.status import SourceStatus, TargetStatus, WorkerStatus
from lib.status_metrics import StatusCollector

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_own_figures_can_be_asked_for_like_a_scrape_of_ourselves(tmp_path: Path) -> None:
    now, targets = NOW, (TargetStatus("a:1", up=True), TargetStatus("b:1", up=False))
    store = DuckMetrics(tmp_path / "metrics.duckdb")
    own = OwnMetrics(
        StatusCollector(lambda: WorkerStatus(now, NOW, scrapes=targets)).collect,
        store,
        "127.0.0.1:8501",
        clock=lambda: now,
    )

    own.write()

    found = store.instant("halo_ops_scrape_up", NOW)
    assert {labels["exported_instance"]: value for labels, value in zip(found.labels, found.values[:, 0], strict=True)} == {
        "a:1": 1.0, "b:1": 0.0,
    }  # fmt: skip
    assert {labels["job"] for labels in found.labels} == {"halo-ops"}
    assert {labels["instance"] for labels in found.labels} == {"127.0.0.1:8501"}

    now, targets = NOW + timedelta(seconds=15), targets[:1]
    own.write()

    assert [labels["exported_instance"] for labels in store.instant("halo_ops_scrape_up", now).labels] == ["a:1"]
    store.close()


def test_with_a_remote_store_they_are_asked_of_our_own(tmp_path: Path) -> None:
    remote, own = DuckMetrics(tmp_path / "remote.duckdb"), DuckMetrics(tmp_path / "own.duckdb")
    OwnMetrics(StatusCollector(lambda: WorkerStatus(NOW, NOW)).collect, own, "x", clock=lambda: NOW).write()
    routed = RoutedMetrics(remote, own, (), PREFIX)

    assert routed.instant("sum(halo_ops_rules) >= 0", NOW).labels
    assert not routed.instant("sum(rules)", NOW).labels
    assert not RoutedMetrics(remote, own, ()).instant("halo_ops_rules", NOW).labels
    remote.close()
    own.close()


@pytest.mark.parametrize(
    ("source", "up"),
    [(None, 1.0), (SourceStatus("p", "p:9090"), 1.0), (SourceStatus("p", "p:9090", error="no answer"), 0.0)],
)
def test_the_store_of_the_metrics_is_up_or_down_wherever_it_is(source: SourceStatus | None, up: float) -> None:
    """An embedded one is up whenever this can be kept: its rule must not wait for ever for a metric."""
    families = StatusCollector(lambda: WorkerStatus(NOW, NOW, metric_source=source)).collect()

    told = {sample.name: sample.value for family in families for sample in family.samples}
    assert told["halo_ops_metric_source_up"] == up
