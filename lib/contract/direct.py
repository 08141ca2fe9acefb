"""Reads a service's /metrics, log files and /health once, into stores of the moment, and judges those."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from lib.collect.exposition import parse_exposition
from lib.collect.fetch import Fetched, FetchError, fetch, open_client, without_secrets
from lib.collect.files import discover
from lib.collect.parse import Line, parse_lines
from lib.collect.probe import LARGEST_ANSWER
from lib.collect.scrape import ACCEPT, Limits, exposition_of
from lib.contract.base import Finding, worst_first
from lib.contract.judge import mean_response_s
from lib.contract.judge_health import Health
from lib.contract.judge_logs import Logs
from lib.contract.judge_metrics import Metrics
from lib.contract.uses import Uses
from lib.logs.duckdb import DuckLogs
from lib.metrics.base import epoch_ms
from lib.metrics.duckdb import DuckMetrics
from lib.state.database import sqlite_url
from lib.state.health_sql import SqlHealthLog
from lib.state.migrate import open_state
from lib.window import LONGEST, Window

TIMEOUT_S = 10.0
MOST_LOG_BYTES = 100_000_000
"""Of each file, counted from its end: what a run reads at most."""
BATCH_LINES = 20_000
_TYPE = re.compile(rb"^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (\w+)", re.MULTILINE)


class CannotCheck(Exception):  # noqa: N818 - read so where it is caught
    """A source could not be read at all; the text says which and why, without credentials."""


def check(
    uses: Uses, *, metrics: str = "", logs: Sequence[str] = (), health: str = "", now: datetime | None = None
) -> list[Finding]:
    """The findings over what was given, worst first. `metrics` is an address or a file, `logs` are globs, `health` is an
    address. Raises CannotCheck where one of them cannot be read."""
    at = now or datetime.now(UTC)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="halo-ops-contract-")))
        samples = DuckMetrics(folder / "metrics.duckdb")
        opened.callback(samples.close)
        found: list[Finding] = []
        if metrics:
            types = _take_metrics(metrics, samples, at)
            found += Metrics(samples, at, uses, types, service_only=True).findings()
        if logs:
            records = DuckLogs(folder / "logs.duckdb")
            opened.callback(records.close)
            found += _judge_logs(logs, records, uses, mean_response_s(samples, at), at)
        if health:
            state = open_state(sqlite_url(folder / "state.sqlite"))
            opened.callback(state.close)
            history = SqlHealthLog(state)
            _take_health(health, history, at)
            found += Health(history, at, uses).findings()
        return worst_first(found)


def _take_metrics(place: str, store: DuckMetrics, at: datetime) -> dict[str, str]:
    """Stores the samples; the types that the text declares."""
    body = _exposition(place)
    try:
        samples = parse_exposition(body, extra={}, default_ts_ms=epoch_ms(at), max_samples=Limits().samples, cache={})
    except ValueError as error:
        raise CannotCheck(f"metrics: not in Prometheus' format: {without_secrets(str(error))}") from None
    store.append(samples)
    return {name.decode(): kind.decode() for name, kind in _TYPE.findall(body)}


def _exposition(place: str) -> bytes:
    try:
        if not place.startswith(("http://", "https://")):
            return Path(place).read_bytes()
        return exposition_of(_fetched(place, Limits().body_bytes, ACCEPT))
    except OSError as error:
        raise CannotCheck(f"metrics: {place} cannot be read: {error.strerror}") from None
    except FetchError as error:
        raise CannotCheck(f"metrics: {error}") from None


def _fetched(url: str, max_bytes: int, accept: str) -> Fetched:
    async def ask() -> Fetched:
        async with open_client() as client:
            return await fetch(client, url, timeout_s=TIMEOUT_S, max_bytes=max_bytes, accept=accept)

    return asyncio.run(ask())


def _take_health(url: str, history: SqlHealthLog, at: datetime) -> None:
    try:
        answer = _fetched(url, LARGEST_ANSWER, "application/json, */*;q=0.1")
    except FetchError as error:
        raise CannotCheck(f"health: {error}") from None
    history.observe("service", at, answer.status_code, answer.body)


def _judge_logs(globs: Sequence[str], store: DuckLogs, uses: Uses, mean_s: float | None, at: datetime) -> list[Finding]:
    lower_case = 0
    for lines in _batches(_files(globs)):
        store.write(parse_lines(lines, at).batch)
        lower_case += sum(_level(line.raw).islower() for line in lines)
    oldest, newest = store.oldest(), store.newest()
    if oldest is None or newest is None:
        raise CannotCheck("logs: the files hold no line")
    start = max(oldest, newest - LONGEST)
    window = Window(start - timedelta(minutes=1), newest + timedelta(minutes=1))
    return Logs(store, window, uses, mean_s, lower_case, "in these files").findings()


def _files(globs: Sequence[str]) -> list[Path]:
    found, refused = discover([str(Path(glob).absolute()) for glob in globs])
    if refused:
        raise CannotCheck("logs: " + "; ".join(f"{path}: {reason}" for path, reason in refused.items()))
    if not found:
        raise CannotCheck(f"logs: no file is named by {', '.join(globs)}")
    return [Path(one.path) for one in found.values()]


def _batches(paths: Sequence[Path]) -> Iterator[list[Line]]:
    for path in paths:
        lines: list[Line] = []
        try:
            with path.open("rb") as file:
                skip = max(path.stat().st_size - MOST_LOG_BYTES, 0)
                file.seek(skip)
                if skip:
                    file.readline()
                while raw := file.readline():
                    lines.append(Line(str(path), file.tell(), path.name, raw.rstrip(b"\n")))
                    if len(lines) >= BATCH_LINES:
                        yield lines
                        lines = []
        except OSError as error:
            raise CannotCheck(f"logs: {path} cannot be read: {error.strerror}") from None
        if lines:
            yield lines


def _level(raw: bytes) -> str:
    """The level as it is written; "" where the line has none."""
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return ""
    level = record.get("level") if isinstance(record, dict) else ""
    return level if isinstance(level, str) else ""
