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

from tests import seed
from tests.bench.viewers import crowd

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[str]:
    """The product itself on three seeded hours."""
    with seed.empty_stores(tmp_path) as stores:
        seed.fill(stores)
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


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_fifty_viewers_are_answered_within_a_second(dashboard: str) -> None:
    pages = ["", "errors", "performance", "queues", "leads", "system", "health"]

    one = asyncio.run(crowd(dashboard, ["errors"], 1, 5, 4))
    fifty = asyncio.run(crowd(dashboard, pages, 50, 5, 6))

    alone, together = (np.concatenate([v.refresh_ms for v in viewers]) for viewers in (one, fifty))
    print(f"\n1 viewer: p95 {np.percentile(alone, 95):.0f} ms; 50 viewers: p95 {np.percentile(together, 95):.0f} ms")
    assert [v.failures for v in fifty if v.failures] == []
    assert np.percentile(together, 95) < 1000
