"""The tail ships to a real Elasticsearch: each line exactly once, whatever dies, is full, or is mapped otherwise."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pandas as pd
import pyarrow as pa
import pytest

from lib.collect.tail import Tail
from lib.errors import SourceRejected, SourceUnavailable
from lib.logs.base import LogQuery
from lib.logs.duckdb import DuckLogs
from lib.logs.elastic.client import Access, Connection, Pauses
from lib.logs.elastic.ship import Shipper
from lib.logs.elastic.shipped import ShippedLogs
from lib.logs.ingest import Checkpoint, Gap
from lib.window import DAY, Window
from tests import fault_server as faults
from tests.fault_server import FaultServer
from tests.logs.batches import NOON, batch
from tests.logs.elastic.test_client import Clock, answer, refusal
from tests.logs.indices import Indices

SPAN = Window(NOON - DAY, NOON + DAY)


class Killed(BaseException):
    """The process ended here."""


class Ledger(DuckLogs):
    """Positions, and a process that can end before they are kept."""

    killing = False

    def write(self, batch: pa.Table, checkpoints: Sequence[Checkpoint] = (), gaps: Sequence[Gap] = ()) -> None:
        if self.killing and any(one.offset for one in checkpoints):
            raise Killed
        super().write(batch, checkpoints, gaps)


class World:
    """Log files, a ledger, and a cluster that others share."""

    def __init__(self, folder: Path, url: str, style: str = "template") -> None:
        self.folder, self.url, self.written = folder, url, 0
        self.indices = Indices(url, style)
        self.index = f"{self.indices.prefix}-{{day}}"
        self.ledger = Ledger(folder / "ledger.duckdb")
        self.started_anew()

    def started_anew(self) -> None:
        self.shipper = Shipper(Access((self.url,)), self.index, self.ledger, timeout_s=20)
        connection = Connection(Access((self.url,), f"{self.indices.prefix}-*"), timeout_s=60)
        self.store = ShippedLogs(connection, self.shipper, self.ledger, clean=lambda value: value)
        self.tail = Tail([f"{self.folder}/combined*"], self.store, lambda: NOON)

    def killed_while_polling(self) -> None:
        self.ledger.killing = True
        with pytest.raises(Killed):
            self.tail.poll()
        self.ledger.killing = False
        self.tail.close()
        self.started_anew()

    def lines(self, count: int, **more: Any) -> None:
        rows = [{"timestamp": (NOON - timedelta(seconds=n)).isoformat(), "level": "INFO", "message": "seq", "seq": n} | more
                for n in range(self.written, self.written + count)]  # fmt: skip
        self.written += count
        self.raw(*map(orjson.dumps, rows))

    def raw(self, *lines: bytes) -> None:
        with (self.folder / "combined.log").open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    def read(self) -> None:
        while self.tail.poll().bytes_read:
            pass

    def found(self) -> list[dict[str, Any]]:
        self.indices.http.post(f"/{self.indices.prefix}-*/_refresh").raise_for_status()
        body = {"size": 10_000, "query": {"match_all": {}}}
        return [
            hit["_source"]
            for hit in self.indices.http.post(f"/{self.indices.prefix}-*/_search", json=body).json()["hits"]["hits"]
        ]

    def sequence(self) -> list[int]:
        return sorted(one["seq"] for one in self.found() if "seq" in one)

    def close(self) -> None:
        self.tail.close()
        self.indices.close()
        self.ledger.close()


@pytest.fixture
def world(tmp_path: Path, elasticsearch8: str) -> Iterator[World]:
    opened = World(tmp_path, elasticsearch8)
    yield opened
    opened.close()


@pytest.mark.live
def test_a_kill_between_the_clusters_answer_and_the_position_doubles_nothing(world: World) -> None:
    world.lines(50)
    world.killed_while_polling()
    world.raw(b"not JSON", b'{"message": "no time"}')
    world.read()
    world.lines(50)
    world.killed_while_polling()
    (world.folder / "combined.log").rename(world.folder / "combined.log.1")
    world.lines(50)
    world.killed_while_polling()
    world.killed_while_polling()
    world.read()

    assert world.sequence() == list(range(150))
    assert len(world.found()) == 152
    assert world.shipper.counters()["resent"] >= 100
    assert world.store.search(LogQuery(SPAN, lucene="log.file.path:combined.log n:1 OR seq:7"))["message"].tolist() == [
        "seq"
    ]


@pytest.mark.live
def test_a_copy_of_an_emptied_file_is_sent_under_the_ids_of_the_original(world: World) -> None:
    world.lines(20)
    world.read()
    world.lines(20)
    world.killed_while_polling()
    whole = (world.folder / "combined.log").read_bytes()
    (world.folder / "combined.log.1").write_bytes(whole)
    os.truncate(world.folder / "combined.log", 0)
    world.lines(20)
    world.read()

    assert world.sequence() == list(range(60))


@pytest.mark.live
def test_a_second_file_that_begins_as_an_older_one_loses_nothing(world: World) -> None:
    ids = batch([{"id": "x-0", "message": "one"}]), batch([{"id": "x-0", "message": "two"}])
    for rows in (*ids, *ids):
        world.store.write(rows)

    assert sorted(one["message"] for one in world.found()) == ["one", "two"]


@pytest.mark.live
def test_what_the_mapping_refuses_is_kept_as_a_text_counted_and_told(world: World) -> None:
    world.lines(1, context={"leadId": "L-1"})
    world.read()
    world.lines(3, context="a string where others have an object")
    world.raw(b'{"message": "no field can be named so", "timestamp": "2026-03-10T12:00:00Z", "": 1}')
    world.read()

    refused = [one for one in world.found() if "refused" in one]
    gaps = world.store.gaps(Window(datetime.now(UTC) - DAY, datetime.now(UTC) + DAY))

    assert len(world.found()) == 5
    assert len(refused) == 4
    assert "a string where others have an object" in refused[0]["refused"] + refused[1]["refused"]
    assert gaps["kind"].unique().tolist() == ["refused"]
    assert gaps["records"].sum() == 4
    assert world.store.count(LogQuery(SPAN, lucene='reason:"refused by the index"')) == 4
    world.started_anew()
    world.read()
    assert len(world.found()) == 5


@pytest.mark.live
def test_shipped_records_give_the_embedded_stores_answers(world: World, tmp_path: Path) -> None:
    embedded = DuckLogs(tmp_path / "embedded.duckdb")
    other = Tail([f"{world.folder}/combined*"], embedded, lambda: NOON)
    world.lines(5, level="ERROR", error="Lead 7 lost", url="/api/leads/7", status=500, duration=12.5, version="1.4.2")
    world.lines(5, stats={"processed": 3, "duration": 7}, password="hunter2")
    world.read()
    other.poll()
    world.found()
    query = LogQuery(SPAN)

    for ask in ("search", "patterns", "count"):
        ours, theirs = (getattr(store, ask)(query) for store in (embedded, world.store))
        if ask == "count":
            assert ours == theirs == 10
            continue
        dropped = ["id", "fields"] if ask == "search" else ["first_ever"]
        pd.testing.assert_frame_equal(theirs.drop(columns=dropped), ours.drop(columns=dropped))
    assert (
        world.store.search(query)["fields"].map(orjson.loads).tolist()
        == embedded.search(query)["fields"].map(orjson.loads).tolist()
    )
    assert "hunter2" not in str(world.found())
    other.close()
    embedded.close()


BULK, MGET = "/_bulk", "/_mget"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def shipper(server: FaultServer, tmp_path: Path) -> Iterator[Shipper]:
    ledger = DuckLogs(tmp_path / "ledger.duckdb")
    clock = Clock()
    opened = Shipper(Access((server.url("").rstrip("/"),)), "i-{day}", ledger, timeout_s=2,
                     pauses=Pauses(clock, jitter=lambda: 1.0))  # fmt: skip
    opened.clock = clock  # type: ignore[attr-defined]
    yield opened
    opened.close()
    ledger.close()


def items(*statuses: int, kind: str = "es_rejected_execution_exception") -> faults.Fault:
    error = {"type": kind, "reason": "full"}
    told = [
        {"create": {"_id": str(n), "_index": "i", "status": status} | ({"error": error} if status > 299 else {})}
        for n, status in enumerate(statuses)
    ]
    return answer({"errors": max(statuses) > 299, "items": told})


@pytest.mark.slow
def test_a_cluster_that_is_too_busy_is_given_time_and_nothing_counts_as_stored(
    server: FaultServer, shipper: Shipper
) -> None:
    server.says(BULK, refusal(429, retry_after=30))

    with pytest.raises(SourceUnavailable, match="too much at once"):
        shipper.write(batch([{}]), [Checkpoint("a", 1)])
    asked = len(server.requests)
    with pytest.raises(SourceUnavailable, match="asked again in 30 s"):
        shipper.write(batch([{}]), [Checkpoint("a", 1)])

    assert len(server.requests) == asked > 1
    assert shipper._ledger.checkpoints() == []
    server.says(BULK, items(201))
    shipper.clock.now += 31  # type: ignore[attr-defined]
    shipper.write(batch([{}]), [Checkpoint("a", 1)])
    assert shipper._ledger.checkpoints() == [Checkpoint("a", 1)]


def test_only_what_was_refused_is_sent_again_in_another_form(server: FaultServer, shipper: Shipper) -> None:
    server.says(BULK, items(201, 400, 201), items(201))

    shipper.write(batch([{}, {}, {}]))

    sent = [gzip.decompress(request.body).count(b'"create"') for request in server.requests if request.path == BULK]
    assert sent == [3, 1]
    assert shipper.counters() == {"sent": 3, "resent": 0, "refused": 1}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, "security_exception"), (404, "index_not_found_exception"), (403, "cluster_block_exception"),
     (400, "index_closed_exception")],
)  # fmt: skip
def test_what_is_wrong_with_the_whole_index_keeps_no_position_and_no_record(
    server: FaultServer, shipper: Shipper, status: int, kind: str
) -> None:
    """A key without the right to write would otherwise send every record into the data folder, for good."""
    now = batch([{"ts": datetime.now(UTC)}])
    server.says(BULK, items(status, kind=kind))

    with pytest.raises(SourceRejected, match=f"HTTP {status}: {kind}"):
        shipper.write(now, [Checkpoint("a", 1)])

    assert shipper._ledger.checkpoints() == []
    server.says(BULK, items(201))
    shipper.write(now, [Checkpoint("a", 1)])
    assert shipper._ledger.checkpoints() == [Checkpoint("a", 1)]
    assert shipper.counters() == {"sent": 1, "resent": 0, "refused": 0}


@pytest.mark.live
def test_a_late_line_for_an_index_that_is_read_only_by_now_stops_nobody(world: World) -> None:
    def blocked(day: str, *, on: bool) -> None:
        settings = {"index.blocks.write": on}
        world.indices.http.put(f"/{world.indices.prefix}-{day}/_settings", json=settings).raise_for_status()

    now = datetime.now(UTC)
    world.store.write(batch([{"id": "today", "ts": now}]))
    world.lines(1)
    world.read()
    blocked("2026.03.10", on=True)
    world.lines(2)
    world.read()
    blocked(f"{now:%Y.%m.%d}", on=True)

    with pytest.raises(SourceRejected, match="cluster_block_exception"):
        world.store.write(batch([{"id": "later", "ts": now}]))
    blocked(f"{now:%Y.%m.%d}", on=False)
    world.store.write(batch([{"id": "later", "ts": now}]))

    gaps = world.store.gaps(Window(now - DAY, now + DAY))
    assert (gaps["kind"].tolist(), gaps["records"].tolist()) == (["refused"], [2])
    assert "cluster_block_exception" in gaps["reason"][0]
    assert world.ledger.count(LogQuery(SPAN)) == 2
    assert len(world.found()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("fault", [faults.reset(), faults.hang(), answer({}, 401)])
def test_no_answer_keeps_no_position(server: FaultServer, shipper: Shipper, fault: faults.Fault) -> None:
    server.says(BULK, fault)

    with pytest.raises(Exception, match=r"no connection|no answer in time|401"):
        shipper.write(batch([{}]), [Checkpoint("a", 1)])

    assert shipper._ledger.checkpoints() == []


READER = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from lib.collect.tail import Tail
    from lib.logs.duckdb import DuckLogs
    from lib.logs.elastic.client import Access, Connection
    from lib.logs.elastic.ship import Shipper
    from lib.logs.elastic.shipped import ShippedLogs

    class Ledger(DuckLogs):
        def write(self, batch, checkpoints=(), gaps=()):
            if any(one.offset for one in checkpoints):
                os.write(1, b"B")  # the cluster has them, the ledger does not know
            super().write(batch, checkpoints, gaps)
            os.write(1, b"p")

    url, index, folder = sys.argv[1:]
    access = Access((url,))
    ledger = Ledger(Path(folder) / "ledger.duckdb")
    store = ShippedLogs(Connection(access), Shipper(access, index, ledger), ledger, clean=lambda value: value)
    tail = Tail([folder + "/combined*"], store, budget=32 * 1024)
    while True:
        tail.poll()
    """
)


