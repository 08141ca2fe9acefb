"""Looks after what nobody sends: disks, the stores' own files, backups, heartbeats that do not come."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from lib.backups import backups
from lib.collect.cadence import Clock, utc_now
from lib.collect.disks import disks, places
from lib.errors import SourceError
from lib.heartbeats.expected import Standing
from lib.heartbeats.log import HeartbeatLog
from lib.metrics.base import MetricStore
from lib.settings import Settings
from lib.status import Retained, WatchStatus

_SUFFIXES = (".duckdb", ".sqlite")


class Watch:
    """What was seen at the last `look`. One thread looks; any may read `status`."""

    def __init__(self, settings: Settings, metrics: MetricStore, log: HeartbeatLog, clock: Clock = utc_now) -> None:
        self._settings, self._metrics, self._log, self._clock = settings, metrics, log, clock
        self.status = WatchStatus()

    def look(self) -> None:
        """Looks at everything anew. What does not answer is left as unknown; raises SourceError for the heartbeats."""
        now = self._clock()
        self._put(
            disks=disks(places(self._settings)),
            files=files(self._settings),
            backups={one.name: one.at for one in backups(self._settings, self._metrics, self._log, now)},
        )
        try:
            late = {
                one.expected.name: one.standing is Standing.LATE
                for one in self._log.standing(self._settings.expected_heartbeats, now)
            }
        except SourceError:
            self._put(late={})
            raise
        self._put(late=late)

    def retained(self, at: datetime, done: tuple[Retained, ...]) -> None:
        """Notes what retention did."""
        self._put(retained=done, retained_at=at)

    def _put(self, **changed: object) -> None:
        self.status = replace(self.status, **changed)  # type: ignore[arg-type]


def files(settings: Settings) -> dict[str, int]:
    """Bytes of each embedded store's file, with its write-ahead log."""
    found = {}
    for path in sorted(settings.data_dir.glob("*")):
        if path.suffix in _SUFFIXES:
            parts = (path, *(path.with_name(path.name + end) for end in (".wal", "-wal")))
            found[path.name] = sum(_size(part) for part in parts)
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
