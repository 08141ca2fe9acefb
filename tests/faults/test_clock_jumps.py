"""F12: the machine's clock is put forward and back by an hour, and the machine sleeps, under a real worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests import fault_server as faults
from tests.fault_server import FaultServer
from tests.faults.clock_child import JUMPS_S

CHILD = Path(__file__).with_name("clock_child.py")


def preload() -> str:
    """The library that puts a process's clock, as the `faketime` program knows it."""
    told = subprocess.run(["faketime", "-f", "+0", "env"], capture_output=True, text=True, check=True).stdout
    return next(line.removeprefix("LD_PRELOAD=") for line in told.splitlines() if line.startswith("LD_PRELOAD="))


@pytest.mark.live
@pytest.mark.timeout(180)
def test_f12_a_clock_that_jumps_costs_no_line_and_stops_no_scrape(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0", encoding="ascii")
    environment = os.environ | {
        "LD_PRELOAD": preload(), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
    }  # fmt: skip

    with FaultServer() as server:
        server.says("/metrics", faults.answer(b"a 1\n"))
        command = [sys.executable, str(CHILD), str(tmp_path), server.url("/metrics")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=170, check=False)
        arrivals = np.array([request.at for request in server.seen("/metrics")])
    assert done.returncode == 0, done.stderr[-3000:]
    saw = json.loads(done.stdout)

    assert saw["jumped_s"] == pytest.approx([after - before for before, after in pairwise((0, *JUMPS_S))], abs=2)
    assert saw["away_s"] >= 2.5
    assert saw["stored"] == saw["different"] == saw["written"] > 250
    assert set(saw["gaps"]) <= {"future"}, "a line written an hour ahead and read after the jump back is told as that"
    assert (saw["last_error"], saw["stopped"]) == ("", True)
    assert saw["dropped_samples"] > 0, "older than what the same series has: refused, and counted"
    assert np.diff(arrivals).max() < 3 + 4, "scrapes go on, but for the three seconds of sleep"
