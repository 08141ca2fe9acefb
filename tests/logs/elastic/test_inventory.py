"""What the cluster tells of its indices, in recorded answers: the test servers have no lifecycles."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from elasticsearch import Elasticsearch

from lib.errors import SourceUnavailable
from lib.logs.elastic.client import Access, Connection
from lib.logs.elastic.inventory import inventory
from lib.logs.inventory import Index
from tests import fault_server as faults
from tests.fault_server import FaultServer

NAME = "halopsa-integration-2026.03.01"
OLDEST = {
    "responses": [
        {
            "hits": {"hits": []},
            "_shards": {"total": 1, "failed": 0},
            "timed_out": False,
            "aggregations": {
                "index": {"buckets": [{"key": NAME, "doc_count": 7, "oldest": {"value": 1772323200000.0}}]}
            },
        }
    ]
}
SIZES = {"indices": {NAME: {"primaries": {"docs": {"count": 7}}, "total": {"store": {"size_in_bytes": 4096}}}}}
CYCLE = {"index": NAME, "managed": True, "policy": "halopsa", "phase": "warm", "step": "complete"}
STUCK = CYCLE | {
    "phase": "delete",
    "step": "ERROR",
    "step_info": {"type": "cluster_block_exception", "reason": "index [x] blocked"},
}


def answer(content: Any, status: int = 200) -> faults.Fault:
    return faults.answer(orjson.dumps(content), status, "application/json", {"x-elastic-product": "Elasticsearch"})


def told(server: FaultServer, *, sizes: Any = SIZES, cycles: Any = None, status: int = 200) -> tuple[Index, ...]:
    server.says("/_msearch", answer(OLDEST))
    server.says("/halopsa-integration-*/_stats/docs,store", answer(sizes, status))
    server.says(
        "/halopsa-integration-*/_ilm/explain",
        answer(cycles if status != 200 else {"indices": {NAME: cycles or CYCLE}}, status),
    )
    connection = Connection(Access((server.url("").rstrip("/"),)))
    try:
        return inventory(connection)
    finally:
        connection.close()


def test_an_index_has_its_age_size_and_phase() -> None:
    with FaultServer() as server:
        found = told(server)

    assert found == (
        Index(NAME, 7, 4096, datetime(2026, 3, 1, tzinfo=UTC), managed=True, phase="warm", policy="halopsa"),
    )


def test_a_lifecycle_that_stands_still_says_why() -> None:
    with FaultServer() as server:
        (found,) = told(server, cycles=STUCK)

    assert (found.phase, found.error) == ("delete", "index [x] blocked")


def test_a_policy_that_does_not_exist_drops_nothing_though_the_index_names_it() -> None:
    missing = {
        "index": NAME, "managed": True, "policy": "gone",
        "step_info": {"type": "illegal_argument_exception", "reason": "policy [gone] does not exist"},
    }  # fmt: skip
    with FaultServer() as server:
        (found,) = told(server, cycles=missing)

    assert (found.policy, found.phase, found.error) == ("gone", "", "policy [gone] does not exist")


def test_a_step_that_waits_is_no_fault() -> None:
    waits = CYCLE | {"step": "check-rollover-ready", "step_info": {"message": "waiting for 1 shard", "shards_left": 1}}
    with FaultServer() as server:
        (found,) = told(server, cycles=waits)

    assert found.error == ""


def test_what_the_user_may_not_ask_is_unknown_and_the_rest_is_told() -> None:
    refusal = {"error": {"type": "security_exception", "reason": "action is unauthorized"}, "status": 403}
    with FaultServer() as server:
        (found,) = told(server, sizes=refusal, cycles=refusal, status=403)

    assert (found.records, found.bytes, found.managed) == (7, None, None)
    assert "unauthorized" in found.unknown


def test_a_cluster_that_is_down_is_an_error() -> None:
    connection = Connection(Access(("http://127.0.0.1:9",)), sleep=lambda _: None)

    with pytest.raises(SourceUnavailable):
        inventory(connection)
    connection.close()


@pytest.mark.live
def test_a_real_cluster_without_lifecycles_tells_what_it_can(elasticsearch: str) -> None:
    client = Elasticsearch(elasticsearch)
    name = "inventory-2026.03.01"
    for hour in (3, 5):
        client.index(index=name, document={"@timestamp": f"2026-03-01T0{hour}:00:00Z", "message": "x"}, refresh=True)
    connection = Connection(Access((elasticsearch,), index="inventory-*"))

    (found,) = inventory(connection)

    assert (found.name, found.records, found.oldest) == (name, 2, datetime(2026, 3, 1, 3, tzinfo=UTC))
    assert found.bytes is not None
    assert found.bytes > 0
    assert (found.managed, bool(found.unknown)) == (None, True)
    connection.close()
    client.close()
