"""Asks /health of every instance on a fixed grid and keeps what each check said."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import httpx

from lib.collect.cadence import Clock, phase_s, rounds, utc_now
from lib.collect.fetch import Fetched, FetchError, fetch, instances, open_client
from lib.collect.health_series import points
from lib.collect.series import Presence, joined, samples_of
from lib.errors import SourceError
from lib.metrics.base import Labels
from lib.metrics.ingest import MetricSink
from lib.state.health_sql import Verdict
from lib.status import TargetStatus

TIMEOUT_S = 5.0
LARGEST_ANSWER = 1_000_000
_log = logging.getLogger(__name__)


class HealthSink(Protocol):
    """A history that answers of /health are told to."""

    def observe(
        self,
        target: str,
        at: datetime,
        status_code: int | None,
        body: bytes | str | Mapping[str, object] | None,
        *,
        error: str = "",
        response_ms: float = math.nan,
    ) -> tuple[Verdict, ...]:
        """Takes in one answer (`status_code` None: none came); what each check counts as now. Raises SourceError."""


class Prober:
    """Probes `targets` (URLs) every `interval_s`; verdicts go to `log`, verdicts and response times to `sink` as series."""

    def __init__(
        self,
        targets: Sequence[str],
        job: str,
        log: HealthSink,
        sink: MetricSink,
        interval_s: float = 15,
        *,
        clock: Clock = utc_now,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._urls = {instance: url for url, instance in instances(targets).items()}
        self._job = job
        self._log = log
        self._sink = sink
        self._interval_s = interval_s
        self._timeout_s = min(timeout_s, interval_s)
        self._clock = clock
        self._transport = transport
        self._status = {instance: TargetStatus(instance) for instance in self._urls}
        self._presence = {instance: Presence() for instance in self._urls}

    def status(self) -> tuple[TargetStatus, ...]:
        """How each address answers, in the order of the settings; safe from any thread.

        `up` means that an answer came; what it said is in the history.
        """
        return tuple(self._status.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Probes until `stop` is set."""
        async with open_client(self._transport) as client, asyncio.TaskGroup() as group:
            for instance in self._urls:
                group.create_task(self._follow(client, instance, stop))

    async def _follow(self, client: httpx.AsyncClient, instance: str, stop: asyncio.Event) -> None:
        async for at in rounds(self._interval_s, phase_s(f"probe {instance}", self._interval_s), self._clock, stop):
            try:
                await self._probe(client, instance, at)
            except Exception as error:  # noqa: BLE001 - the outermost loop of a target: it must go on
                _log.exception("probe of %s failed", instance)
                self._settle(instance, at, f"the probe failed: {type(error).__name__}")

    async def _probe(self, client: httpx.AsyncClient, instance: str, at: datetime) -> None:
        began, answer, error = time.monotonic(), None, ""
        try:
            answer = await self._ask(client, instance)
        except FetchError as failure:
            error = str(failure)
        took_s = time.monotonic() - began if answer else math.nan
        try:
            verdicts = await asyncio.to_thread(
                self._log.observe,
                instance,
                at,
                answer.status_code if answer else None,
                answer.body if answer else None,
                error=error,
                response_ms=took_s * 1000,
            )
            await self._keep(instance, verdicts, at)
        except SourceError as failure:
            words = f"the answer could not be stored: {failure}"
            self._status[instance] = self._status[instance].unstored(at, words, up=answer is not None)
            return
        self._settle(instance, at, error, took_s)

    async def _ask(self, client: httpx.AsyncClient, instance: str) -> Fetched:
        url = self._urls[instance]
        return await fetch(
            client, url, timeout_s=self._timeout_s, max_bytes=LARGEST_ANSWER, accept="application/json, */*;q=0.1"
        )

    async def _keep(self, instance: str, verdicts: Sequence[Verdict], at: datetime) -> None:
        ts_ms, common = round(at.timestamp() * 1000), {"job": self._job, "instance": instance}
        found: list[tuple[Labels, float]] = []
        for verdict in verdicts:
            found += points(common | {"check": verdict.check}, verdict.status, verdict.response_ms)
        read = samples_of(found, ts_ms)
        gone = self._presence[instance].vanished(read.labels, ts_ms)
        await asyncio.to_thread(self._sink.append, joined([read, gone]), live=True)

    def _settle(self, instance: str, at: datetime, reason: str, took_s: float = math.nan) -> None:
        self._status[instance] = self._status[instance].after(at, reason, duration_s=took_s)
