"""A million records come in by the import command beside the running dashboard: how fast, how big, and the pages meanwhile."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import orjson
import psutil
import pytest
from elasticsearch import Elasticsearch
from elasticsearch.helpers import parallel_bulk

from lib.simulator.catalogue import SERVICE, VERSIONS
from lib.simulator.past import events, logs
from lib.simulator.past.story import DAY, Span, Story
from lib.telemetry import logger
from tests.bench.dashboard import Dashboard, filled_dashboard, short_of_charts
from tests.bench.log_week import END
from tests.bench.viewers import crowd
from tests.logs.indices import TEMPLATE

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1500)]
ROOT = Path(__file__).parents[2]
RECORDS = 1_000_000
TO_ELASTIC = 150_000  # enough for its steady rate
PACE = 8.0
_ID = re.compile(rb'("requestId":"|\b(?:lead|pros|opp)_)..')
MOST_MB = 600
MB = 1 << 20


@dataclass
class Sizes:
    """The largest resident memory seen of each process of a family, by what it runs."""

    largest_mb: dict[str, float] = field(default_factory=dict)

    def look(self, pid: int) -> None:
        """Measures the process and its descendants."""
        try:
            for process in (root := psutil.Process(pid), *root.children(recursive=True)):
                name = " ".join(process.cmdline()[1:3])
                self.largest_mb[name] = max(self.largest_mb.get(name, 0.0), process.memory_info().rss / MB)
        except psutil.NoSuchProcess:
            return


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A million records as the simulator writes them, in the order of time."""
    until, begin = END.timestamp(), END.timestamp() - 4 * DAY
    loggers = {
        version: logger.configure(service=SERVICE, version=version, directory=None, console=False)
        for version in VERSIONS
    }
    drawn = events.draw(Story.before(until, 7, 2), 1, PACE)
    day = logs.lines(drawn, Span(begin, begin + DAY), loggers, 1)[: RECORDS // 8]
    assert len(day) == RECORDS // 8
    path = tmp_path_factory.mktemp("days") / "combined.log"
    with path.open("wb") as file:
        for number in range(8):  # the same day again is told apart by its date and its ids
            date = b'{"timestamp":"2026-03-%02d' % (number + 3)
            file.writelines(_ID.sub(rb"\g<1>%02x" % number, date + line[len(date) :]) for line in day)
    return path


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    with filled_dashboard(tmp_path / "data") as running:
        yield running


def test_a_million_records_come_in_fast_while_the_pages_stay_quick(
    log: Path, dashboard: Dashboard, elasticsearch8: str, tmp_path: Path
) -> None:
    sizes, p95 = Sizes(), list[float]()

    plain = _bare_duckdb(log, tmp_path)
    indexed = _elastic(log, elasticsearch8)
    mapped = _elastic(log, elasticsearch8, **_our_mapping())
    watched = threading.Thread(target=lambda: p95.append(_watch(dashboard.url)))
    watched.start()
    ours = _import(log, dashboard.environment, dashboard.process.pid, sizes)
    watched.join()

    print(f"\nrecords/s: ours {ours:,.0f}, bare DuckDB {plain:,.0f}, Elasticsearch {indexed:,.0f} "
          f"(with our template {mapped:,.0f}); ratios {ours / plain:.2f} and {ours / indexed:.1f}; pages p95 {p95[0]:.0f} ms; "
          f"MB {({name: round(size) for name, size in sizes.largest_mb.items()})}")  # fmt: skip
    assert ours >= 3.5 * indexed, "less than docs/limits.md admits"
    assert ours >= 0.12 * plain
    assert max(sizes.largest_mb.values()) < MOST_MB
    assert p95[0] < 1000


def _watch(url: str) -> float:
    viewers = asyncio.run(crowd(url, ["", "errors", "performance"], 3, 5, 5))
    assert [viewer.failures for viewer in viewers if viewer.failures] == []
    assert short_of_charts(viewers) == []
    return float(np.percentile(np.concatenate([viewer.refresh_ms for viewer in viewers]), 95))


def _import(log: Path, environment: dict[str, str], owner: int, sizes: Sizes) -> float:
    """Records per second from the start of the command to its end, when everything is in the store."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "lib.collect.backfill", str(log)]
    run = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    while run.poll() is None:
        sizes.look(run.pid)
        sizes.look(owner)
        time.sleep(0.2)
    took = time.perf_counter() - started
    said = run.communicate()[0]
    assert f"New in the stores: {RECORDS} records" in said, said
    return RECORDS / took


def _bare_duckdb(log: Path, folder: Path) -> float:
    database = duckdb.connect(str(folder / "bare.duckdb"), config={"threads": 2})
    source = f"read_json('{log}', format='newline_delimited', maximum_object_size=1000000)"
    started = time.perf_counter()
    database.execute(f"CREATE TABLE bare AS SELECT * FROM {source}")
    took = time.perf_counter() - started
    assert database.execute("SELECT count(*) FROM bare").fetchone() == (RECORDS,)
    database.close()
    return RECORDS / took


def _our_mapping() -> dict[str, Any]:
    template = orjson.loads(TEMPLATE.read_bytes())["template"]
    return {"settings": template["settings"], "mappings": template["mappings"]}


def _elastic(log: Path, url: str, **index: Any) -> float:
    """Records per second of the client's `parallel_bulk` as it comes, into an index made by itself or as `index` says."""
    name = "halopsa-integration-bench"
    with log.open("rb") as file, Elasticsearch(url, request_timeout=60) as client:
        lines = [orjson.loads(line) for _, line in zip(range(TO_ELASTIC), file, strict=False)]
        actions = ({"_index": name, "_source": line | {"@timestamp": line["timestamp"]}} for line in lines)
        if index:
            client.indices.create(index=name, **index)
        started = time.perf_counter()
        assert all(good for good, _ in parallel_bulk(client, actions))
        took = time.perf_counter() - started
        client.indices.delete(index=name)
    return TO_ELASTIC / took
