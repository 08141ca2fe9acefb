"""`make demo`: the simulated integration, its past week and the dashboard over them, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from lib.children import Child, ChildDied

ROOT = Path(__file__).resolve().parent.parent
READY_S = 60.0
FIRST_PORT, SIMULATOR_PORTS, SIMULATOR_NEEDS = 8501, 9310, 7
SEED = 1


class CannotStart(Exception):  # noqa: N818 - reads as what happened
    """The demo cannot start, or did not come up; the text says why."""


@dataclass
class Demo:
    """One run: its folder, its port, and the processes that belong to it."""

    folder: Path
    port: int
    days: float
    keep: bool
    pace: float
    began: float = field(default_factory=time.time)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    children: list[Child] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Raises ChildDied, CannotStart."""
        tasks = [asyncio.create_task(self._live()), asyncio.create_task(stop.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                tasks[0].result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(child.stop() for child in self.children))

    async def _live(self) -> None:
        base = _free_ports(SIMULATOR_PORTS, SIMULATOR_NEEDS)
        simulator = self._child("simulator", ["lib.simulator", "--dir", str(self.folder / "simulator"),
                                "--port-base", str(base), "--pace", str(self.pace), "--follow-stdin"])  # fmt: skip
        newest = self._child("past", self._past(base, "newest"))
        people = self._child("people", ["lib.demo_people", "--data", str(self.folder / "store"),
                             "--days", str(self.days), "--until", str(self.began)])  # fmt: skip
        known = self.days <= 0 or (self.keep and (self.folder / "store").exists())
        told = os.environ | self._told_of_backups() | self._told_of_exceptions()
        await simulator.start(follow=True, environment=told)
        if not known:
            await people.start()
            await newest.start()
        addresses = await self._addresses(simulator)
        await people.finish()  # the dashboard finds runs that were worked through, none that was missed
        dashboard = self._child("dashboard", [str(ROOT / "app.py")])
        await dashboard.start(environment=self._environment(addresses))
        history = asyncio.create_task(self._history(newest, base)) if not known else None
        await self._until_ready(simulator, dashboard)
        _say(f"The dashboard is at http://127.0.0.1:{self.port}\nFaults are switched at {addresses['control']}/faults")
        _say(f"Slack messages and mail arrive at {addresses['control']}/inbox")
        _say("Ctrl-C ends all of it.")
        await self._watch(simulator, dashboard, history)

    def _child(self, name: str, arguments: list[str], *, gentle: bool = False) -> Child:
        command = [sys.executable, *([] if arguments[0].endswith(".py") else ["-m"]), *arguments]
        child = Child(name, command, self.folder / f"{name}.log", ROOT, gentle=gentle)
        self.children.append(child)
        return child

    def _past(self, base: int, which: str) -> list[str]:
        instances = ",".join(f"127.0.0.1:{base + 4 + number}" for number in range(2))
        given = {"--dir": str(self.folder), "--days": str(self.days), "--until": str(self.began), "--only": which,
                 "--instances": instances, "--pace": str(self.pace), "--seed": str(SEED)}  # fmt: skip
        return ["lib.simulator.past", *(part for pair in given.items() for part in pair)]

    async def _addresses(self, simulator: Child) -> dict[str, Any]:
        path = self.folder / "simulator" / "simulator.json"
        deadline = time.monotonic() + READY_S
        while not path.exists():
            simulator.check(lasting=True)
            if time.monotonic() > deadline:
                raise CannotStart(f"the simulator was not ready after {READY_S:g} s")
            await asyncio.sleep(0.1)
        found: dict[str, Any] = orjson.loads(path.read_bytes())
        return found

    def _environment(self, addresses: dict[str, Any]) -> dict[str, str]:
        return _dashboard_environment() | {
            "HALO_OPS_DATA_DIR": str(self.folder / "store"),
            "HALO_OPS_LOG_FILES": ",".join(addresses["logs"]),
            "HALO_OPS_SCRAPE_TARGETS": ",".join(addresses["metrics"]),
            "HALO_OPS_HEALTH_TARGETS": ",".join(addresses["health"]),
            "HALO_OPS_SCRAPE_INTERVAL_S": "5",
            "HALO_OPS_PROBE_INTERVAL_S": "5",
            "HALO_OPS_DEMO": "true",
            "HALO_OPS_SIMULATOR_URL": addresses["control"],
            "HALO_OPS_PORT": str(self.port),
            "HALO_OPS_API_TOKEN": self.token,
            "SLACK_WEBHOOK_URL": addresses["slack"],
            "HALO_OPS_ALERT_PRIVATE_HOSTS": urlsplit(addresses["slack"]).netloc,
            "HALO_OPS_SMTP_HOST": "127.0.0.1",
            "HALO_OPS_SMTP_PORT": str(addresses["mail"]),
            "HALO_OPS_SMTP_SECURITY": "none",  # on loopback, to the simulator
            "HALO_OPS_SMTP_FROM": "halo-ops@demo.invalid",
            "HALO_OPS_SMTP_TO": "on-call@demo.invalid",
            "HALO_OPS_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "HALO_OPS_HEARTBEAT_TOKEN": self.token,
            "HALO_OPS_HEARTBEATS": "backup=24h/2h",
            "HALO_OPS_BACKUP_FILES": str(self.folder / "simulator" / "*.backup"),
        }

    def _told_of_backups(self) -> dict[str, str]:
        """Where the simulated integration says that its backup ended."""
        return {
            "SIMULATOR_HEARTBEAT_URL": f"http://127.0.0.1:{self.port}/api/heartbeat/backup",
            "SIMULATOR_HEARTBEAT_TOKEN": self.token,
        }

    def _told_of_exceptions(self) -> dict[str, str]:
        """Where the simulated integration tells of exceptions that nobody foresaw."""
        return {"HALO_OPS_ALERTS_URL": f"http://127.0.0.1:{self.port}", "HALO_OPS_ALERTS_TOKEN": self.token}

    async def _until_ready(self, *children: Child) -> None:
        deadline = time.monotonic() + READY_S
        async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
            while True:
                for child in children:
                    child.check(lasting=True)
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200:
                        return
                if time.monotonic() > deadline:
                    raise CannotStart(f"the dashboard did not answer on port {self.port} within {READY_S:g} s")
                await asyncio.sleep(0.2)

    async def _watch(self, simulator: Child, dashboard: Child, history: asyncio.Task[None] | None) -> None:
        while True:
            simulator.check(lasting=True)
            dashboard.check(lasting=True)
            if history is not None and history.done():
                history.result()
                history = None
            await asyncio.sleep(0.25)

    async def _history(self, newest: Child, base: int) -> None:
        """The newest hours first, then day by day, gently."""
        await newest.finish()
        await self._take_in(*newest.lines(), gentle=False)
        _say("The newest six hours are in.")
        if self.days * 24 <= 6:
            return
        older = self._child("past-older", self._past(base, "older"), gentle=True)
        await older.start()
        taken = 0
        while True:
            ended, folders = older.ended, older.lines()
            for folder in folders[taken:]:
                await self._take_in(folder, gentle=True)
            taken = len(folders)
            if ended:
                older.check()
                break
            await asyncio.sleep(0.3)
        _say(f"The past {self.days:g} days are in.")

    async def _take_in(self, *folders: str, gentle: bool) -> None:
        """By the product's own command, as a person would bring in history; the files are not needed after."""
        for folder in folders:
            files = [str(path) for path in sorted(Path(folder).iterdir())]
            backfill = self._child("import", ["lib.collect.backfill", *files], gentle=gentle)
            await backfill.start(
                environment=_dashboard_environment() | {"HALO_OPS_DATA_DIR": str(self.folder / "store")}
            )
            await backfill.finish()
            self.children.remove(backfill)
            shutil.rmtree(folder)


def _dashboard_environment() -> dict[str, str]:
    """Ours without the person's own settings: the demo shows the simulator only."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("HALO_OPS_")}
    return mine | {"ELASTICSEARCH_NODE": ""}  # the demo has its own logs


def _free_ports(first: int, count: int) -> int:
    """The first of `count` free ports in a row on loopback, from `first` on."""
    for base in range(first, first + 500):
        if all(_is_free(base + number) for number in range(count)):
            return base
    raise CannotStart(f"no {count} free ports in a row between {first} and {first + 500}")


def _dashboard_port(wanted: int) -> int:
    """The port asked for, or else the first free one. Raises CannotStart where the one asked for is taken."""
    if wanted and not _is_free(wanted):
        raise CannotStart(f"port {wanted} is taken: end what listens there, or choose another --port")
    return wanted or _free_ports(FIRST_PORT, 1)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that only waits for late packets is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextlib.contextmanager
def _owning(folder: Path, *, keep: bool) -> Iterator[None]:
    """The folder is ours alone while inside, without what the last demo left unless it is to be kept."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(f"another demo runs in {folder}: end it, or choose another --dir") from None
        for name in ("past", *(() if keep else ("store", "simulator"))):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "simulator" / "simulator.json").unlink(missing_ok=True)
        for log in folder.glob("*.log"):
            log.unlink()
        yield


async def _run(given: argparse.Namespace) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        demo = Demo(given.dir.absolute(), _dashboard_port(given.port), given.days, given.keep, given.pace)
        with _owning(demo.folder, keep=given.keep):
            _say("Starting the simulated integration and the dashboard …")
            await demo.run(stop)
    except (ChildDied, CannotStart) as error:
        print(f"The demo ended: {error}", file=sys.stderr)  # noqa: T201 - a command's own words
        return 1
    _say("Ended.")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command's own words


def main(arguments: list[str]) -> int:
    """Exit code 0 when asked to stop, 1 when a part of it could not start or ended by itself."""
    parser = argparse.ArgumentParser(prog="python -m lib.demo", description=__doc__)
    parser.add_argument("--days", type=float, default=7, help="how much history (default 7; 0 for none)")
    parser.add_argument("--port", type=int, default=0, help="of the dashboard (default 8501, or the next that is free)")
    parser.add_argument("--keep", action="store_true", help="go on with what the last demo left")
    parser.add_argument("--dir", type=Path, default=ROOT / "data" / "demo", help="folder (default data/demo)")
    parser.add_argument("--pace", type=float, default=1.0, help="traffic, as a multiple of the usual")
    return asyncio.run(_run(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
