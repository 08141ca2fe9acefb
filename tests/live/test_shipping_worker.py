"""The worker ships to a real Elasticsearch: through an outage and a rotation, over TLS, beside a remote Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from lib.collect.cadence import utc_now
from lib.collect.importer import Importer
from lib.collect.sources import find
from lib.errors import SettingsError, SourceRejected
from lib.logs.base import LogQuery
from lib.logs.elastic.client import Access, Connection
from lib.logs.elastic.store import ElasticLogs
from lib.settings import Settings
from lib.window import DAY, Window
from lib.wiring import open_stores
from lib.worker import Worker
from tests import fault_server as faults
from tests.certificates import Certificate, self_signed
from tests.fault_server import FaultServer
from tests.gate import Gate
from tests.logs.batches import batch
from tests.logs.indices import Indices
from tests.test_worker import until

pytestmark = pytest.mark.live


@pytest.fixture
def indices(elasticsearch9: str) -> Iterator[Indices]:
    opened = Indices(elasticsearch9)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


def settings_of(folder: Path, indices: Indices, node: str, **more: Any) -> Settings:
    given = {
        "data_dir": folder / "data", "log_files": f"{folder}/combined*.log", "elasticsearch_node": node, "ship_to_elasticsearch": True,
        "ship_index": f"{indices.prefix}-{{day}}", "es_index": f"{indices.prefix}-*",
    }  # fmt: skip
    return Settings.model_validate(given | more)


def write(folder: Path, *numbers: int) -> None:
    at = datetime.now(UTC) - timedelta(minutes=1)
    lines = [{"timestamp": at.isoformat(), "level": "INFO", "message": f"line {n}", "seq": n} for n in numbers]
    with (folder / "combined.log").open("ab") as file:
        file.write(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def kept(indices: Indices) -> list[int]:
    indices.http.post(f"/{indices.prefix}-*/_refresh")
    now = datetime.now(UTC)
    found = indices.search(LogQuery(Window(now - DAY, now + DAY)), limit=1000)
    return sorted(orjson.loads(fields)["seq"] for fields in found["fields"])


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def test_an_outage_with_a_rotation_in_it_loses_and_doubles_nothing(
    tmp_path: Path, indices: Indices, elasticsearch9: str
) -> None:
    with Gate(port_of(elasticsearch9)) as gate:
        settings = settings_of(tmp_path, indices, f"http://127.0.0.1:{gate.port}")
        opened = open_stores(settings)
        worker = Worker(settings, opened)
        write(tmp_path, *range(20))
        worker.start()
        until(lambda: kept(indices) == list(range(20)))

        gate.shut()
        write(tmp_path, *range(20, 40))
        until(lambda: any(task.name == "tail" for task in worker.status().failing))
        (tmp_path / "combined.log").rename(tmp_path / "combined.1.log")
        write(tmp_path, *range(40, 60))
        waiting = worker.status()
        gate.open()
        until(lambda: kept(indices) == list(range(60)), within_s=60)

        assert worker.stop()
        status = worker.status()
        opened.close()
    assert waiting.as_json()["status"] == "degraded"
    assert waiting.tail["lag_bytes"] > 0
    assert status.not_followed == ""
    assert status.gaps.lost == 0


def test_logs_in_elasticsearch_stand_beside_embedded_metrics_and_the_first_record_shows_soon(
    tmp_path: Path, indices: Indices, elasticsearch9: str
) -> None:
    with FaultServer() as server:
        server.says("/metrics", faults.answer(b"queue_size 7\n"))
        settings = settings_of(
            tmp_path, indices, elasticsearch9, scrape_targets=server.url("/metrics"), scrape_interval_s=1
        )
        opened = open_stores(settings)
        worker = Worker(settings, opened)
        write(tmp_path, 1, 2, 3)
        worker.start()

        until(lambda: kept(indices) == [1, 2, 3])
        until(lambda: opened.stores.metrics.instant("queue_size", utc_now()).scalar() == 7)
        until(lambda: worker.status().newest_log is not None)

        assert worker.stop()
        opened.close()


def test_a_cluster_behind_tls_is_asked_and_shipped_to_with_its_own_authority_alone(
    tmp_path: Path, indices: Indices, elasticsearch9: str, certificate: Certificate
) -> None:
    with Gate(port_of(elasticsearch9), certificate.server_context()) as gate:
        node = f"https://127.0.0.1:{gate.port}"
        settings = settings_of(tmp_path, indices, node, es_ca_file=str(certificate.certificate))
        opened = open_stores(settings)
        assert opened.log_database is not None
        opened.log_database.write(batch([{"message": "over TLS", "ts": datetime.now(UTC)}]))
        indices.http.post(f"/{indices.prefix}-*/_refresh")
        now = datetime.now(UTC)
        found = opened.stores.logs.search(LogQuery(Window(now - DAY, now + DAY)))["message"].tolist()
        opened.close()
        stranger = ElasticLogs(Connection(Access((node,))), clean=lambda value: value)
        with pytest.raises(SourceRejected, match="certificate is not trusted"):
            stranger.newest()
        stranger.close()

    assert found == ["over TLS"]


def test_an_import_sends_old_files_where_the_tail_ships_to_and_each_once(
    tmp_path: Path, indices: Indices, elasticsearch9: str
) -> None:
    settings = settings_of(tmp_path, indices, elasticsearch9)
    write(tmp_path, *range(30))
    old = tmp_path / "old.log"
    (tmp_path / "combined.log").rename(old)
    write(tmp_path, 30, 31)

    def imported(*paths: Path) -> Importer:
        importer = Importer(settings)
        importer.run(find([str(path) for path in paths])[0])
        assert importer.tally.problems == []
        return importer

    first = imported(old)
    opened = open_stores(settings)
    worker = Worker(settings, opened)
    worker.start()
    until(lambda: kept(indices) == list(range(32)))
    again = imported(old, tmp_path / "combined.log")  # the worker takes it in
    assert worker.stop()
    opened.close()

    assert (first.taken.records, again.taken.records, again.taken.duplicates) == (30, 0, 32)
    assert kept(indices) == list(range(32))


def test_where_the_cluster_is_only_read_an_import_says_so(tmp_path: Path) -> None:
    write(tmp_path, 1)
    settings = Settings(data_dir=tmp_path / "data", elasticsearch_node="http://127.0.0.1:9")  # type: ignore[call-arg]
    importer = Importer(settings)

    importer.run(find([f"{tmp_path}/combined.log"])[0])

    assert "HALO_OPS_SHIP_TO_ELASTICSEARCH" in importer.tally.problems[0]


@pytest.mark.parametrize(
    ("more", "words"),
    [({"elasticsearch_node": ""}, "needs ELASTICSEARCH_NODE"), ({"ship_index": "elsewhere-{day}"}, "is not covered by"),
     ({"ship_index": "Bad*"}, "small letters")],
)  # fmt: skip
def test_settings_that_would_ship_to_where_nobody_reads_are_refused(more: dict[str, str], words: str) -> None:
    with pytest.raises((SettingsError, ValueError), match=words):
        Settings.model_validate({"ship_to_elasticsearch": True, "elasticsearch_node": "http://es:9200"} | more)
