"""A line on disk can be asked for within two seconds, at 2,000 lines a second, through the worker as it runs."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from lib.logs.duckdb import DuckLogs
from lib.settings import Settings
from lib.wiring import open_stores
from lib.worker import Worker

RATE, SECONDS, WITHIN_S = 2000, 20, 2.0
WRITER = textwrap.dedent(
    """
    import json, sys, time
    from datetime import datetime, UTC
    file, rate, seconds = open(sys.argv[1], "ab", buffering=0), int(sys.argv[2]), int(sys.argv[3])
    began, turn = time.monotonic(), rate // 100
    for n in range(100 * seconds):
        time.sleep(max(0.0, began + n / 100 - time.monotonic()))
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        more = {"service": "crm", "version": "1", "method": "GET", "status": 200, "duration": 12}
        for i in range(n * turn, (n + 1) * turn):
            line = {"timestamp": now, "level": "INFO", "message": "HTTP Request", "url": f"/api/leads/{i}", "value": i}
            file.write(json.dumps(line | more).encode() + b"\\n")
    print(time.monotonic() - began)
    """
)


@pytest.mark.bench
def test_a_line_can_be_asked_for_within_two_seconds(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    settings = Settings(data_dir=tmp_path / "data", log_files=(f"{logs}/combined*.log",))
    stores = open_stores(settings)
    assert isinstance(stores.logs, DuckLogs)
    worker = Worker(settings, stores)
    worker.start()
    command = [sys.executable, "-c", WRITER, str(logs / "combined.log"), str(RATE), str(SECONDS)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    lags, seen = [], -1.0
    deadline = time.monotonic() + SECONDS + 30
    while seen < RATE * SECONDS - 1 and time.monotonic() < deadline:
        found = stores.logs._db.columns("SELECT ts, value FROM records WHERE value > ?", [seen])
        now = np.datetime64(datetime.now(UTC).replace(tzinfo=None))
        if len(found["value"]):
            seen = float(found["value"].max())
            lags.append((now - found["ts"].astype("datetime64[us]")) / np.timedelta64(1, "s"))
        time.sleep(0.05)
    took_s = float(writer.communicate()[0])
    assert worker.stop()
    stores.close()

    lag_s = np.concatenate(lags)
    p50, p99 = np.percentile(lag_s, [50, 99])
    print(
        f"\n{len(lag_s) / took_s:,.0f} lines/s for {took_s:.1f} s: p50 {p50:.2f} s, p99 {p99:.2f} s, max {lag_s.max():.2f} s"
    )
    assert len(lag_s) == RATE * SECONDS
    assert took_s < SECONDS * 1.2, "the writer itself did not keep up"
    assert p99 <= WITHIN_S
