"""The declared retention against what is there: a verdict per store, index and family of log files."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from lib.errors import OpsError, SourceUnavailable
from lib.heartbeats.tables import HeartbeatEventRow
from lib.logs.inventory import Index, Inventoried
from lib.settings import Settings
from lib.state.database import State
from lib.state.episodes import EpisodeRow
from lib.status import WorkerStatus
from lib.stores import Stores
from lib.words import NONE, number, size, span

OK, LOOK, BAD, NO_DATA = "ok", "look", "bad", "no data"
"""The verdicts, as checklists have them."""

LATE = timedelta(hours=3)
"""Retention runs once an hour and drops whole hours: what is this much too old will go by itself."""

VERY_LATE = timedelta(days=2)
NOT_ROTATED = 100 * 2**20
MOST_FILES = 5000


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is kept. `declared_days` None: the settings say nothing of it. `said` is what was found, `reason` why
    the verdict is what it is; both may hold foreign text (names of indices and files)."""

    what: str
    verdict: str
    said: str
    reason: str
    declared_days: int | None = None
    oldest: datetime | None = None
    bytes: float | None = None
    records: float | None = None
    phase: str = ""


def retention_lines(
    settings: Settings, stores: Stores, state: State | None, status: WorkerStatus | None, now: datetime
) -> tuple[Line, ...]:
    """Every line; a source that does not answer is a line without data. Asks the stores, so it may take seconds."""
    found = [*_logs(settings, stores, status, now), _metrics(settings, stores, status, now)]
    found += [*_state(settings, state, now), *_files(settings, now), *_applied(status, now)]
    return tuple(found)


def _logs(settings: Settings, stores: Stores, status: WorkerStatus | None, now: datetime) -> Iterator[Line]:
    days = settings.retention_logs_days
    if isinstance(stores.logs, Inventoried):
        yield from _indices(stores.logs, days, now)
        return
    size_bytes = _bytes_of(status, "logs.duckdb")
    yield _aged(f"Log records: {stores.logs.name}", stores.logs.oldest, days, now, size_bytes)


def _metrics(settings: Settings, stores: Stores, status: WorkerStatus | None, now: datetime) -> Line:
    remote = bool(settings.prometheus_url)
    size_bytes = None if remote else _bytes_of(status, "metrics.duckdb")
    line = _aged(
        f"Metric samples: {stores.metrics.name}",
        stores.metrics.oldest,
        settings.retention_metrics_days,
        now,
        size_bytes,
    )
    if remote and line.verdict in (LOOK, BAD):
        return _changed(line, LOOK, f"{line.reason}: its own retention is set on that server")
    return line


def _state(settings: Settings, state: State | None, now: datetime) -> Iterator[Line]:
    days = settings.retention_health_days
    for what, column in (("Health episodes", EpisodeRow.until), ("Heartbeats", HeartbeatEventRow.at)):

        def oldest(column: object = column) -> datetime | None:
            if state is None:
                raise SourceUnavailable("this process has no state database", "state")
            with state.reading() as session:
                return session.scalar(select(func.min(column)))

        line = _aged(f"{what}: state database", oldest, days, now, None)
        if what == "Heartbeats" and line.oldest is None and line.reason == _EMPTY:
            continue  # they are optional
        yield line


_EMPTY = "nothing is kept yet"


def _aged(
    what: str, ask: Callable[[], datetime | None], days: int, now: datetime, size_bytes: float | None
) -> Line:  # fmt: skip
    try:
        oldest = ask()
    except OpsError as error:
        return Line(what, NO_DATA, NONE, str(error), days, bytes=size_bytes)
    if oldest is None:
        return Line(what, NO_DATA, "empty", _EMPTY, days, bytes=size_bytes)
    verdict, reason = _judged(oldest, days, now)
    return Line(what, verdict, f"oldest {span(now - oldest)} old, {days} d declared", reason, days, oldest, size_bytes)


def _judged(oldest: datetime, days: int, now: datetime) -> tuple[str, str]:
    over = (now - oldest) - timedelta(days=days)
    if over <= LATE:
        return OK, f"nothing is older than {days} d"
    return (BAD if over > VERY_LATE else LOOK), f"kept {span(over)} longer than declared"


