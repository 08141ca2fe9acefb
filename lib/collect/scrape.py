"""Reads /metrics of every instance on a fixed grid: each scrape wholly or not at all, with its own `up`."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import httpx

from lib.collect.cadence import Clock, phase_s, rounds, utc_now
from lib.collect.exposition import SeriesCache, parse_exposition
from lib.collect.fetch import Fetched, FetchError, fetch, instances, open_client, without_secrets
from lib.collect.series import Presence, before, joined, samples_of
from lib.errors import SourceError
from lib.metrics.ingest import MetricSink, Samples
from lib.status import TargetStatus

ACCEPT = "text/plain;version=0.0.4, */*;q=0.1"
LONGEST_TIMEOUT_S = 10.0
FUTURE_MS = 600_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one scrape may bring: `body_bytes` unpacked, `samples`, and `series` of a target within an hour."""

    body_bytes: int = 10_000_000
    samples: int = 50_000
    series: int = 10_000


class _OverCapError(Exception):
    """A cap was passed; `samples` were refused with the scrape."""

    def __init__(self, reason: str, samples: int) -> None:
        super().__init__(reason)
        self.samples = samples


class _Target:
    """One address with what is remembered of it between scrapes."""

    def __init__(self, url: str, instance: str, job: str) -> None:
        self.url = url
        self.labels = {"job": job, "instance": instance}
        self.cache: SeriesCache = {}
        self.presence = Presence()
        self.status = TargetStatus(instance)


class Scraper:
    """Scrapes `targets` (URLs) every `interval_s`, each on its own turn, into `sink`. A bad one costs nobody else."""

    def __init__(
        self,
        targets: Sequence[str],
        job: str,
        sink: MetricSink,
        interval_s: float = 15,
        *,
        clock: Clock = utc_now,
        limits: Limits | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._targets = [_Target(url, instance, job) for url, instance in instances(targets).items()]
        self._sink = sink
        self._interval_s = interval_s
        self._timeout_s = min(LONGEST_TIMEOUT_S, interval_s)
        self._clock = clock
        self._limits = limits or Limits()
        self._transport = transport

    def status(self) -> tuple[TargetStatus, ...]:
        """How each target stands, in the order of the settings; safe from any thread."""
        return tuple(target.status for target in self._targets)

    async def run(self, stop: asyncio.Event) -> None:
        """Scrapes until `stop` is set."""
        async with open_client(self._transport) as client, asyncio.TaskGroup() as group:
            for target in self._targets:
                group.create_task(self._follow(client, target, stop))

    async def _follow(self, client: httpx.AsyncClient, target: _Target, stop: asyncio.Event) -> None:
        phase = phase_s(target.status.instance, self._interval_s)
        async for at in rounds(self._interval_s, phase, self._clock, stop):
            try:
                await self._scrape(client, target, at)
            except Exception as error:  # noqa: BLE001 - the outermost loop of a target: it must go on
                _log.exception("scrape of %s failed", target.status.instance)
                target.status = target.status.after(at, f"the scrape failed: {type(error).__name__}")

    async def _scrape(self, client: httpx.AsyncClient, target: _Target, at: datetime) -> None:
        ts_ms, began, reason = round(at.timestamp() * 1000), time.monotonic(), ""
        read, future, overflow = samples_of([], ts_ms), 0, 0
        try:
            everything = await self._read(client, target, ts_ms)
            read = before(everything, ts_ms + FUTURE_MS)
            future = len(everything.values) - len(read.values)
        except FetchError as error:
            reason = str(error)
        except _OverCapError as error:
            reason, overflow = str(error), error.samples
            target.cache.clear()
        took_s = time.monotonic() - began
        report = _report(target.labels, ts_ms, not reason, took_s, len(read.values))
        gone = target.presence.vanished(read.labels, ts_ms)
        try:
            appended = await asyncio.to_thread(self._sink.append, joined([read, gone, report]), live=True)
        except SourceError as error:
            target.status = target.status.unstored(at, f"the samples could not be stored: {error}", up=not reason)
            return
        dropped = future + overflow + appended.out_of_order
        target.status = target.status.after(at, reason, duration_s=took_s, samples=len(read.values), dropped=dropped)

    async def _read(self, client: httpx.AsyncClient, target: _Target, ts_ms: int) -> Samples:
        answer = await fetch(
            client, target.url, timeout_s=self._timeout_s, max_bytes=self._limits.body_bytes, accept=ACCEPT
        )
        samples = await asyncio.to_thread(_parse, exposition_of(answer), target, ts_ms)
        self._check_caps(samples, target, ts_ms)
        return samples

    def _check_caps(self, samples: Samples, target: _Target, ts_ms: int) -> None:
        count = len(samples.values)
        if count > self._limits.samples:
            raise _OverCapError(f"{count:,} samples, more than the {self._limits.samples:,} that are taken", count)
        series = target.presence.count_with(samples.labels, ts_ms)
        if series > self._limits.series:
            reason = f"{series:,} series within an hour, more than the {self._limits.series:,} that are taken"
            raise _OverCapError(reason, count)


def exposition_of(answer: Fetched) -> bytes:
    """The body of an answer that may be metrics. Raises FetchError that says why it cannot be."""
    if answer.status_code != 200:
        hint = ": redirects are not followed" if 300 <= answer.status_code < 400 else ""
        raise FetchError(f"HTTP {answer.status_code}{hint}")
    if answer.content_type in ("text/html", "application/json"):
        raise FetchError(f"the answer is {answer.content_type}, not metrics")
    if not answer.body.endswith(b"\n"):
        raise FetchError("the answer breaks off in the middle of a line" if answer.body else "the answer is empty")
    return answer.body


def _parse(body: bytes, target: _Target, ts_ms: int) -> Samples:
    try:
        return parse_exposition(
            body, extra=target.labels, default_ts_ms=ts_ms, max_samples=sys.maxsize, cache=target.cache
        )
    except ValueError as error:
        raise FetchError(f"the answer is not in Prometheus' format: {without_secrets(str(error))}") from None


def _report(labels: Mapping[str, str], ts_ms: int, up: bool, took_s: float, samples: int) -> Samples:
    """The series that a scrape adds about itself."""
    figures = {"up": float(up), "scrape_duration_seconds": took_s, "scrape_samples_scraped": float(samples)}
    return samples_of([({"__name__": name, **labels}, value) for name, value in figures.items()], ts_ms)
