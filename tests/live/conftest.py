"""The guide's own service, run by Node with the npm packages of its lock file."""

from __future__ import annotations

import math
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import orjson
import pytest

from tests import npm

SOURCE = Path(__file__).parent / "node"
START_S, STOP_S = 20, 10


@dataclass(frozen=True, slots=True)
class Written:
    """One file as Winston filled it: its first bytes and its deletion in Unix ms (inf: it is empty, it is there)."""

    name: str
    filled_at: float
    gone_at: float
    records: list[dict[str, Any]]

    @classmethod
    def read(cls, file: Mapping[str, Any]) -> Written:
        """From what the witness noted of it."""
        records = [orjson.loads(line) for line in file["text"].splitlines()]
        return cls(file["name"], file["filled_at"], file["gone_at"], records)


class GuideService:
    """One integration with its log directory; it can be started again, on the port that it had."""

    def __init__(self, modules: Path, logs: Path, **environment: str) -> None:
        self.logs = logs
        self._witness = logs.with_name(f"{logs.name}.witness")
        self._environment = {**os.environ, "NODE_PATH": str(modules), "LOG_DIR": str(logs), **environment}
        self._environment |= {"npm_package_version": "1.4.2", "WITNESS": str(self._witness)}
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx.Client | None = None

    @property
    def url(self) -> str:
        """Where it answers; the same after a restart."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def client(self) -> httpx.Client:
        """A client of the running service."""
        assert self._client is not None, "the service was not started"
        return self._client

    def start(self) -> None:
        """Starts it and comes back when it listens."""
        self._process = subprocess.Popen(
            ["node", "--require", str(SOURCE / "witness.js"), str(SOURCE / "service.js")],
            env={**self._environment, "PORT": str(self._port)},
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self._port = orjson.loads(_first_line(self._process))["port"]
        # Winston's console would block on a full pipe.
        self._drain = threading.Thread(target=_drain, args=(self._process.stdout,), daemon=True)
        self._drain.start()
        self._client = httpx.Client(base_url=self.url, timeout=10)

    def stop(self) -> None:
        """Ends it as an orchestrator does; every line that it wrote is on disk then."""
        if self._process is None:
            return
        self.client.close()
        self._process.terminate()
        code = self._process.wait(STOP_S)
        self._drain.join(STOP_S)
        self._process = None
        assert code == 0, "the service did not end in order"

    def written(self) -> list[Written]:
        """What went into each combined log, deleted ones included, by a witness inside the process."""
        files: dict[str, dict[str, Any]] = {}
        for note in map(orjson.loads, self._witness.read_bytes().splitlines()):
            file = files.setdefault(note["file"], {"filled_at": math.inf, "gone_at": math.inf, "text": ""})
            file["text"] += note.pop("text", "")
            file["filled_at"] = min(file["filled_at"], note.pop("at", math.inf))
            file |= note
        return [Written.read(file) for file in files.values()]


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of package-lock.json, installed once per lock file."""
    return npm.installed(SOURCE, "node")


@pytest.fixture
def guide_service(node_modules: Path, tmp_path: Path) -> Iterator[Callable[..., GuideService]]:
    """Makes services, each with a log directory of its own; they end with the test."""
    made: list[GuideService] = []

    def make(**environment: str) -> GuideService:
        logs = tmp_path / f"logs{len(made)}"
        logs.mkdir()
        made.append(GuideService(node_modules, logs, **environment))
        return made[-1]

    yield make
    for service in made:
        service.stop()


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    """The line that says where it listens; ends a service that says nothing in time."""
    assert process.stdout is not None
    alarm = threading.Timer(START_S, process.kill)
    alarm.start()
    line = process.stdout.readline()
    alarm.cancel()
    assert line, "the service ended before it listened: see its stderr above"
    return line


def _drain(stream: IO[bytes]) -> None:
    with stream:
        while stream.read(65_536):
            pass
