"""F7: what was deleted unread is never silent: in the store, on the page, in the own metric."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from lib import http
from lib.collect.cadence import utc_now
from lib.collect.tail import Tail
from lib.logs.duckdb import DuckLogs
from lib.settings import Settings
from lib.ui import runtime
from lib.window import Window
from lib.wiring import open_stores
from lib.worker import Worker
from tests.collect.log_files import line_of

MIB = 1 << 20


@pytest.fixture
def lost(tmp_path: Path) -> tuple[Path, int, dict[str, float]]:
    """A data folder whose logs went unread: the folder, the bytes that nobody read, and the tail's counters."""
    path, time_s = tmp_path / "combined.log", 1000.0
    path.write_bytes(b"".join(line_of(f"line {n}") for n in range(20_000)))
    size = path.stat().st_size
    logs = DuckLogs(tmp_path / "logs.duckdb")
    tail = Tail([f"{tmp_path}/combined*"], logs, budget=MIB // 4)
    tail.poll()
    tail.close()  # the dashboard stops
    path.unlink()
    tail = Tail([f"{tmp_path}/combined*"], logs, monotonic=lambda: time_s)
    for _ in range(3):
        tail.poll()
        time_s += 30
    [(stored,)] = logs._db.rows("SELECT count(*) FROM records")
    logs.close()
    return tmp_path, size - sum(len(line_of(f"line {n}")) for n in range(stored)), dict(tail.counters())


def test_bytes_deleted_unread_are_in_the_store_and_in_the_counter(lost: tuple[Path, int, dict[str, float]]) -> None:
    folder, size, counters = lost
    assert size > MIB

    logs = DuckLogs(folder / "logs.duckdb")
    gaps = logs.gaps(Window(utc_now() - timedelta(hours=1), utc_now() + timedelta(minutes=1)))
    logs.close()

    assert gaps[["file", "kind", "bytes"]].to_numpy().tolist() == [["combined.log", "lost", size]]
    assert counters["lost_bytes"] == size


def test_they_are_on_every_page_and_in_the_own_metrics_after_a_restart_too(
    lost: tuple[Path, int, dict[str, float]],
) -> None:
    folder, size, _ = lost
    settings = Settings(data_dir=folder, log_files=(f"{folder}/combined*",))
    stores = open_stores(settings)
    worker = Worker(settings, stores)
    worker.start()
    deadline = time.monotonic() + 10
    while not worker.status().gaps.lost:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    runtime.install(runtime.Runtime(settings, stores.stores, worker.status))

    def page() -> None:
        from lib.ui.header import header

        header()

    test = AppTest.from_function(page).run()
    scraped = TestClient(Starlette(routes=http.routes(worker.status)), base_url="http://localhost").get("/metrics").text
    runtime.install(None)
    assert worker.stop()
    stores.close()

    assert any("MiB lost" in block.proto.popover.label for block in test.get("popover"))
    assert [float(n) for n in re.findall(r"^halo_ops_lost_bytes (\S+)$", scraped, re.MULTILINE)] == [size]
