"""One instance of the integration: `python -m lib.simulator.instance --name … --port … --dir … --version … --upstreams …`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from lib.simulator import catalogue as c
from lib.simulator.api import Api
from lib.simulator.breakage import Breakage
from lib.simulator.child import follow_parent, on_stop, server
from lib.simulator.clients import Client, HaloPsa
from lib.simulator.database import Database
from lib.simulator.heartbeat import Heartbeat
from lib.simulator.work import WEBHOOKS_AT_MOST, Work
from lib.telemetry import logger as telemetry_logger
from lib.telemetry.alerts import ExceptionAlerts
from lib.telemetry.events import BusinessEvents
from lib.telemetry.health import HealthChecks, routes
from lib.telemetry.metrics import Metrics
from lib.telemetry.middleware import RequestTelemetry


def build(given: argparse.Namespace) -> Starlette:
    """The application with everything it is made of."""
    logger = telemetry_logger.configure(
        service=c.SERVICE, version=given.version, directory=given.dir / "logs" / given.name, console=False
    )
    metrics = Metrics(version=given.version)
    events, database = BusinessEvents(logger, metrics), Database(given.dir / "integration.sqlite", metrics)
    clients: dict[str, Client] = {
        name: (HaloPsa if name == "halopsa" else Client)(name, int(port))
        for name, port in zip(c.UPSTREAM_MS, given.upstreams.split(","), strict=True)
    }
    work = Work(database, clients, events, metrics, logger, heartbeat=Heartbeat.from_environment(os.environ))
    alerts = _alerts()
    api = Api(database, work, events, given.dir / "mappings", alerts.report if alerts else None)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        breakage = Breakage(database)
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(24))
        follow_parent(breakage.command)
        if alerts:
            alerts.install()
            alerts.watch(asyncio.get_running_loop())
        first = given.number == 0
        loops = work.loops(3 + given.number * c.SYNC_EVERY_S / 2, backups=first)
        tasks = [metrics.watch_event_loop(), *(asyncio.ensure_future(loop) for loop in loops)]
        logger.info("Service started", instance=given.name, pid=os.getpid())
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        breakage.mend()
        for client in clients.values():
            await client.close()
        logger.info("Service stopping", instance=given.name)
        logger.close()

    return Starlette(
        routes=[*api.routes(), *routes(_checks(given.version, database, clients, work), metrics)],
        middleware=[Middleware(RequestTelemetry, logger=logger, metrics=metrics)],
        exception_handlers=api.error_handlers(),
        lifespan=lifespan,
    )


def _alerts() -> ExceptionAlerts | None:
    """Tells the dashboard of exceptions where the environment says where that is, as `make demo` does."""
    url, token = os.environ.get("HALO_OPS_ALERTS_URL", ""), os.environ.get("HALO_OPS_ALERTS_TOKEN", "")
    return ExceptionAlerts(url, token, service=c.SERVICE) if url and token else None


def _checks(version: str, database: Database, clients: dict[str, Client], work: Work) -> HealthChecks:
    checks = HealthChecks(version, timeout_s=4.5)

    async def ask_database() -> None:
        await asyncio.to_thread(database.ping)

    async def look_at_queue() -> dict[str, Any]:
        waiting = {name: work.waiting(name) for name in c.QUEUES}
        if waiting["webhooks"] >= WEBHOOKS_AT_MOST:
            raise RuntimeError(f"{waiting['webhooks']} webhooks wait: new ones are refused")
        return {"waiting": waiting}

    checks.add("database", ask_database)
    for name, client in clients.items():
        checks.add(name, client.ping, critical=False)
    checks.add("queue", look_at_queue, critical=False)
    return checks


async def _serve(given: argparse.Namespace) -> None:
    running = server(build(given), given.port)
    on_stop(running.stop)
    await running.serve()


def main(arguments: list[str]) -> int:
    """Serves until SIGTERM or the parent's end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--upstreams", required=True, help="ports of HaloPSA, Apollo, ZoomInfo")
    given = parser.parse_args(arguments)
    asyncio.run(_serve(given))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
