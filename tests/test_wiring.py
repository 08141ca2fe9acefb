"""Opening the embedded stores, as one owner and whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib.errors import SourceUnavailable
from lib.settings import Settings
from lib.window import Window
from lib.wiring import open_stores


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
