"""When the last good backup was, by whatever tells of it: a metric, files, heartbeats."""

from __future__ import annotations

import glob
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lib.errors import OpsError
from lib.heartbeats.expected import Expected, Heartbeat, Standing
from lib.heartbeats.log import HeartbeatLog
from lib.metrics.base import MetricStore
from lib.settings import Settings

BACKUP = "backup"
METRIC, FILES = "metric", "files"
MOST_FILES = 10_000
_AHEAD = timedelta(hours=1)
_UNIX_S, _UNIX_MS = 1e8, 1e11
"""Numbers from here on are Unix times in seconds, in milliseconds; smaller ones are ages in seconds."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What one way tells of the last good backup: `at` None where it tells nothing, `problem` then says why.

    `expected` is set where it came by heartbeat. `said` is what else is known: a size, a file's name.
    """

    name: str
    at: datetime | None
    problem: str = ""
    said: str = ""
    heartbeat: Heartbeat | None = None

    def age_s(self, now: datetime) -> float | None:
        """Seconds since then; None where nothing is known."""
        return None if self.at is None else max((now - self.at).total_seconds(), 0.0)


def is_backup(one: Expected) -> bool:
    """Whether this heartbeat tells of a backup: its name begins with that word."""
    return one.name.startswith(BACKUP)


def backups(settings: Settings, metrics: MetricStore, log: HeartbeatLog | None, until: datetime) -> tuple[Backup, ...]:
    """What every way that is set up tells, as of `until`. A way that does not answer says so and costs no other."""
    found = []
    if settings.backup_metric:
        found.append(by_metric(metrics, settings.backup_metric, until))
    if settings.backup_files:
        found.append(by_files(settings.backup_files, until))
    wanted = tuple(one for one in settings.expected_heartbeats if is_backup(one))
    if wanted:
        found += by_heartbeats(log, wanted, until)
    return tuple(found)


def by_metric(metrics: MetricStore, expression: str, until: datetime) -> Backup:
    """The newest time that the expression's series tell, or the smallest age. A gauge that nobody set yet is 0 in prom-client:
    that is neither."""
    try:
        frame = metrics.instant(expression, until).frame()
    except OpsError as error:
        return Backup(METRIC, None, f"the metric store does not tell: {error}")
    values = [float(value) for value in frame["value"] if math.isfinite(value) and value > 0]
    if not values:
        zero = bool((frame["value"] == 0).any())
        told = "it is 0: no backup was told of yet" if zero else "it is not a number"
        return Backup(METRIC, None, "no sample of it in the last 5 minutes" if frame.empty else told)
    times = [value for value in values if value >= _UNIX_S]
    seconds = max(t / 1000 if t >= _UNIX_MS else t for t in times) if times else until.timestamp() - min(values)
    if seconds > (until + _AHEAD).timestamp():
        return Backup(METRIC, None, "it tells a time in the future")
    return Backup(METRIC, datetime.fromtimestamp(seconds, UTC))


def by_files(globs: Iterable[str], until: datetime) -> Backup:
    """The newest file that was last changed before `until`; an empty file is no backup."""
    newest: tuple[float, str, int] | None = None
    seen = 0
    for pattern in globs:
        for path in glob.iglob(pattern):  # noqa: PTH207 - the setting is a whole pattern, not a folder and a pattern
            seen += 1
            if seen > MOST_FILES:
                break
            try:
                stat = Path(path).stat()
            except OSError:
                continue  # it went away meanwhile
            if stat.st_size and stat.st_mtime <= until.timestamp() and (newest is None or stat.st_mtime > newest[0]):
                newest = stat.st_mtime, Path(path).name, stat.st_size
    if newest is None:
        return Backup(FILES, None, "no file matches" if not seen else "no file with anything in it")
    return Backup(FILES, datetime.fromtimestamp(newest[0], UTC), said=f"{newest[1]}, {newest[2] / 2**20:,.1f} MiB")


def by_heartbeats(log: HeartbeatLog | None, wanted: tuple[Expected, ...], until: datetime) -> list[Backup]:
    """What each heartbeat told last."""
    try:
        if log is None:
            return [Backup(one.name, None, "this process has no state database") for one in wanted]
        found = log.standing(wanted, until)
    except OpsError as error:
        return [Backup(one.name, None, str(error)) for one in wanted]
    return [_told(one) for one in found]


def _told(one: Heartbeat) -> Backup:
    if one.standing is Standing.NEVER:
        return Backup(one.expected.name, None, "never heard of", heartbeat=one)
    size = "" if one.size_bytes is None else f"{one.size_bytes / 2**20:,.1f} MiB"
    took = "" if one.duration_s is None else f"took {one.duration_s:,.0f} s"
    said = ", ".join(part for part in (size, took, one.message) if part)
    return Backup(one.expected.name, one.last_at, said=said, heartbeat=one)