def _indices(store: Inventoried, days: int, now: datetime) -> Iterator[Line]:
    try:
        found = store.inventory()
    except OpsError as error:
        yield Line("Log records: Elasticsearch", NO_DATA, NONE, f"the cluster does not tell: {error}", days)
        return
    if not found:
        yield Line("Log records: Elasticsearch", NO_DATA, "no index", "no index matches HALO_OPS_ES_INDEX", days)
    for one in found:
        yield _index(one, days, now)


def _index(one: Index, days: int, now: datetime) -> Line:
    verdict, reason = (NO_DATA, "it holds no record") if one.oldest is None else _judged(one.oldest, days, now)
    if one.error:
        verdict, reason = BAD, f"its lifecycle stands still: {one.error}"
    elif one.managed is False:
        too_old = verdict in (LOOK, BAD)
        policy = "no lifecycle policy: nothing will drop it"
        verdict, reason = (verdict, f"{reason}; {policy}") if too_old else (LOOK, policy)
    elif one.managed is None and verdict == OK:
        verdict, reason = NO_DATA, f"{reason}; whether anything drops it is not known ({one.unknown})"
    oldest = NONE if one.oldest is None else f"oldest {span(now - one.oldest)} old"
    said = f"{oldest}, {days} d declared, {size(one.bytes)}"
    return Line(f"Index {one.name}", verdict, said, reason, days, one.oldest, one.bytes, one.records, one.phase or NONE)


def _files(settings: Settings, now: datetime) -> Iterator[Line]:
    """Each family of log files: that they are rotated, and that none stays for ever."""
    for pattern in settings.log_files:
        yield _family(pattern, settings.retention_logs_days, now)


def _family(pattern: str, days: int, now: datetime) -> Line:
    what = f"Log files {'/'.join(Path(pattern).parts[-2:])}"
    stats = []
    for path, _ in zip(glob.iglob(pattern), range(MOST_FILES), strict=False):  # noqa: PTH207 - a whole pattern
        try:
            stats.append(Path(path).stat())
        except OSError:
            continue  # rotated away meanwhile
    if not stats:
        return Line(what, NO_DATA, "no file", "no file matches", days)
    total, largest = sum(s.st_size for s in stats), max(s.st_size for s in stats)
    oldest = datetime.fromtimestamp(min(s.st_mtime for s in stats), UTC)
    said = f"{number(len(stats))} file{'s' if len(stats) > 1 else ''}, {size(total)}, oldest changed {span(now - oldest)} ago"
    verdict, reason = _judged(oldest, days, now)
    if largest > NOT_ROTATED:
        verdict, reason = LOOK, f"one has {size(largest)}: is it rotated?"
    elif verdict == OK:
        reason = f"rotated: the largest has {size(largest)}" if len(stats) > 1 else f"one file of {size(largest)}"
    else:
        verdict = LOOK  # they are the service's own, and not ours to drop
    return Line(what, verdict, said, reason, days, oldest, float(total), float(len(stats)))


def _applied(status: WorkerStatus | None, now: datetime) -> Iterator[Line]:
    """What the hourly retention last did."""
    what = "Hourly retention"
    if status is None:
        yield Line(what, NO_DATA, NONE, "no collection runs in this process")
        return
    at = status.watch.retained_at
    if at is None:
        yield Line(what, NO_DATA, "not run yet", "the collection has only just begun")
        return
    failed = [f"{one.store}: {one.error}" for one in status.watch.retained if one.error]
    dropped = sum(one.dropped for one in status.watch.retained)
    said = f"ran {span(now - at)} ago, dropped {number(dropped)}"
    if failed:
        yield Line(what, BAD, said, "; ".join(failed), oldest=None)
    elif now - at > LATE:
        yield Line(what, BAD, said, "it should run once an hour")
    else:
        yield Line(what, OK, said, "it ran within the hour" if now - at < timedelta(minutes=65) else "it ran of late")


def _bytes_of(status: WorkerStatus | None, file: str) -> float | None:
    found = status.watch.files.get(file) if status is not None else None
    return None if found is None else float(found)


def _changed(line: Line, verdict: str, reason: str) -> Line:
    return Line(
        line.what, verdict, line.said, reason, line.declared_days, line.oldest, line.bytes, line.records, line.phase
    )
