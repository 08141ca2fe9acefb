"""Putting template and policy into a cluster: what it says it did is what it did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from lib.errors import SourceRejected
from lib.logs.elastic.client import Access, Connection
from lib.logs.elastic.install import FILES, NAME, install, main
from tests.fault_server import FaultServer
from tests.logs.elastic.test_client import answer, refusal

ILM, COMPONENT, TEMPLATE = f"/_ilm/policy/{NAME}", f"/_component_template/{NAME}-lifecycle", f"/_index_template/{NAME}"
POLICY: dict[str, Any] = orjson.loads((FILES / "lifecycle-policy.json").read_bytes())
DONE = {"acknowledged": True}


@pytest.fixture
def real(elasticsearch: str) -> Iterator[str]:
    yield elasticsearch
    httpx.delete(f"{elasticsearch}{TEMPLATE}")


@pytest.mark.live
def test_a_cluster_without_lifecycle_management_gets_the_template_and_is_told_what_it_lacks(
    real: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ELASTICSEARCH_NODE", real)

    told = []
    for arguments in (["--look"], [], [], ["--look"]):
        assert main(arguments) == 0
        told.append(capsys.readouterr().out.splitlines())

    assert "lifecycle policy: skipped" in told[0]
    assert "  this cluster has no lifecycle management: old indices stay until deleted" in told[0]
    assert [lines[-1] for lines in told] == [
        "index template: to be created", "index template: created", "index template: unchanged", "index template: unchanged",
    ]  # fmt: skip
    held = httpx.get(f"{real}{TEMPLATE}").json()["index_templates"][0]["index_template"]
    assert held["template"]["mappings"]["properties"]["level"] == {"type": "keyword"}


@pytest.mark.live
def test_what_somebody_changed_is_told_and_put_right(real: str) -> None:
    connection = Connection(Access((real,)), timeout_s=60)
    wanted = orjson.loads((FILES / "index-template.json").read_bytes())
    changed = orjson.loads(orjson.dumps(wanted))
    changed["template"]["settings"]["index.number_of_shards"] = 3
    changed["template"]["mappings"]["properties"]["ours"] = {"type": "ip"}
    connection.put(TEMPLATE, changed)

    looked, did, again = (list(install(connection, look=look))[-1] for look in (True, False, False))
    connection.close()

    assert looked.done == "to be updated"
    assert did.done == "updated"
    assert did.details == (
        "template.mappings.properties.ours.type: ip → nothing", "template.settings.index.number_of_shards: 3 → 1",
    )  # fmt: skip
    assert again.done == "unchanged"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def connection(server: FaultServer) -> Iterator[Connection]:
    opened = Connection(Access((server.url("").rstrip("/"),)), timeout_s=2)
    yield opened
    opened.close()


def kept(body: Any) -> Any:
    """As a cluster gives a policy back: with its version, and a default of its own."""
    held = orjson.loads(orjson.dumps(body))
    held["policy"]["phases"]["delete"]["actions"]["delete"] = {"delete_searchable_snapshot": True}
    return answer({NAME: {"version": 3, "modified_date": "2026-03-01T00:00:00.000Z", **held, "in_use_by": {}}})


def test_a_whole_cluster_gets_policy_component_and_template_in_this_order(
    server: FaultServer, connection: Connection
) -> None:
    for path in (ILM, COMPONENT, TEMPLATE):
        server.says(path, refusal(404, "resource_not_found_exception", "no such thing"), answer(DONE))

    changes = list(install(connection))

    assert [change.done for change in changes] == ["created", "created", "created"]
    puts = [request.path for request in server.requests if request.method == "PUT"]
    assert puts == [ILM, COMPONENT, TEMPLATE]


def test_a_policy_that_the_cluster_gives_back_with_its_defaults_is_unchanged(
    server: FaultServer, connection: Connection
) -> None:
    server.says(ILM, kept(POLICY))
    for path in (COMPONENT, TEMPLATE):
        server.says(path, refusal(404), answer(DONE))

    assert next(install(connection)).done == "unchanged"


def test_an_older_policy_is_updated_with_the_difference(server: FaultServer, connection: Connection) -> None:
    older = orjson.loads(orjson.dumps(POLICY))
    older["policy"]["phases"]["delete"]["min_age"] = "30d"
    server.says(ILM, kept(older), answer(DONE))

    change = next(install(connection))

    assert (change.done, change.details) == ("updated", ("policy.phases.delete.min_age: 30d → 90d",))


def test_a_refusal_is_no_missing_endpoint(server: FaultServer, connection: Connection) -> None:
    server.says(ILM, refusal(403, "security_exception", "action [cluster:admin/ilm/get] is unauthorized"))

    with pytest.raises(SourceRejected, match="unauthorized"):
        list(install(connection))


def test_without_an_address_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ELASTICSEARCH_NODE", raising=False)

    assert main([]) == 2
    assert "ELASTICSEARCH_NODE" in capsys.readouterr().err
