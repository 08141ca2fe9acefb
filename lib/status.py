"""How the collection stands, as plain values that the header, `/api/health` and `/metrics` show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lib.alerts.delivery.condition import ChannelStatus

MISSED_BEATS = 10
"""A task that has not gone round for this many of its periods (and two minutes) counts as stuck."""


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One /metrics or /health address. `instance` is host:port; `up` is None before the first attempt.

    `error` is "" while the last attempt went well; `last_error` keeps the newest reason and `last_error_at` its time.
    `dropped` samples were not stored: over a cap, in the future, or out of order. `stored` is False while the address was
    asked but our own store did not take what it said: that is no failure of the address, `up` says what it was.
    """

    instance: str
    up: bool | None = None
    attempts: int = 0
    last_attempt: datetime | None = None
    last_success: datetime | None = None
    duration_s: float = 0.0
    samples: int = 0
    dropped: int = 0
    stored: bool = True
    error: str = ""
    last_error: str = ""
    last_error_at: datetime | None = None

    def age_s(self, now: datetime) -> float | None:
        """Seconds since the last good answer; None where there never was one."""
        return None if self.last_success is None else (now - self.last_success).total_seconds()

    def after(
        self, at: datetime, reason: str, *, duration_s: float | None = None, samples: int = 0, dropped: int = 0
    ) -> TargetStatus:
        """The status after one more attempt: `reason` says why it failed, "" that it went well."""
        return replace(
            self,
            up=not reason,
            stored=True,
            attempts=self.attempts + 1,
            last_attempt=at,
            last_success=self.last_success if reason else at,
            duration_s=self.duration_s if duration_s is None else duration_s,
            samples=samples,
            dropped=self.dropped + dropped,
            error=reason,
            last_error=reason or self.last_error,
            last_error_at=at if reason else self.last_error_at,
        )

    def unstored(self, at: datetime, reason: str, *, up: bool) -> TargetStatus:
        """The status after an attempt whose outcome (`up`) our own store did not take, for `reason`."""
        return replace(self.after(at, reason), up=up, stored=False)


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A remote store that is asked instead of an embedded one: `newest` is the time of its newest sample, None where it
    has none or was not reached yet. `error` is "" while the last look went well; `newest` is then the last one known."""

    name: str
    place: str
    newest: datetime | None = None
    error: str = ""

    def age_s(self, now: datetime) -> float | None:
        """Seconds since its newest sample; None where none is known."""
        return None if self.newest is None else (now - self.newest).total_seconds()


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One of the worker's loops: its heart beats once a round, `period_s` apart. `errors` counts rounds that failed.

    `error` is "" while the newest round went well; `last_error` keeps the newest reason and `last_error_at` its time.
    """

    name: str
    period_s: float
    last_beat: datetime
    errors: int = 0
    last_error: str = ""
    last_error_at: datetime | None = None
    error: str = ""

    def stuck(self, now: datetime) -> bool:
        """Whether the heart stopped: no round for much longer than a round takes."""
        return now - self.last_beat > timedelta(seconds=max(MISSED_BEATS * self.period_s, 120))


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """How far an import is: `done` of `total` bytes of its files; `current` is the one being read. None runs: 0 of 0."""

    done: int = 0
    total: int = 0
    current: str = ""

    @property
    def running(self) -> bool:
        """Whether something is still to be taken in."""
        return self.done < self.total


@dataclass(frozen=True, slots=True)
class GapStatus:
    """What the log store noted in the last 24 h: `lost` times something was lost, `lost_bytes` in all, and `unread`
    records that are kept but could not be read as what they are."""

    lost: int = 0
    lost_bytes: int = 0
    unread: int = 0


