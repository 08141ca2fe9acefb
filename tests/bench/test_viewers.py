"""Fifty viewers at a five-second refresh: p95 under one second, and they cost the stores what one does."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.bench.viewers import Viewer, crowd

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]
CHARTS = {"": 3, "errors": 2, "performance": 8, "queues": 4, "leads": 5, "system": 7, "health": 2}
"""What each page draws when it has data: a page without would be answered quickly, and measure nothing."""


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[str]:
    """The product itself on the past six hours of the simulated integration: the range that a page asks for by itself."""
    _run("lib.simulator.past", "--dir", str(tmp_path), "--days", "0.25")
    past = (tmp_path / "past").glob("*/*")
    _run("lib.collect.backfill", *map(str, sorted(past)), HALO_OPS_DATA_DIR=str(tmp_path))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"HALO_OPS_DATA_DIR": str(tmp_path), "HALO_OPS_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment)
    url = f"http://127.0.0.1:{port}"
    while not _answers(url):
        assert process.poll() is None
        time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(20)


def _run(module: str, *arguments: str, **environment: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, env=os.environ | environment, check=True)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _bare(viewers: list[Viewer]) -> list[tuple[str, int]]:
    """Pages of which a refresh brought fewer charts than they have, and how many."""
    return [(v.page, min(v.charts)) for v in viewers if min(v.charts) < CHARTS[v.page]]


def test_each_page_that_is_measured_has_data(dashboard: str) -> None:
    viewers = asyncio.run(crowd(dashboard, list(CHARTS), len(CHARTS), 1, 1))

    assert [v.failures for v in viewers if v.failures] == []
    assert _bare(viewers) == []


def test_fifty_viewers_are_answered_within_a_second(dashboard: str) -> None:
    one = asyncio.run(crowd(dashboard, ["errors"], 1, 5, 4))
    fifty = asyncio.run(crowd(dashboard, list(CHARTS), 50, 5, 6))

    alone, together = (np.concatenate([v.refresh_ms for v in viewers]) for viewers in (one, fifty))
    print(f"\n1 viewer: p95 {np.percentile(alone, 95):.0f} ms; 50 viewers: p95 {np.percentile(together, 95):.0f} ms")
    assert [v.failures for v in fifty if v.failures] == []
    assert _bare([*one, *fifty]) == []
    assert np.percentile(together, 95) < 1000
