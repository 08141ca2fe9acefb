"""`python -m lib.state`, as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.settings import Settings
from lib.state.database import sqlite_url
from lib.state.migrate import head
from lib.state.tables import all_tables, written_by_people
from lib.wiring import open_stores
from tests.postgres import Cluster

ROOT = Path(__file__).parents[2]


def state(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lib.state", *map(str, arguments)], cwd=ROOT, env=os.environ | environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_no_state_is_restored_under_a_dashboard_whose_logs_are_in_elasticsearch(tmp_path: Path) -> None:
    """Regression: it was asked who owns the embedded log store, which such a dashboard does not open."""
    running = open_stores(Settings(data_dir=tmp_path, elasticsearch_node="http://127.0.0.1:9"))
    state("backup", tmp_path / "copy", HALO_OPS_DATA_DIR=str(tmp_path))

    refused = state("restore", tmp_path / "copy", HALO_OPS_DATA_DIR=str(tmp_path))

    running.close()
    assert refused.returncode == 1
    assert "one process owns the embedded stores" in refused.stderr


def test_a_backup_is_taken_while_the_dashboard_runs_and_restored_when_it_does_not(tmp_path: Path) -> None:
    data = {"HALO_OPS_DATA_DIR": str(tmp_path)}
    running = open_stores(Settings(data_dir=tmp_path))

    taken = state("backup", tmp_path / "copy", **data)
    refused = state("restore", tmp_path / "copy", **data)
    running.close()
    restored = state("restore", tmp_path / "copy", **data)

    assert taken.returncode == 0
    assert taken.stdout.splitlines() == [f"{name}: 0 rows" for name in (t.name for t in all_tables())]
    assert refused.returncode == 1
    assert "one process owns the embedded stores" in refused.stderr
    assert (restored.returncode, restored.stderr) == (0, "")


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    ran = state("backup", tmp_path / "copy", HALO_OPS_DATA_DIR=str(tmp_path / "nowhere"))

    assert ran.returncode == 1
    assert ran.stderr == f"there is no {sqlite_url(tmp_path / 'nowhere' / 'state.sqlite').database}\n"


@pytest.mark.live
def test_the_database_comes_from_the_settings_its_password_from_a_file(postgres: Cluster, tmp_path: Path) -> None:
    url = postgres.new_database()
    (tmp_path / "password").write_text(f"{url.password}\n", encoding="utf-8")
    settings = {
        "HALO_OPS_STATE_URL": f"postgresql://{url.username}@{url.host}:{url.port}/{url.database}",
        "HALO_OPS_STATE_PASSWORD_FILE": str(tmp_path / "password"),
    }

    before = state("export", tmp_path / "out", **settings)
    migrated = state("migrate", **settings)
    exported = state("export", tmp_path / "out", **settings)

    assert before.returncode == 1 and "schema none" in before.stderr
    assert (migrated.returncode, migrated.stdout) == (0, f"The state database has schema {head()}.\n")
    assert exported.returncode == 0
    assert exported.stdout.splitlines() == [f"{name}: 0 rows" for name in (t.name for t in written_by_people())]
