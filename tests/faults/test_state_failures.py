"""F22 for the state database: evaluation goes on in memory and says so, a webhook hears 503, and it recovers by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = Path(__file__).with_name("state_child.py")
OWN_MOUNTS = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--mount")
SAYS = {"locked": "another process has kept it locked", "full": "full", "sync": "disk I/O error"}

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]


@pytest.mark.parametrize("way", SAYS)
def test_alerts_go_on_in_memory_and_are_kept_and_told_once_when_the_database_writes_again(
    tmp_path: Path, way: str
) -> None:
    command = [*(OWN_MOUNTS if way == "full" else ()), sys.executable, str(CHILD), way, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

    saw = json.loads(done.stdout.splitlines()[-1])

    assert SAYS[way] in saw["why"]
    assert (saw["metric"], saw["verdict"]) == (0.0, "degraded")
    assert (saw["pushed"], saw["again"]) == (503, 200)
    [(_, state, fired_at)] = saw["rows"]
    assert state == "firing" and fired_at < saw["fired_by"], "it fires since it did, not since it could be kept"
    assert sorted(number for number, _, _ in saw["pushed_rows"]) == ["0", "1"]
    assert saw["told"] == 1
    assert sorted(saw["kinds"]) == ["firing", "pending", "pushed", "pushed"], "each step is in the story, once"
