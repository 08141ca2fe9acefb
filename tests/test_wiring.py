"""Opening the embedded stores, as one owner and whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib.errors import SettingsError, SourceUnavailable
from lib.logs.base import LogQuery
from lib.logs.elastic.store import ElasticLogs
from lib.settings import Settings
from lib.window import Window
from lib.wiring import open_stores
from lib.worker import NOT_FOLLOWED, Worker
from tests.logs.batches import NOON, batch
from tests.logs.indices import Indices


def test_the_stores_open_in_a_folder_that_is_made_and_answer_when_empty(tmp_path: Path) -> None:
    opened = open_stores(Settings(data_dir=tmp_path / "new" / "data"))

    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert opened.stores.logs.newest() is None
    assert opened.stores.metrics.newest() is None
    assert opened.stores.health.episodes(Window(now - timedelta(hours=1), now)).empty
    opened.close()
    opened.close()  # a second call does nothing


def test_a_second_owner_is_told_who_holds_them_and_leaves_nothing_locked(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    first = open_stores(settings)
    with pytest.raises(SourceUnavailable):
        open_stores(settings)
    first.close()

    open_stores(settings).close()


def test_a_store_that_does_not_open_closes_those_before_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    (tmp_path / "state.sqlite").mkdir()  # a folder where the file should be

    with pytest.raises(SourceUnavailable):
        open_stores(settings)

    (tmp_path / "state.sqlite").rmdir()
    open_stores(settings).close()


@pytest.mark.slow
def test_the_worker_alone_refuses_plainly_while_another_process_owns_the_stores(tmp_path: Path) -> None:
    opened = open_stores(Settings(data_dir=tmp_path))

    ended = subprocess.run(
        [sys.executable, "-m", "lib.worker"],
        cwd=Path(__file__).parents[1],
        env={"HALO_OPS_DATA_DIR": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    opened.close()

    assert ended.returncode == 1
    assert "one owner process" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_with_an_elasticsearch_address_the_logs_are_read_there_and_no_embedded_log_store_is_made(
    tmp_path: Path,
) -> None:
    opened = open_stores(Settings(data_dir=tmp_path, elasticsearch_node="http://127.0.0.1:9"))

    assert isinstance(opened.stores.logs, ElasticLogs)
    assert opened.log_database is None
    assert not (tmp_path / "logs.duckdb").exists()
    assert opened.stores.metrics.newest() is None  # embedded metrics beside remote logs
    with pytest.raises(SourceUnavailable, match="no connection"):  # at the question, not at the start
        opened.stores.logs.newest()
    opened.close()


def test_a_ca_file_that_is_missing_stops_the_start_and_is_named(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, elasticsearch_node="https://127.0.0.1:9", es_ca_file=str(tmp_path / "ca.pem")
    )

    with pytest.raises(SettingsError, match="HALO_OPS_ES_CA_FILE"):
        open_stores(settings)
    open_stores(Settings(data_dir=tmp_path)).close()  # nothing is left locked


@pytest.mark.slow
def test_the_worker_runs_beside_a_cluster_that_is_down_and_says_that_files_are_not_followed(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, elasticsearch_node="http://127.0.0.1:9", log_files=(str(tmp_path / "combined*.log"),)
    )
    (tmp_path / "combined.log").write_text("{}\n", encoding="utf-8")
    opened = open_stores(settings)
    worker = Worker(settings, opened)

    worker.start()
    stopped = worker.stop()
    status = worker.status()
    opened.close()

    assert stopped
    assert status.not_followed == NOT_FOLLOWED
    assert "tail" not in {task.name for task in status.tasks}
    assert status.as_json()["not_followed"] == NOT_FOLLOWED


@pytest.mark.live
def test_the_logs_of_a_real_cluster_come_through_the_wiring(tmp_path: Path, elasticsearch9: str) -> None:
    indices = Indices(elasticsearch9)
    indices.write(batch([{"level": "ERROR"}]))
    opened = open_stores(Settings(data_dir=tmp_path, elasticsearch_node=elasticsearch9, es_index=f"{indices.prefix}-*"))

    found = opened.stores.logs.totals(LogQuery(Window(NOON, NOON + timedelta(hours=1))), ("level",))
    opened.close()
    indices.close()

    assert found.to_dict("list") == {"level": ["ERROR"], "records": [1]}
