"""Starts the upstreams, the two instances and their users, switches faults, and ends all of it together."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson

from lib.children import ChildDied
from lib.simulator import catalogue as c
from lib.simulator import database
from lib.simulator.faults import FAULTS
from lib.simulator.inbox import HOOK
from lib.simulator.processes import Child
from lib.simulator.traffic import Traffic

READY_S = 30.0
NAMES = ("sim-a", "sim-b")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens on loopback."""

    control: int
    upstreams: tuple[int, ...]
    instances: tuple[int, ...]
    mail: int

    @classmethod
    def of(cls, numbers: list[int]) -> Ports:
        """From seven free ports."""
        return cls(numbers[0], tuple(numbers[1:4]), tuple(numbers[4:6]), numbers[6])


@dataclass
class Switched:
    """The state of one fault."""

    on: bool = False
    since: str = ""
    target: str = ""


@dataclass
class Supervisor:
    """The whole simulator in one folder."""

    folder: Path
    ports: Ports
    pace: float = 1.0
    state: dict[str, Switched] = field(default_factory=lambda: {name: Switched() for name in FAULTS})

    def __post_init__(self) -> None:
        errors = self.folder / "stderr"
        shutil.rmtree(errors, ignore_errors=True)
        errors.mkdir(parents=True)
        self._upstreams = Child(
            "upstreams", "lib.simulator.upstreams", ["--ports", _joined(self.ports.upstreams)], errors
        )
        self._version = c.VERSIONS[1]
        self._instances = [
            Child(name, "lib.simulator.instance", self._arguments(number), errors) for number, name in enumerate(NAMES)
        ]
        self._traffic = Traffic([f"http://127.0.0.1:{port}" for port in self.ports.instances], self.pace)
        self._rollout: asyncio.Task[None] | None = None
        self._dead: asyncio.Future[None] | None = None

    def _arguments(self, number: int) -> list[str]:
        given = {
            "--name": NAMES[number], "--number": str(number), "--port": str(self.ports.instances[number]),
            "--dir": str(self.folder), "--version": self._version, "--upstreams": _joined(self.ports.upstreams),
        }  # fmt: skip
        return [part for pair in given.items() for part in pair]

    async def start(self) -> None:
        """Everything is up and answers when this returns. Raises ChildDied, TimeoutError."""
        self._prepare()
        await self._upstreams.start()
        await asyncio.gather(*(child.start() for child in self._instances))
        for port in (*self.ports.upstreams, *self.ports.instances):
            await self._answers(port)
        self._write_addresses()

    def _prepare(self) -> None:
        for name in ("integration.sqlite", "integration.sqlite-wal", "integration.sqlite-shm", "simulator.json"):
            (self.folder / name).unlink(missing_ok=True)
        database.prepare(self.folder / "integration.sqlite", time.time())
        mappings = self.folder / "mappings"
        mappings.mkdir(exist_ok=True)
        for number in range(1, 7):
            (mappings / f"pipeline-{number}.json").write_text(f'{{"mapping": {number}}}', encoding="utf-8")

    async def _answers(self, port: int) -> None:
        until = time.monotonic() + READY_S
        async with httpx.AsyncClient(trust_env=False) as http:
            while time.monotonic() < until:
                self.check()
                try:
                    await http.get(f"http://127.0.0.1:{port}/livez", timeout=2)
                except httpx.HTTPError:
                    await asyncio.sleep(0.1)
                else:
                    return
        raise TimeoutError(f"nothing listens on port {port} after {READY_S:g} s")

    def addresses(self) -> dict[str, Any]:
        """What a dashboard needs to know, as written to simulator.json."""
        hosts = [f"http://127.0.0.1:{port}" for port in self.ports.instances]
        return {
            "pid": os.getpid(),
            "control": f"http://127.0.0.1:{self.ports.control}",
            "slack": f"http://127.0.0.1:{self.ports.control}{HOOK}",
            "mail": self.ports.mail,
            "metrics": [f"{host}/metrics" for host in hosts],
            "health": [f"{host}/health" for host in hosts],
            "logs": [str(self.folder / "logs" / name / "combined*.log") for name in NAMES],
        }

    def _write_addresses(self) -> None:
        part = self.folder / ".simulator.json"
        part.write_bytes(orjson.dumps(self.addresses(), option=orjson.OPT_INDENT_2))
        part.replace(self.folder / "simulator.json")

    async def run(self) -> None:
        """Keeps the traffic going. Raises ChildDied when a child ends by itself."""
        traffic = asyncio.create_task(self._traffic.run())
        try:
            while True:
                self.check()
                if traffic.done():
                    traffic.result()
                await asyncio.sleep(0.25)
        finally:
            traffic.cancel()

    def check(self) -> None:
        """Raises ChildDied for the first child that ended by itself."""
        for child in (self._upstreams, *self._instances):
            child.check()

    async def stop(self) -> None:
        """Ends all children."""
        if self._rollout is not None:
            self._rollout.cancel()
        await asyncio.gather(*(child.stop() for child in (*self._instances, self._upstreams)))
        (self.folder / "simulator.json").unlink(missing_ok=True)

    def switch(self, name: str, *, on: bool, target: str = "") -> Switched:
        """Switches a fault. Raises KeyError for an unknown fault, ValueError for a target it does not have."""
        fault, state = FAULTS[name], self.state[name]
        target = target or state.target or fault.target
        if target not in (fault.targets or ("",)):
            raise ValueError(f"target must be one of {', '.join(fault.targets) or 'none'}")
        if fault.upstream is not None:
            for command in (*fault.upstream(False, state.target or target), *fault.upstream(on, target)):
                self._upstreams.send(command)
        if fault.instance:
            self._instances[0].send({"fault": name, "on": on})
        if name == "queue_backlog":
            self._traffic.storm = on
        if name == "new_version" and on != state.on:
            self._roll_out(c.VERSIONS[2 if on else 1])
        since = datetime.now(UTC).isoformat(timespec="seconds") if on else ""
        self.state[name] = Switched(on, since, target if on else "")
        self._traffic.reloading = any(FAULTS[name].felt and state.on for name, state in self.state.items())
        return self.state[name]

    def _roll_out(self, version: str) -> None:
        if self._rollout is not None:
            self._rollout.cancel()
        self._version = version
        self._rollout = asyncio.create_task(self._redeploy())

    async def _redeploy(self) -> None:
        for number, child in enumerate(self._instances):
            await child.stop()
            child.replace_arguments(self._arguments(number))
            await child.start()
            await self._answers(self.ports.instances[number])
            for name, state in self.state.items():
                if number == 0 and state.on and FAULTS[name].instance:
                    child.send({"fault": name, "on": True})


def _joined(ports: tuple[int, ...]) -> str:
    return ",".join(str(port) for port in ports)


__all__ = ["ChildDied", "Ports", "Supervisor"]
