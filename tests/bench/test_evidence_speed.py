"""What opening a run costs: the five evidences of a day, a week and a month over a million records, in bare counts of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lib import notes
from lib.checklists import versions
from lib.checklists.model import Checklist, Period
from lib.logs.duckdb import DuckLogs
from lib.settings import Settings
from lib.state.database import sqlite_url
from lib.state.migrate import open_state
from lib.window import Window
from tests.bench.bare_count import BARE, Questions, interleaved
from tests.bench.log_week import END, LENGTH, week
from tests.checklists.evidence.world import DAY, HOUR, NOW, World
from tests.seed import empty_stores

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

RECORDS = 1_000_000
MOST = {"daily": 8, "weekly": 30, "monthly": 8}
"""Bare counts. Each is asked at most once a minute, in the background, however many people look."""

PERIODS = {
    Period.DAY: Window(NOW - 12 * HOUR, NOW + 12 * HOUR), Period.WEEK: Window(NOW - 6 * DAY, NOW + DAY),
    Period.MONTH: Window(NOW - 20 * DAY, NOW + 10 * DAY),
}  # fmt: skip
LABELLED = {
    "http_requests_total": ({"status_code": "200"}, {"status_code": "404"}, {"status_code": "500"}),
    "http_request_duration_seconds_bucket": tuple({"le": le} for le in ("0.1", "0.5", "1", "2", "5", "10", "+Inf")),
    "queue_size": ({"queue_name": "lead_sync"}, {"queue_name": "webhooks"}),
    "lead_sync_total": ({"source": "apollo", "status": "success"}, {"source": "apollo", "status": "failed"}),
    "process_cpu_seconds_total": ({},), "process_resident_memory_bytes": ({},), "nodejs_eventloop_lag_seconds": ({},),
    "db_connections_active": ({},), "db_connections_max": ({},), "backup_last_success_timestamp_seconds": ({},),
    "halo_ops_disk_free_bytes": ({"mount": "/data"},), "halo_ops_store_bytes": ({"file": "logs.duckdb"},),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A busy week up to NOW, and its metrics each minute."""
    folder = Path(tmp_path_factory.mktemp("evidence"))
    with empty_stores(folder) as stores:
        made = World(stores, open_state(sqlite_url(folder / "people.sqlite")), Settings(data_dir=folder))
        assert isinstance(stores.logs, DuckLogs)
        for part in week(RECORDS):
            stores.logs.write(moved(part, NOW - END))
        made.requests(70 * DAY, 7 * DAY, DAY)  # a quiet past, so that every comparison is made
        stores.logs.compact()
        for name, sets in LABELLED.items():
            for labels in sets:
                made.metric(name, lambda t: t / 60 + 5, since=LENGTH, **labels)
        made.disk(0.5)
        made.retained()
        yield made
        made.state.close()


def moved(part: pa.Table, by: timedelta) -> pa.Table:
    ts = pc.add(part["ts"], pa.scalar(by, pa.duration("us")))
    return part.set_column(
        part.schema.get_field_index("ts"), part.schema.field("ts"), ts.cast(part.schema.field("ts").type)
    )


def opened(world: World, checklist: Checklist) -> Questions:
    """The evidences that a person who opens its run has asked."""
    window = PERIODS[checklist.period]
    return {
        item.evidence: lambda item=item: world.ask(item.evidence, window, **item.limits) for item in checklist.items
    }  # type: ignore[misc]


def test_opening_a_run_costs_a_few_bare_counts_of_all_records(world: World) -> None:
    lists = {name: opened(world, one) for name, one in versions.Folder().checklists().items()}
    logs = world.stores.logs
    assert isinstance(logs, DuckLogs)
    ends = [(NOW - LENGTH).replace(tzinfo=None), NOW.replace(tzinfo=None)]
    bare: Questions = {"bare": lambda: logs._db.columns(BARE, ends)}

    for name, asks in lists.items():
        print(f"\n{name}, the first time:", ", ".join(told(key, ask) for key, ask in asks.items()))
    medians = interleaved(bare | {key: ask for asks in lists.values() for key, ask in asks.items()}, rounds=7)

    print(f"bare count: {medians['bare'] * 1000:.0f} ms")
    for name, asks in lists.items():
        each = {key: round(medians[key] / medians["bare"], 2) for key in asks}
        whole = sum(each.values())
        print(f"{name}: {whole:.1f} bare counts, {sum(medians[key] for key in asks) * 1000:.0f} ms", each)
        assert whole < MOST[name]


def told(key: str, ask: object) -> str:
    began = time.perf_counter()
    with notes.questions() as asked:
        found = ask()  # type: ignore[operator]
    return f"{key} {len(asked)} questions {(time.perf_counter() - began) * 1000:.0f} ms ({found.verdict})"
