"""Collects while the dashboard runs: tails, imports, scrapes, probes, tidies up. `python -m lib.worker` does only that."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from urllib.parse import urlsplit

from prometheus_client.core import Metric
from sqlalchemy.orm import Session

from lib import notes, own_log, wiring
from lib import settings as configuration
from lib.alerting import Alerting
from lib.alerts import pushed
from lib.alerts.console import faults
from lib.alerts.console.drill import RANGE
from lib.checklists import questions, runs, versions
from lib.collect import spool
from lib.collect.cadence import Clock, utc_now
from lib.collect.giving_way import after_an_import
from lib.collect.import_progress import load_progress
from lib.collect.probe import Prober
from lib.collect.retention import Policy, applied, refuse_failures
from lib.collect.scrape import Scraper
from lib.collect.tail import Tail
from lib.collect.watch import Watch
from lib.errors import OpsError, SettingsError, SourceError
from lib.heartbeats.log import HeartbeatLog
from lib.loop import LONGEST_WAIT_S, Loop
from lib.metrics.prometheus_refusal import NAME
from lib.own_metrics import OwnMetrics
from lib.settings import Settings
from lib.signals.bursts import bursts
from lib.status import GapStatus, ImportStatus, Retained, SourceStatus, WorkerStatus
from lib.status_metrics import StatusCollector
from lib.window import DAY, Window

CHECKLISTS_S, EXPIRE_S, DRILL_S = 5.0, 15.0, 1.0
TAIL_S, IMPORT_S, LOOK_S, METRICS_S, COMPACT_S, RETAIN_S, BEAT_S, WATCH_S = (
    0.25, 0.3, 2.0, 15.0, 60.0, 3600.0, 1.0, 30.0,
)  # fmt: skip
GAPS_EVERY, GAPS_SOON = timedelta(minutes=1), timedelta(seconds=10)
IMPORT_GONE = timedelta(minutes=2)
"""An import that has not told of any progress for this long has ended, whatever its last word was."""

STOP_WITHIN_S = 3.0
NOT_FOLLOWED = "Log files are not followed: the logs are read from Elasticsearch."
_log = logging.getLogger(__name__)


class Worker:
    """Everything that fills the stores, each part in a loop of its own that outlives its failures."""

    def __init__(self, settings: Settings, stores: wiring.OpenStores, *, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._stores = stores
        self._clock = clock
        self._stop = threading.Event()
        self._started_at = clock()
        self._newest_log: datetime | None = None
        self._imports = ImportStatus()
        self._mended = False
        self._overdue: int | None = None
        self._new_errors: int | None = None
        self._gaps, self._gaps_told, self._gaps_at = GapStatus(), -1.0, self._started_at
        self._spool = spool.folder_of(settings.data_dir)
        self._database = stores.log_database
        self._tail = Tail(settings.log_files, stores.log_database, clock) if stores.log_database else None
        self._metric_source = _source_of(settings)
        self._scraper = Scraper(
            _scraped_here(settings), settings.job, stores.metrics, settings.scrape_interval_s, clock=clock
        )
        self._prober = Prober(
            settings.health_targets, settings.job, stores.health, stores.metrics, settings.probe_interval_s, clock=clock
        )
        self._heartbeats = HeartbeatLog(stores.state)
        self._watch = Watch(settings, stores.stores.metrics, self._heartbeats, clock)
        self._retaining = threading.Lock()
        self._loops: list[Loop] = []
        if self._tail is None and settings.log_files:
            _log.warning(NOT_FOLLOWED)
        self._tailing = self._loop("tail", TAIL_S, self._follow) if self._tail else None
        self._importing = self._loop("import", IMPORT_S, self._take_in)
        self._asking = self._loop("scrape and probe", BEAT_S, self._ask)
        self._loop("freshness", LOOK_S, self._look)
        self._loop("new errors", METRICS_S, self._look_for_new_errors)
        if stores.prometheus is not None:
            self._loop("metric freshness", METRICS_S, self._look_at_metrics, METRICS_S)
        if stores.log_database:
            self._loop("compaction", COMPACT_S, stores.log_database.compact)
        self._loop("retention", RETAIN_S, self._retain)
        self._loop("pushed alerts", EXPIRE_S, self._expire)
        self._alerting = Alerting(settings, stores, clock=clock)
        for task in self._alerting.tasks:
            self._loop(*task)
        own = OwnMetrics(self._own_figures, stores.metrics, f"{settings.address}:{settings.port}", clock=clock)
        self._loop("own figures", METRICS_S, own.write)
        self._loop("checklists", CHECKLISTS_S, self._keep_checklists)
        self._loop("watch", WATCH_S, self._watch.look)
        self._loop("drill", DRILL_S, lambda: RANGE.follow(stores.state, partial(faults.switch_of, settings)))

    def _loop(
        self, name: str, period_s: float, turn: Callable[[], object], longest_wait_s: float = LONGEST_WAIT_S
    ) -> Loop:
        loop = Loop(name, period_s, turn, self._clock, longest_wait_s)
        self._loops.append(loop)
        return loop

    def start(self) -> None:
        """Starts every loop and comes back at once."""
        self._started_at = self._clock()
        for loop in self._loops:
            loop.start(self._stop)

    def stop(self, within_s: float = STOP_WITHIN_S) -> bool:
        """Ends every loop; whether all ended in time. What is under way in a store commits or leaves no trace."""
        self._stop.set()
        deadline = monotonic() + within_s
        late = [loop.name for loop in self._loops if not loop.join(max(0.0, deadline - monotonic()))]
        if self._tail and self._tailing and self._tailing.join(0):
            self._tail.close()
        self._alerting.close(at_rest=not late)
        if late:
            _log.warning("still at work when the worker ended: %s", ", ".join(late))
        return not late

    def status(self) -> WorkerStatus:
        """How everything stands, at once and without asking a store; safe from any thread."""
        return WorkerStatus(
            at=self._clock(),
            started_at=self._started_at,
            newest_log=self._newest_log,
            tail=self._tail.counters() if self._tail else {},
            not_followed=NOT_FOLLOWED if self._settings.log_files and not self._tail else "",
            unreadable=dict(self._tail.problems) if self._tail else {},
            scrapes=self._scraper.status(),
            probes=self._prober.status(),
            imports=self._imports,
            gaps=self._gaps,
            replaced=self._replaced(),
            tasks=tuple(loop.status() for loop in self._loops),
            metric_source=self._metric_source,
            alerting=self._alerting.status(),
            checklist_overdue=self._overdue,
            new_error_patterns=self._new_errors,
            watch=self._watch.status,
        )

    def _replaced(self) -> dict[str, str]:
        stores = {"metrics": self._stores.metrics, **({"logs": self._database} if self._database else {})}
        moved = {name: store.recovered_from for name, store in stores.items()}
        return {name: path.name for name, path in moved.items() if path is not None}

    def _follow(self) -> None:
        assert self._database and self._tail and self._tailing, "the loop runs only with a tail"
        self._mended |= self._database.mend()
        if self._mended:
            self._tail.start_over()
            self._mended = False
        while self._tail.poll().more and not self._stop.is_set():
            self._tailing.beat()

    def _take_in(self) -> None:
        sinks = spool.Sinks(self._database, self._stores.metrics, self._stores.health)
        spool.drain(self._spool, sinks, stop=self._stop.is_set, beat=self._importing.beat)

    def _look(self) -> None:
        self._imports = self._import_status()
        self._stores.metrics.mend()
        self._newest_log = self._stores.logs.newest()
        if self._tail is not None:
            self._look_for_gaps(self._tail.counters())

    def _look_for_gaps(self, counters: Mapping[str, float]) -> None:
        """What the store says was lost, also before this process began; asked soon after the tail tells of more."""
        told = sum(counters[name] for name in ("lost_bytes", "unparsed", "truncated"))
        now, wait = self._clock(), GAPS_EVERY if told == self._gaps_told else GAPS_SOON
        if self._gaps_told >= 0 and abs(now - self._gaps_at) < wait:
            return
        found = self._stores.logs.gaps(Window(now - DAY, now + timedelta(minutes=1)))
        lost = found[found["kind"] == "lost"]
        self._gaps = GapStatus(
            lost=len(lost),
            lost_bytes=int(lost["bytes"].sum()),
            unread=int(found["records"].sum() - lost["records"].sum()),
        )
        self._gaps_told, self._gaps_at = told, now

    def _look_for_new_errors(self) -> None:
        """While the log store is silent nothing is known of them; a partial answer takes none away (F17)."""
        try:
            with notes.collected() as said:
                found = bursts(self._stores.stores, self._clock())
        except OpsError:
            self._new_errors = None
            raise
        if any(note.doubtful for note in said):
            found = max(found or 0, self._new_errors or 0) or None
        self._new_errors = found

    def _look_at_metrics(self) -> None:
        """How fresh the remote store's samples are. Looked for as often while it fails: MetricSourceDown counts two minutes,
        and may not say so of a store that came back after one."""
        assert self._stores.prometheus is not None and self._metric_source is not None
        try:
            newest = self._stores.prometheus.newest()
        except OpsError as error:
            self._metric_source = replace(self._metric_source, error=str(error))
            raise
        self._metric_source = replace(self._metric_source, newest=newest, error="")

    def _import_status(self) -> ImportStatus:
        told = load_progress(self._spool)
        if told is None or told.done or self._clock() - told.updated > IMPORT_GONE:
            return ImportStatus()
        return ImportStatus(min(told.done_bytes, told.total_bytes), told.total_bytes, told.current)

    def _retain(self) -> None:
        refuse_failures(self.apply_retention())

    def apply_retention(self) -> tuple[Retained, ...]:
        """Drops what is older than the settings keep, now, and says what that did per store; one at a time."""
        stores, settings = self._stores, self._settings
        policies = (
            *((Policy(self._database, settings.retention_logs_days),) if self._database else ()),
            Policy(stores.metrics, settings.retention_metrics_days),
            Policy(stores.health, settings.retention_health_days),
            *self._alerting.policies,
            Policy(self._heartbeats, settings.retention_health_days),
        )
        with self._retaining:
            done = applied(policies, self._clock())
            self._watch.retained(self._clock(), done)
        return done

    def _keep_checklists(self) -> None:
        """Opens and closes runs and counts what is overdue; a file with a mistake is told, and the last good one serves."""
        state, folder, now = self._stores.state, self._stores.checklists, self._clock()
        runs.keep(state, versions.history(state, folder.checklists()), self._settings.zone, now)
        self._overdue = questions.overdue(state, now)
        if folder.problem:
            raise SettingsError(folder.problem)

    def dispatch(self, session: Session, now: datetime) -> None:
        """Decides about notices in the transaction that took in a pushed alert. Where another process sends, that one decides."""
        if self._alerting.lease.holds(session):
            self._alerting.delivery.dispatcher.dispatch(session, now)

    def _own_figures(self) -> Iterable[Metric]:
        return (*StatusCollector(self.status).collect(), *RANGE.collect())

    def _expire(self) -> None:
        with self._stores.state.writing() as session:
            if pushed.expire(session, now := self._clock()):
                self.dispatch(session, now)

    def _ask(self) -> None:
        """Scrapes and probes until the worker stops; comes back early only by raising."""
        asyncio.run(self._ask_all())

    async def _ask_all(self) -> None:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(part.run(stop)) for part in (self._scraper, self._prober)]
            while not self._stop.is_set():
                self._asking.beat()
                await asyncio.sleep(min(BEAT_S, 0.2))
            stop.set()
            await asyncio.wait(asking, timeout=1)
            for task in asking:  # an address that hangs must not hold up the end
                task.cancel()


def _source_of(settings: Settings) -> SourceStatus | None:
    if not settings.prometheus_url:
        return None
    return SourceStatus(NAME, urlsplit(settings.prometheus_url).netloc)


def _scraped_here(settings: Settings) -> tuple[str, ...]:
    """The scrape targets of this process: none where Prometheus does that, unless the settings want a copy."""
    if not settings.prometheus_url:
        return settings.scrape_targets
    place = urlsplit(settings.prometheus_url).netloc
    if settings.scrape_targets and not settings.scrape_as_well:
        _log.warning("metrics are asked of Prometheus at %s: HALO_OPS_SCRAPE_TARGETS is not scraped here", place)
        return ()
    _log.info("metrics are asked of Prometheus at %s", place)
    return settings.scrape_targets


def main() -> int:
    """Collects until SIGINT or SIGTERM. 1: another process has the stores, 2: the settings are wrong."""
    own_log.set_up("info")
    try:
        settings = configuration.load()
        own_log.set_up(settings.log_level)
        for unused in configuration.unknown_settings():
            _log.warning("not used: %s", unused)
        stores = after_an_import(lambda: wiring.open_stores(settings), settings.data_dir)
        worker = Worker(settings, stores)
    except SettingsError as error:
        print(f"The settings are wrong:\n{error}", file=sys.stderr)  # noqa: T201
        return 2
    except SourceError as error:
        hint = "The embedded stores have one owner process; the dashboard collects by itself, so run only that."
        print(f"{error}\n{hint}", file=sys.stderr)  # noqa: T201
        return 1
    ended = threading.Event()
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: ended.set())
    worker.start()
    ended.wait()
    worker.stop()
    stores.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
