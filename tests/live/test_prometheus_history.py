"""History out of a real Prometheus: every sample once, at its own time, whatever ends the import in between."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lib import settings as configuration
from lib import wiring

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]
ROOT = Path(__file__).parents[2]
BEGAN, SPACING_S, POINTS, SERIES = 1_730_419_200, 15, 1440, 40  # 2024-11-01T00:00Z, six hours
SAMPLES = POINTS * SERIES
MOST_SAMPLES = 2_000  # of the server at once: far below a day of one metric


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus on six hours of samples, under a path prefix, that takes few samples at once."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "past.om").write_text(_openmetrics(), encoding="utf-8")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "past.om", folder / "data"]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("global: {}\n", encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = {
        "config.file": folder / "prometheus.yml", "storage.tsdb.path": folder / "data", "web.route-prefix": "/prom",
        "web.listen-address": f"127.0.0.1:{port}", "query.max-samples": MOST_SAMPLES, "storage.tsdb.retention.time": "100y",
    }  # fmt: skip
    program = shutil.which("prometheus") or "prometheus"
    process = subprocess.Popen(
        [program, *(f"--{name}={value}" for name, value in arguments.items())], stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/prom"
    while not _ready(url):
        assert process.poll() is None
        time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(20)


def _openmetrics() -> str:
    lines = ["# TYPE requests counter", "# TYPE other gauge"]
    for at in range(POINTS):
        ts = BEGAN + at * SPACING_S
        lines += [
            f'requests_total{{job="crm",instance="i{n}",route="/a \\"{n}\\""}} {at * n} {ts}.{n:03d}'
            for n in range(SERIES)
        ]
    lines += [f'other{{job="another"}} 1 {BEGAN + at * SPACING_S}' for at in range(POINTS)]
    return "\n".join([*sorted(lines, key=lambda line: (line[0] != "#", line.startswith("other"))), "# EOF", ""])


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def importing(folder: Path, url: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lib.collect.backfill", "--prometheus", url, "--since", "2024-10-31T20:00Z",
               "--until", "2024-11-01T20:00Z", "--match", '{job="crm"}', *more]  # fmt: skip
    environment = os.environ | {"HALO_OPS_DATA_DIR": str(folder)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stored(folder: Path) -> list[tuple[int, int, int, int]]:
    """(samples, distinct ones, first ms, last ms) in the store."""
    stores = wiring.open_stores(configuration.load(data_dir=folder))
    sql = "SELECT count(*), count(DISTINCT (series_id, ts_ms)), min(ts_ms), max(ts_ms) FROM samples"
    found = stores.metrics._database.rows(sql)  # type: ignore[attr-defined]
    stores.close()
    return [tuple(row) for row in found]  # type: ignore[misc]


WHOLE = [(SAMPLES, SAMPLES, BEGAN * 1000, (BEGAN + (POINTS - 1) * SPACING_S) * 1000 + SERIES - 1)]


def test_every_sample_comes_in_at_its_own_time_and_only_once(server: str, tmp_path: Path) -> None:
    first, told = (run := importing(tmp_path, server)).communicate(timeout=90), run.returncode
    again, _ = importing(tmp_path, server).communicate(timeout=90)

    assert told == 0, first
    assert f"New in the stores: 0 records, {SAMPLES} samples" in first[0]
    assert f"New in the stores: 0 records, 0 samples; there already: {SAMPLES}" in again
    assert stored(tmp_path) == WHOLE


def test_an_import_that_is_killed_again_and_again_ends_with_every_sample_once(server: str, tmp_path: Path) -> None:
    dice = random.Random(3)
    for _ in range(4):
        run = importing(tmp_path, server)
        time.sleep(dice.uniform(0.8, 2.5))  # at any moment of its work: there is no condition to wait for
        os.kill(run.pid, signal.SIGKILL)
        run.communicate()

    last = importing(tmp_path, server)
    said = last.communicate(timeout=90)

    assert last.returncode == 0, said
    assert stored(tmp_path) == WHOLE


def test_a_step_keeps_one_sample_of_a_series_for_each(server: str, tmp_path: Path) -> None:
    for _ in range(2):
        run = importing(tmp_path, server, "--step", "5m")
        said = run.communicate(timeout=90)
        assert run.returncode == 0, said

    assert stored(tmp_path)[0][:2] == (72 * SERIES, 72 * SERIES)


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        run = importing(tmp_path, f"http://user:hunter2@127.0.0.1:{taken.getsockname()[1]}")
        _, said = run.communicate(timeout=60)

    assert run.returncode == 2
    assert "PROMETHEUS_PASSWORD" in said
    assert "hunter2" not in said
