"""The integration's background work: sync runs, the queues they fill, and the workers that empty them."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lib.simulator import catalogue as c
from lib.simulator.clients import Client, HaloPsa
from lib.simulator.database import Database, last_backup_due
from lib.simulator.failures import OperationError, UpstreamError
from lib.simulator.heartbeat import Heartbeat
from lib.telemetry.events import BusinessEvents
from lib.telemetry.logger import Logger
from lib.telemetry.metrics import Metrics

WEBHOOKS_AT_MOST = 2_500
WEBHOOK_S = 0.025
CATCH_UP = 40
"""Leads that a failed run left over, taken along by a later run at most."""


@dataclass
class Run:
    """One sync run: ended when its last lead was pushed."""

    source: str
    leads: int
    started: float = field(default_factory=time.perf_counter)
    done: int = 0
    failed: int = 0


class Work:
    """Queues and what empties them. `deferred` leads of failed runs count as waiting."""

    def __init__(
        self, database: Database, clients: dict[str, Client], events: BusinessEvents, metrics: Metrics, logger: Logger,
        *, heartbeat: Heartbeat,
    ) -> None:  # fmt: skip
        self._database, self._clients, self._events = database, clients, events
        self._metrics, self._logger, self._heartbeat = metrics, logger, heartbeat
        self.halopsa: HaloPsa = clients["halopsa"]  # type: ignore[assignment]
        self.queues: dict[str, asyncio.Queue[Any]] = {name: asyncio.Queue() for name in c.QUEUES}
        self.deferred = dict.fromkeys(c.SOURCES, 0)
        self._wanted = {source: asyncio.Event() for source in c.SOURCES}
        for name in c.QUEUES:
            metrics.queue_size.labels(name).set_function(partial(self.waiting, name))

    def waiting(self, queue: str) -> int:
        """Jobs that wait in a queue."""
        return self.queues[queue].qsize() + (sum(self.deferred.values()) if queue == "lead_sync" else 0)

    def request_sync(self, source: str) -> None:
        """Lets the next run of a source start now."""
        self._wanted[source].set()

    def loops(self, offset_s: float, *, backups: bool) -> list[Awaitable[None]]:
        """Everything that runs as long as the process: give each to a task."""
        loops = [self._schedule(source, offset_s + i * 10) for i, source in enumerate(c.SOURCES)]
        loops += [self._worker("lead_sync", self._push), self._worker("enrichment", self._enrich)]
        loops += [self._worker("webhooks", self._apply), self._gauges(), self._tokens()]
        return [*loops, self._backups()] if backups else list(loops)

    async def _schedule(self, source: str, offset_s: float) -> None:
        await asyncio.sleep(offset_s)
        while True:
            started = time.monotonic()
            await self._run(source)
            self._wanted[source].clear()
            rest_s = c.SYNC_EVERY_S + random.uniform(-1, 1) - (time.monotonic() - started)
            try:
                await asyncio.wait_for(self._wanted[source].wait(), max(1.0, rest_s))
            except TimeoutError:
                continue

    async def _run(self, source: str) -> None:
        wanted, again = random.randint(*c.LEADS_PER_SYNC), min(self.deferred[source], CATCH_UP)
        run = Run(source, wanted + again)
        try:
            people = await self._fetch(source, run.leads)
        except OperationError as error:
            self._events.error_occurred(f"{source}.sync", error, source=source)
            self.deferred[source] += wanted
            run.failed = run.leads
            self._ended(run)
            return
        self.deferred[source] -= again
        for lead in people:
            self.queues["lead_sync"].put_nowait((run, {**lead, "source": source}))

    async def _fetch(self, source: str, count: int) -> list[dict[str, Any]]:
        page = random.randint(1, 60)
        asks = {
            "apollo": ("POST", f"/v1/people/search?page={page}&count={count}"),
            "zoominfo": ("GET", f"/lookup/contacts/{page}?count={count}"),
        }
        answer = await self._clients[source].ask(*asks[source])
        if answer.status_code == 429:
            raise UpstreamError("rate_limited", number=page, key=uuid.uuid4().hex[:6])
        if "json" not in answer.headers["content-type"]:
            raise UpstreamError("html_answer", number=page)
        people: list[dict[str, Any]] = answer.json()["people"]
        return people

    def _ended(self, run: Run) -> None:
        took_ms = round((time.perf_counter() - run.started) * 1000, 1)
        self._events.sync_completed(run.source, run.leads, run.leads - run.failed, run.failed, took_ms)

    async def _worker(self, queue: str, handle: Callable[[Any], Awaitable[None]]) -> None:
        while True:
            job = await self.queues[queue].get()
            try:
                await handle(job)
            except OperationError as error:
                self._events.error_occurred(error.operation, error)
            except Exception as error:  # noqa: BLE001 - a worker outlives what it works on
                self._events.error_occurred(f"{queue}.work", error)

    async def _push(self, job: tuple[Run, dict[str, Any]]) -> None:
        run, lead = job
        try:
            await self.halopsa.push(lead)
            await asyncio.to_thread(self._database.touch_lead, lead["id"])
            if random.random() < c.NEW_LEAD_SHARE:
                await self.take_in(lead, run.source)
        except Exception as error:  # noqa: BLE001 - one lead must not cost the run its other leads
            run.failed += 1
            self._events.error_occurred("halopsa.push_lead", error, leadId=lead["id"], source=run.source)
        run.done += 1
        if run.done == run.leads:
            self._ended(run)

    async def take_in(self, lead: dict[str, Any], source: str) -> None:
        """Keeps a new lead and has it enriched."""
        await asyncio.to_thread(self._database.add_lead, lead, source)
        self._events.lead_created(lead, source)
        self.queues["enrichment"].put_nowait(lead)

    async def _enrich(self, lead: dict[str, Any]) -> None:
        domain = lead.get("domain") or lead["email"].partition("@")[2]
        answer = await self._clients["zoominfo"].ask("GET", f"/enrich/company/{domain}")
        if answer.status_code == 404:
            raise OperationError("no_match", domain=domain, lead=lead["id"])
        if "employee_count" not in answer.json():
            raise OperationError("no_score", lead=lead["id"])
        await asyncio.to_thread(self._database.score_lead, lead["id"], min(99, answer.json()["employee_count"] // 40))

    async def _apply(self, event: dict[str, Any]) -> None:
        await asyncio.sleep(WEBHOOK_S)
        if event.get("client", 0) >= 5000:
            raise OperationError("unmapped", request=uuid.uuid4().hex, number=event["client"], key=event["event"])

    async def _gauges(self) -> None:
        while True:
            try:
                for days in (7, 30):
                    rate = await asyncio.to_thread(self._database.conversion_rate, days)
                    if rate is not None:
                        self._metrics.lead_conversion_rate.labels(f"{days}d").set(rate)
                backup = await asyncio.to_thread(self._database.last_backup)
                self._metrics.backup_last_success_timestamp_seconds.set(backup)
            except Exception as error:  # noqa: BLE001 - as in _worker
                self._events.error_occurred("gauges.refresh", error)
            await asyncio.sleep(15)

    async def _tokens(self) -> None:
        while True:
            await asyncio.sleep(300)
            try:
                await self.halopsa.refresh_token()
            except OperationError as error:
                self._events.error_occurred("token.refresh", error)

    async def _backups(self) -> None:
        """One each night; who has a monitoring to tell of it begins with one, so that there is something to tell."""
        untold: dict[str, Any] | None = None
        told_before = not self._heartbeat.url
        while True:
            try:
                late = await asyncio.to_thread(self._database.last_backup) < last_backup_due(time.time()) - 60
                if late or not told_before:
                    untold, told_before = await self._back_up(), True
                if untold is not None and await self._heartbeat.send(untold):
                    untold = None
            except Exception as error:  # noqa: BLE001 - as in _worker
                self._events.error_occurred("database.backup", error)
            await asyncio.sleep(5 if untold is not None else 30)

    async def _back_up(self) -> dict[str, Any]:
        started = time.perf_counter()
        size = await asyncio.to_thread(self._database.backup)
        self._logger.info("Backup completed", event="backup.completed", sizeBytes=size)
        return {
            "size_bytes": size,
            "duration_s": round(time.perf_counter() - started, 3),
            "message": "integration.sqlite",
        }