@dataclass(frozen=True, slots=True)
class AlertingStatus:
    """How the rules are evaluated: `rules` of them, `pending` and `firing` alerts, turns that were `skipped`.

    `evaluating`: by this process; `holder` is who does. `not_kept_since` is set while the state does not take what was
    found ("not persisted", for the reason `not_kept_why`); `waiting` changes are to be written. `unwell` are rules with
    something to say about themselves (an error, no data), `rule_problem` says why the newest rule file or edit is not used.
    `channels` are the ways to tell people.
    """

    evaluating: bool = False
    holder: str = ""
    rules: int = 0
    pending: int = 0
    firing: int = 0
    skipped: int = 0
    waiting: int = 0
    last_eval: datetime | None = None
    not_kept_since: datetime | None = None
    not_kept_why: str = ""
    unwell: Mapping[str, str] = field(default_factory=dict)
    rule_problem: str = ""
    channels: tuple[ChannelStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskStatus:
    """One mount: `holds` says what of ours lies on it. `total_bytes` is what may be used, `free_ratio` 0-1 of it."""

    mount: str
    holds: str
    free_bytes: int
    total_bytes: int
    free_ratio: float


@dataclass(frozen=True, slots=True)
class Retained:
    """What retention last did to one store: `dropped` from before `older_than`; `error` "" where it went well."""

    store: str
    days: int
    older_than: datetime
    dropped: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class WatchStatus:
    """What is watched besides the service: mounts, the files of the embedded stores (name and bytes), backups (each way
    that tells of one, with its time or None), heartbeats that are late, and what retention last did (`retained_at` None:
    not yet). `backups` maps a way's name to its time or None, `late` a heartbeat's name to whether it is late."""

    disks: tuple[DiskStatus, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    backups: Mapping[str, datetime | None] = field(default_factory=dict)
    late: Mapping[str, bool] = field(default_factory=dict)
    retained: tuple[Retained, ...] = ()
    retained_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """Everything about the collection at `at`. `tail` are the tail's own counters (`lag_bytes` among them).

    `unreadable` are log files that cannot be read, with the reason; `not_followed` says why none is followed, "" otherwise.
    `replaced` are the stores that began anew since the start because their file was damaged, with the name that the old
    file has now. `checklist_overdue` counts items, `new_error_patterns` new kinds of error that come often (None: not known).
    `metric_source` is the remote metric store, None where metrics are in the embedded one.
    """

    at: datetime
    started_at: datetime
    newest_log: datetime | None = None
    tail: Mapping[str, float] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    scrapes: tuple[TargetStatus, ...] = ()
    probes: tuple[TargetStatus, ...] = ()
    imports: ImportStatus = ImportStatus()
    gaps: GapStatus = GapStatus()
    replaced: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[TaskStatus, ...] = ()
    metric_source: SourceStatus | None = None
    not_followed: str = ""
    alerting: AlertingStatus = AlertingStatus()
    checklist_overdue: int | None = None
    new_error_patterns: int | None = None
    watch: WatchStatus = WatchStatus()

    @property
    def log_age_s(self) -> float | None:
        """Seconds since the newest log record; None where there is none."""
        return None if self.newest_log is None else (self.at - self.newest_log).total_seconds()

    @property
    def scrape_age_s(self) -> float | None:
        """Seconds since the last good scrape of the target that is furthest behind, or since the remote store's newest
        sample; None where one never answered."""
        if self.metric_source is not None:
            return self.metric_source.age_s(self.at)
        ages = [target.age_s(self.at) for target in self.scrapes]
        known = [age for age in ages if age is not None]
        return max(known) if known and len(known) == len(ages) else None

    @property
    def failing(self) -> tuple[TaskStatus, ...]:
        """The loops whose newest round failed."""
        return tuple(task for task in self.tasks if task.error)

    @property
    def last_error(self) -> str:
        """The newest failed round of any loop, as "<loop>: <reason>"; "" where none failed."""
        failed = [task for task in self.tasks if task.last_error_at is not None]
        newest = max(failed, key=lambda task: task.last_error_at or self.started_at, default=None)
        return "" if newest is None else f"{newest.name}: {newest.last_error}"

    @property
    def stuck(self) -> tuple[str, ...]:
        """The names of the loops whose heart stopped."""
        return tuple(task.name for task in self.tasks if task.stuck(self.at))

    def as_json(self) -> dict[str, Any]:
        """The same as nested plain values, with `status` "ok", "degraded" (something fails) or "failed" (a loop is stuck)."""
        failing = bool(self.unreadable or self.failing or self.replaced) or any(
            target.up is False or not target.stored for target in (*self.scrapes, *self.probes)
        )
        failing = failing or (self.metric_source is not None and bool(self.metric_source.error))
        failing = failing or bool(self.alerting.not_kept_why or self.alerting.rule_problem)
        failing = failing or any(channel.broken for channel in self.alerting.channels)
        verdict = "failed" if self.stuck else "degraded" if failing else "ok"
        ages = {"log_age_s": self.log_age_s, "scrape_age_s": self.scrape_age_s}
        return {"status": verdict, **ages, "last_error": self.last_error, "stuck": self.stuck, **asdict(self)}
