"""The product itself, running on the past six hours of the simulated integration: the range that pages ask for by themselves."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.bench.viewers import Viewer

ROOT = Path(__file__).parents[2]
CHARTS = {"": 3, "errors": 2, "performance": 8, "queues": 4, "leads": 5, "system": 7, "health": 2}
"""What each page draws when it has data: a page without would be answered quickly, and measure nothing."""


@dataclass(frozen=True)
class Dashboard:
    """Where it answers, its process, and the environment in which commands reach its stores."""

    url: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]


@contextmanager
def filled_dashboard(folder: Path) -> Iterator[Dashboard]:
    """A dashboard of its own, with data on every page, that answers when the block begins."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"HALO_OPS_DATA_DIR": str(folder), "HALO_OPS_PORT": str(port)}
    _run("lib.simulator.past", "--dir", str(folder), "--days", "0.25", environment=environment)
    past = (folder / "past").glob("*/*")
    _run("lib.collect.backfill", *map(str, sorted(past)), environment=environment)
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment)
    url = f"http://127.0.0.1:{port}"
    while not _answers(url):
        assert process.poll() is None
        time.sleep(0.2)
    yield Dashboard(url, process, environment)
    process.terminate()
    process.wait(20)


def short_of_charts(viewers: list[Viewer]) -> list[tuple[str, int]]:
    """Pages of which a refresh brought fewer charts than they have, and how many."""
    return [(v.page, min(v.charts)) for v in viewers if min(v.charts) < CHARTS[v.page]]


def _run(module: str, *arguments: str, environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, env=environment, check=True)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