@pytest.mark.live
@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.faults)])
@pytest.mark.timeout(900)
def test_kill_9_between_bulk_and_position_loses_and_doubles_nothing(
    tmp_path: Path, elasticsearch9: str, kills: int
) -> None:
    world = World(tmp_path, elasticsearch9)
    world.ledger.close()
    for turn in range(kills):
        world.lines(2_000)
        if turn % 2:
            (world.folder / "combined.log").rename(world.folder / f"combined.log.{turn}")
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, elasticsearch9, world.index, str(tmp_path)], stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )  # fmt: skip
        assert reader.stdout is not None
        told = b""
        while not told.endswith(b"B"):
            told += reader.stdout.read(1)
        os.kill(reader.pid, signal.SIGKILL)
        reader.wait()
        reader.stdout.close()
    world.ledger = Ledger(tmp_path / "ledger.duckdb")
    world.tail.close()
    world.started_anew()
    world.read()

    world.indices.http.post(f"/{world.indices.prefix}-*/_refresh").raise_for_status()
    aggs = {
        "size": 0,
        "track_total_hits": True,
        "aggs": {"distinct": {"cardinality": {"field": "seq", "precision_threshold": 40_000}}},
    }
    answered = httpx.post(f"{elasticsearch9}/{world.indices.prefix}-*/_search", json=aggs, timeout=60).json()
    distinct = answered["aggregations"]["distinct"]["value"]
    total = answered["hits"]["total"]["value"]
    resent = world.shipper.counters()["resent"]
    world.close()

    assert total == world.written == 2_000 * kills
    assert distinct == pytest.approx(total, rel=0.01)
    assert resent > 0


