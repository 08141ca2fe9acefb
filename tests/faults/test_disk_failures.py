"""F22 for the log store: a disk that is full, or cannot write, is said plainly; nothing is lost or doubled; it recovers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

CHILD = Path(__file__).with_name("disk_child.py")
OWN_MOUNTS = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--mount")

pytestmark = pytest.mark.live


def outcome(prefix: Sequence[str], way: str, folder: Path) -> dict[str, Any]:
    """What the child saw."""
    data, logs = folder / "data", folder / "logs"
    data.mkdir()
    logs.mkdir()
    command = [*prefix, sys.executable, str(CHILD), way, str(data), str(logs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_full_disk_is_said_and_everything_is_stored_once_when_there_is_space_again(tmp_path: Path) -> None:
    saw = outcome(OWN_MOUNTS, "full", tmp_path)

    assert "the disk is full" in saw["said"]
    assert saw["verdict"] == "degraded"
    assert saw["failed_writes"] >= 1
    assert saw["summed"] == saw["written"]
    assert saw["kept"]
    assert saw["replaced"] == {}  # the file is whole: nothing may be moved aside for want of space


def test_a_disk_that_cannot_sync_is_said_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    saw = outcome((), "sync", tmp_path)

    assert saw["injected"] >= 1
    assert saw["said"]
    assert saw["failed_writes"] >= 1
    assert saw["summed"] == saw["written"]
    assert saw["kept"]
