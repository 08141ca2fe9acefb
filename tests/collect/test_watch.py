"""Disks, files, backups and heartbeats as the worker sees them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib.collect.disks import disks, mount_of, places
from lib.collect.watch import Watch, files
from lib.errors import SourceUnavailable
from lib.heartbeats.log import Beat, HeartbeatLog
from lib.settings import Settings
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from lib.status import Retained
from tests.seed import empty_stores

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(sqlite_url(tmp_path / "state.sqlite"))
    yield opened
    opened.close()


def watched(tmp_path: Path) -> Settings:
    (tmp_path / "logs").mkdir()
    (tmp_path / "crm.dump").write_bytes(b"x")
    os.utime(tmp_path / "crm.dump", ((NOW - HOUR).timestamp(),) * 2)
    return Settings(
        data_dir=tmp_path, log_files=(str(tmp_path / "logs" / "*.log"),), backup_files=(str(tmp_path / "*.dump"),),
        heartbeat_token="t" * 24, heartbeats=("backup=24h/2h", "report=1h"), backup_metric="",  # type: ignore[arg-type]
    )  # fmt: skip


def test_everything_of_ours_on_one_mount_is_one_disk(tmp_path: Path) -> None:
    settings = watched(tmp_path)

    found = disks(places(settings))

    assert [(disk.mount, disk.holds) for disk in found] == [(str(mount_of(tmp_path)), "data, logs, backups")]
    assert 0 <= found[0].free_ratio <= 1
    assert 0 < found[0].free_bytes <= found[0].total_bytes


def test_a_folder_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, log_files=("/nowhere/at/all/*.log",))

    assert places(settings)["logs"] == ()
    assert disks({"logs": [Path("/nowhere/at/all")]}) == ()


def test_log_folders_that_a_pattern_names_are_found(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "logs").mkdir(parents=True)
    settings = Settings(data_dir=tmp_path, log_files=(str(tmp_path / "*" / "logs" / "combined*.log"),))

    assert {folder.parent.name for folder in places(settings)["logs"]} == {"a", "b"}


def test_a_mount_is_where_another_file_system_begins() -> None:
    assert mount_of(Path("/proc/self")) == Path("/proc")


def test_a_look_tells_of_disks_files_backups_and_late_heartbeats(tmp_path: Path, state: State) -> None:
    settings, log = watched(tmp_path), HeartbeatLog(state)
    log.add("backup", NOW - 3 * HOUR, Beat())
    log.add("report", NOW - 3 * HOUR, Beat())
    with empty_stores(tmp_path / "stores") as stores:
        watch = Watch(settings, stores.metrics, log, lambda: NOW)

        watch.look()

    status = watch.status
    assert len(status.disks) == 1
    assert status.files["state.sqlite"] > 0
    assert status.backups == {"files": NOW - HOUR, "backup": NOW - 3 * HOUR}
    assert status.late == {"backup": False, "report": True}


def test_a_lost_state_database_leaves_the_rest_known_and_is_told(tmp_path: Path) -> None:
    class Gone(HeartbeatLog):
        def standing(self, *_: object) -> tuple[()]:  # type: ignore[override]
            raise SourceUnavailable("the disk is full", "heartbeats")

    settings = watched(tmp_path)
    with empty_stores(tmp_path / "stores") as stores:
        watch = Watch(settings, stores.metrics, Gone(None), lambda: NOW)  # type: ignore[arg-type]

        with pytest.raises(SourceUnavailable, match="disk is full"):
            watch.look()

    assert watch.status.disks
    assert watch.status.backups == {"files": NOW - HOUR, "backup": None}
    assert watch.status.late == {}


def test_what_retention_did_stays_through_a_look(tmp_path: Path, state: State) -> None:
    with empty_stores(tmp_path / "stores") as stores:
        watch = Watch(Settings(data_dir=tmp_path), stores.metrics, HeartbeatLog(state), lambda: NOW)
        done = (Retained("logs", 30, NOW, 5),)
        watch.retained(NOW, done)

        watch.look()

    assert (watch.status.retained, watch.status.retained_at) == (done, NOW)


def test_a_stores_file_counts_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "logs.duckdb").write_bytes(b"x" * 10)
    (tmp_path / "logs.duckdb.wal").write_bytes(b"x" * 5)
    (tmp_path / "state.sqlite-wal").write_bytes(b"x" * 7)  # of a database that is gone

    assert files(Settings(data_dir=tmp_path)) == {"logs.duckdb": 15}
