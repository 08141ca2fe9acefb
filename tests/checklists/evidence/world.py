"""A small service in real stores, as good or as bad as a test wants it, and one way to ask for its evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from lib.checklists.evidence import Around, collect
from lib.checklists.model import Evidence, Previous, Verdict
from lib.heartbeats.log import Beat, HeartbeatLog
from lib.logs.duckdb import DuckLogs
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.settings import Settings
from lib.state.database import State
from lib.status import DiskStatus, Retained, WorkerStatus
from lib.stores import Stores
from lib.window import Window
from tests.seed import NOW, batch, record

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TODAY = Window(NOW - 12 * HOUR, NOW + 12 * HOUR)
WEEK = Window(NOW - 7 * DAY, NOW + DAY)
MONTH = Window(NOW - 30 * DAY, NOW + DAY)
TOKEN = "heartbeat-token-for-tests-0001"
Values = Callable[[np.ndarray[Any, Any]], Any]
"""A series' values by the seconds since its start."""


@dataclass
class World:
    """Stores, state, settings and status that a test fills."""

    stores: Stores
    state: State
    settings: Settings = field(default_factory=Settings)
    status: WorkerStatus | None = None

    def ask(
        self,
        key: str,
        window: Window = TODAY,
        *,
        previous: Previous | None = None,
        now: datetime = NOW,
        **limits: float,
    ) -> Evidence:
        """The evidence as a person sees it at `now`."""
        around = Around(self.settings, self.state, self.status, now)
        return collect(key, self.stores, window, previous, limits, around=around)

    def logs(self, rows: list[dict[str, Any]]) -> None:
        """Records through the true sink; their ids are numbered on."""
        assert isinstance(self.stores.logs, DuckLogs)
        if rows:
            self.stores.logs.write(batch([{"id": f"{id(rows)}-{n}"} | row for n, row in enumerate(rows)]))

    def requests(self, since: timedelta, until: timedelta, every: timedelta, **fields: Any) -> None:
        """Requests from `since` ago to `until` ago."""
        plain = {"message": "HTTP Request", "pattern": "HTTP Request", "method": "GET", "route": "/api/leads", "status": 200,
                 "duration_ms": 100.0}  # fmt: skip
        self.logs([record(at, **(plain | fields)) for at in moments(since, until, every)])

    def errors(self, since: timedelta, until: timedelta, every: timedelta, text: str) -> None:
        """Errors of one text."""
        self.logs([record(at, "ERROR", message="Operation Failed", error=text, pattern=text, pattern_id=text)
                   for at in moments(since, until, every)])  # fmt: skip

    def metric(
        self, name: str, values: Values | float, since: timedelta = DAY, every: timedelta = MINUTE, **labels: str
    ) -> None:
        """One series from `since` ago until now."""
        assert isinstance(self.stores.metrics, DuckMetrics)
        seconds = np.arange(0, int(since.total_seconds()) + 1, int(every.total_seconds()), dtype="float64")
        ts_ms = ((NOW - since).timestamp() + seconds) * 1000
        told = np.broadcast_to(
            np.asarray(values(seconds) if callable(values) else values, dtype="float64"), seconds.shape
        )
        series = {"__name__": name, "instance": "a:3000", "job": "crm"} | labels
        zeros = np.zeros(len(seconds), dtype="int32")
        self.stores.metrics.append(Samples((series,), zeros, ts_ms.astype("int64"), told.astype("float64")), live=False)

    def watch(self, **changed: Any) -> None:
        """How the collection stands."""
        before = self.status or WorkerStatus(NOW, NOW - DAY)
        self.status = replace(before, watch=replace(before.watch, **changed))

    def disk(self, free_ratio: float) -> None:
        """One mount."""
        total = 100 * 2**30
        self.watch(disks=(DiskStatus("/data", "data, logs", int(total * free_ratio), total, free_ratio),))

    def retained(self, age: timedelta = 10 * MINUTE, error: str = "") -> None:
        """What the hourly retention last did."""
        self.watch(retained=(Retained("logs (embedded)", 30, NOW - 30 * DAY, 5, error),), retained_at=NOW - age)

    def heartbeat(self, age: timedelta) -> None:
        """One that was expected daily came this long ago."""
        self.settings = Settings(heartbeat_token=TOKEN, heartbeats=("backup=24h/2h",), backup_metric="")  # type: ignore[arg-type]
        HeartbeatLog(self.state).add("backup", NOW - age, Beat(5 * 2**20, 12))


def moments(since: timedelta, until: timedelta, every: timedelta) -> list[datetime]:
    """From `since` ago on, before `until` ago."""
    count = int((since - until) / every)
    return [NOW - since + n * every for n in range(count)]


def seen(number: float, at: datetime) -> Previous:
    """What was seen when the item was ticked."""
    return Previous(at, Evidence("seen", number, "", "", Verdict.OK))


Case = tuple[Callable[[World], None], Verdict, str]
"""What the world is like, the verdict on it, and words of the reason or of the value."""


def cases(**named: Case) -> Mapping[str, Case]:
    """A table of named cases."""
    return named


def says(found: Evidence) -> str:
    """Its reason and its value, with plain spaces."""
    return f"{found.reason} | {found.value}".replace("\u202f", " ")
