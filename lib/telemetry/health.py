"""Health of the service and of what it depends on: /livez, /readyz and /health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lib.telemetry.metrics import Metrics
from lib.telemetry.redact import redact, redact_text

MIB = 1024 * 1024
Check = Callable[[], Awaitable[Mapping[str, Any] | None]]
_STARTED = time.monotonic()


@dataclass(frozen=True, slots=True)
class _Entry:
    check: Check
    critical: bool


class HealthChecks:
    """The checks of one service, all run at once, each with at most `timeout_s`."""

    def __init__(self, version: str, *, timeout_s: float = 5) -> None:
        self._version = version
        self._timeout_s = timeout_s
        self._entries: dict[str, _Entry] = {}

    def add(self, name: str, check: Check, critical: bool = True) -> None:
        """Run `check` under this name: it raises where the dependency is not well, and may return further fields.

        A `status` among them overrules "healthy". `critical`: readiness depends on it. A third party's outage should
        not take the service out of rotation: add it with False. /health tells of every check either way.
        """
        self._entries[name] = _Entry(check, critical)

    async def answer(self) -> tuple[int, dict[str, Any]]:
        """What /health answers: 200 healthy, or 503 where any check is unhealthy, and the body."""
        results = await self._run(self._entries)
        checks = {**results, "system": system()}
        return _verdict(results, {**self._head(), "checks": checks})

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """What /readyz answers: as /health, of the critical checks only."""
        results = await self._run({name: entry for name, entry in self._entries.items() if entry.critical})
        return _verdict(results, {**self._head(), "checks": results})

    def alive(self) -> tuple[int, dict[str, Any]]:
        """What /livez answers: that this process answers. Asks nobody, so nobody's outage can restart it."""
        return 200, {"status": "healthy", **self._head()}

    def _head(self) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        return {"timestamp": now, "version": self._version, "uptime": round(time.monotonic() - _STARTED, 3)}

    async def _run(self, entries: Mapping[str, _Entry]) -> dict[str, dict[str, Any]]:
        results = await asyncio.gather(*(self._one(entry.check) for entry in entries.values()))
        return dict(zip(entries, results, strict=True))

    async def _one(self, check: Check) -> dict[str, Any]:
        started = time.perf_counter()
        task = asyncio.ensure_future(_begun(check))
        try:
            # Not wait_for: that waits on for a check that swallows its cancellation.
            await asyncio.wait({task}, timeout=self._timeout_s)
        finally:
            unfinished = task.cancel()
        elapsed_ms = round((time.perf_counter() - started) * 1000, 1)
        if unfinished:
            return {"status": "unhealthy", "response_time": elapsed_ms, "error": f"no answer in {self._timeout_s:g} s"}
        return _outcome(task, elapsed_ms)


def system() -> dict[str, Any]:
    """The `system` check: `memory` in MB (resident, and mapped), `cpu` in ms used since the process began."""
    process = psutil.Process()
    memory, cpu = process.memory_info(), process.cpu_times()
    return {
        "status": "healthy",
        "memory": {"rss": round(memory.rss / MIB), "vms": round(memory.vms / MIB)},
        "cpu": {"user": round(cpu.user * 1000, 1), "system": round(cpu.system * 1000, 1)},
    }


def routes(checks: HealthChecks, metrics: Metrics) -> list[Route]:
    """Starlette routes for /livez, /readyz, /health and /metrics."""

    async def livez(_request: Request) -> Response:
        return _json(checks.alive())

    async def readyz(_request: Request) -> Response:
        return _json(await checks.ready())

    async def health(_request: Request) -> Response:
        return _json(await checks.answer())

    async def exposition(_request: Request) -> Response:
        body, content_type = metrics.exposition()
        return Response(body, headers={"content-type": content_type})

    endpoints = {"/livez": livez, "/readyz": readyz, "/health": health, "/metrics": exposition}
    return [Route(path, endpoint) for path, endpoint in endpoints.items()]


async def _begun(check: Check) -> Mapping[str, Any] | None:
    """Calls the check inside its task: one that raises before its first await then fails as any other."""
    return await check()


def _outcome(task: asyncio.Future[Mapping[str, Any] | None], elapsed_ms: float) -> dict[str, Any]:
    error = asyncio.CancelledError("cancelled") if task.cancelled() else task.exception()
    if error is not None:
        text = redact_text(str(error)) or type(error).__name__
        return {"status": "unhealthy", "response_time": elapsed_ms, "error": text}
    return {"status": "healthy", "response_time": elapsed_ms, **redact(task.result() or {})}


def _verdict(results: Mapping[str, Mapping[str, Any]], body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    failed = any(result["status"] == "unhealthy" for result in results.values())
    return (503 if failed else 200), {"status": "unhealthy" if failed else "healthy", **body}


def _json(answer: tuple[int, dict[str, Any]]) -> Response:
    status, body = answer
    return JSONResponse(body, status_code=status, headers={"cache-control": "no-store"})