def test_a_data_stream_takes_records_by_its_own_name_and_answers_with_that_of_its_index(
    server: FaultServer, tmp_path: Path
) -> None:
    """Recorded: the test server has no data streams."""
    item = {"_index": ".ds-halopsa-integration-app-2026.03.10-000001", "_id": "0", "status": 409,
            "error": {"type": "version_conflict_engine_exception", "reason": "[0]: version conflict, document already exists"}}  # fmt: skip
    server.says(BULK, answer({"errors": True, "items": [{"create": item}]}))
    server.says(MGET, refusal(400, "illegal_argument_exception", "no write index is defined"))
    ledger = DuckLogs(tmp_path / "ledger.duckdb")
    shipper = Shipper(Access((server.url("").rstrip("/"),)), "halopsa-integration-app", ledger, timeout_s=2)

    shipper.write(batch([{"message": "x", "version": "1.4.2"}]), [Checkpoint("a", 1)])

    sent = next(request for request in server.requests if request.path == BULK)
    head, body = map(orjson.loads, gzip.decompress(sent.body).splitlines())
    assert head == {"create": {"_index": "halopsa-integration-app", "_id": "0"}}
    assert (body["version"], "@timestamp" in body) == ("1.4.2", True)
    assert shipper.counters() == {"sent": 1, "resent": 1, "refused": 0}
    assert ledger.checkpoints() == [Checkpoint("a", 1)]
    shipper.close()
    ledger.close()
