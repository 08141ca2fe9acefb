"""F4: files renamed three times a second under a service that writes 2,000 lines a second, through the real worker."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from lib.logs.duckdb import DuckLogs
from lib.settings import Settings
from lib.wiring import open_stores
from lib.worker import Worker

RATE, EVERY_S = 2000, 0.3
SERVICE = textwrap.dedent(
    """
    import os, sys, time
    folder, renames, rate, every_s = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    path, number = folder + "/combined.log", 0

    def write(file, count):
        global number
        text = '{"timestamp": "2024-11-01T11:00:00Z", "level": "INFO", "message": "seq %d"}\\n'
        file.write("".join(text % n for n in range(number, number + count)).encode())
        number += count

    began = time.monotonic()
    for turn in range(renames):
        with open(path, "ab", buffering=0) as file:
            while time.monotonic() - began < (turn + 1) * every_s:
                write(file, max(0, int((time.monotonic() - began) * rate) - number))
                time.sleep(0.005)
            os.rename(path, f"{path}.{turn}")
            write(file, 20)  # until it opens the new one
    print(number, time.monotonic() - began)
    """
)


@pytest.mark.parametrize(
    "renames",
    [pytest.param(20, id="short", marks=pytest.mark.live), pytest.param(200, id="full", marks=pytest.mark.faults)],
)
@pytest.mark.timeout(300)
def test_a_storm_of_renames_neither_loses_nor_doubles_a_line(tmp_path: Path, renames: int) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    settings = Settings(data_dir=tmp_path / "data", log_files=(f"{logs}/combined*",))
    stores = open_stores(settings)
    assert isinstance(stores.logs, DuckLogs)
    worker = Worker(settings, stores)
    worker.start()
    command = [sys.executable, "-c", SERVICE, str(logs), str(renames), str(RATE), str(EVERY_S)]

    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    written, took_s = int(told[0]), float(told[1])
    deadline = time.monotonic() + 60
    while worker.status().tail["records"] < written and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)  # for lines that would come a second time
    assert worker.stop()
    [counted] = stores.logs._db.rows("SELECT count(*), count(DISTINCT message) FROM records WHERE message LIKE 'seq %'")
    [gaps] = stores.logs._db.rows("SELECT count(*) FROM gaps")
    stores.close()

    assert counted == (written, written)
    assert gaps == (0,)
    assert len(list(logs.iterdir())) == renames
    assert written / took_s > 0.9 * RATE, "the storm was no storm"
