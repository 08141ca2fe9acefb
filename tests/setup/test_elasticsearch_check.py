"""The check of a real Elasticsearch: what it finds, and what to do where it finds nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lib.settings import Settings
from lib.setup import elasticsearch as check_elasticsearch
from lib.setup.base import Grade, Row
from lib.wiring import open_stores
from tests import fault_server as faults
from tests.fault_server import FaultServer
from tests.logs.batches import batch
from tests.logs.elastic.test_client import answer, refusal
from tests.logs.indices import Indices
from tests.seed import empty_stores


def settings_of(url: str, **more: Any) -> Settings:
    return Settings(elasticsearch_node=url, _env_file=None, **more)  # type: ignore[call-arg]


def rows_of(folder: Path, settings: Settings, logs: Any = None) -> dict[str, Row]:
    with empty_stores(folder) as stores:
        asked = replace(stores, logs=logs) if logs is not None else stores
        return {row.what: row for row in check_elasticsearch(settings, asked).ask()}


@pytest.mark.live
def test_a_cluster_tells_version_indices_age_and_how_it_maps(tmp_path: Path, elasticsearch: str) -> None:
    indices = Indices(elasticsearch, "winston")
    indices.write(batch([{"ts": datetime.now(UTC) - timedelta(seconds=7), "level": "ERROR", "message": "x"}]))

    rows = rows_of(tmp_path, settings_of(elasticsearch, es_index=f"{indices.prefix}-*"), indices)
    indices.close()

    assert {row.grade for row in rows.values()} == {Grade.OK}, rows
    assert "lets us read, version " in rows["answer"].said
    assert rows["indices"].said.startswith(f"1: {indices.prefix}-")
    assert 7 <= int(rows["newest record"].said.removesuffix(" s old")) < 60  # a busy machine is slow, not wrong
    assert rows["clock"].said == "agrees with ours"
    assert "time is @timestamp, levels are error" in rows["mapping"].said
    assert "patterns are made from the texts" in rows["mapping"].said


@pytest.mark.live
def test_indices_that_cannot_be_compared_and_none_at_all_are_failures_with_what_to_do(
    tmp_path: Path, elasticsearch9: str
) -> None:
    indices = Indices(elasticsearch9, "winston")
    mapped = {
        "properties": {"@timestamp": {"type": "date"}, "level": {"type": "text"}, "duration": {"type": "keyword"}}
    }
    indices.http.put(f"/{indices.prefix}-2026.03.10", json={"mappings": mapped}).raise_for_status()

    wrong = rows_of(tmp_path, settings_of(elasticsearch9, es_index=f"{indices.prefix}-*"), indices)
    none = rows_of(tmp_path, settings_of(elasticsearch9, es_index="nobody-*"), indices)
    indices.close()

    assert wrong["mapping"].grade is Grade.FAILED
    assert "level is no keyword, duration_ms is no number" in wrong["mapping"].said
    assert "lib.logs.elastic.install" in wrong["mapping"].hint
    assert wrong["newest record"].said == "none"
    assert (none["indices"].grade, none["indices"].said) == (Grade.FAILED, "none is called nobody-*")
    assert "HALO_OPS_ES_INDEX" in none["indices"].hint


@pytest.mark.live
def test_shipping_tells_what_was_sent_and_that_the_template_is_missing(tmp_path: Path, elasticsearch8: str) -> None:
    settings = settings_of(elasticsearch8, data_dir=tmp_path / "data", ship_to_elasticsearch=True,
                           ship_index="setup-check-{day}", es_index="setup-check-*")  # fmt: skip
    opened = open_stores(settings)
    assert opened.log_database is not None
    opened.log_database.write(batch([{"message": "x", "ts": datetime.now(UTC)}]))

    rows = {row.what: row for row in check_elasticsearch(settings, opened.stores).ask()}
    opened.close()

    assert rows["shipping"].said.startswith("1 records sent to setup-check-{day} since the start, 0 refused")
    assert rows["template"].grade is Grade.WARNING
    assert "lib.logs.elastic.install" in rows["template"].hint


@pytest.mark.parametrize(
    ("fault", "said", "hint"),
    [
        (refusal(401, "security_exception", "missing authentication credentials"), "missing", "ES_API_KEY"),
        (refusal(403, "security_exception", "action is unauthorized"), "unauthorized", "view_index_metadata"),
        (faults.json_answer({}), "not Elasticsearch", "Kibana"),
        (answer({"error": {"type": "index_closed_exception", "reason": "closed"}}, 400), "closed", "Open the index"),
    ],
)
def test_each_failure_comes_with_what_to_do(tmp_path: Path, fault: faults.Fault, said: str, hint: str) -> None:
    with FaultServer() as server:
        server.says("/halopsa-integration-*/_field_caps", fault)
        rows = rows_of(tmp_path, settings_of(server.url("").rstrip("/")))

    assert list(rows) == ["answer"]
    assert rows["answer"].grade is Grade.FAILED
    assert said in rows["answer"].said
    assert hint in rows["answer"].hint


@pytest.mark.parametrize(
    ("node", "said", "hint"),
    [
        ("https://127.0.0.1:{port}", "does not speak TLS", "http://"),
        ("http://127.0.0.1:9", "Connection refused", "Nothing listens there"),
        ("http://nowhere.invalid:9200", "no connection", "spelling"),
    ],
)
def test_an_address_that_is_wrong_is_told_from_a_cluster_that_is_down(
    tmp_path: Path, node: str, said: str, hint: str
) -> None:
    with faults.refuses_tls() as port:
        rows = rows_of(tmp_path, settings_of(node.format(port=port)))

    assert said in rows["answer"].said
    assert hint in rows["answer"].hint


def test_nothing_is_asked_where_logs_are_embedded(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, Settings(_env_file=None))  # type: ignore[call-arg]

    assert [row.grade for row in rows.values()] == [Grade.OFF]
