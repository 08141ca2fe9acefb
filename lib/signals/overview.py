"""Overview: the golden signals, one verdict per area with its reason, and what changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pandas as pd

from lib.errors import SourceError
from lib.metrics.base import LOOKBACK
from lib.signals import errors, health, leads, queues, system
from lib.signals.base import covers, value
from lib.signals.rulebook import rule_limit, rule_values
from lib.stores import Stores
from lib.window import Window
from lib.words import span

Verdict = tuple[str, str]
"""Status (critical, warning, ok, no data) and the reason in words."""

RECENT = timedelta(minutes=15)
LATE_BACKUP_S = 26 * 3600


def golden_signals(stores: Stores, window: Window) -> dict[str, float | None]:
    """Traffic, errors, latency and saturation at the window's end.

    `requests_per_s`, `error_ratio` (0–1), `p95_ms` (the rules' own expressions, 5 minutes), `pool_ratio` (0–1, fullest
    instance), `queue_items` (fullest queue). None for no data. Raises SourceError.
    """
    asked: dict[str, Callable[[], float | None]] = {
        "requests_per_s": lambda: _requests(stores, window),
        "error_ratio": lambda: _failed(stores, window),
        "p95_ms": lambda: _worst(stores, window, "SlowResponseTime"),
        "pool_ratio": lambda: _worst(stores, window, "DBConnectionPoolExhausted"),
        "queue_items": lambda: _worst(stores, window, "QueueBacklog"),
    }
    return dict(zip(asked, stores.at_once(*asked.values()), strict=True))


def _worst(stores: Stores, window: Window, rule: str) -> float | None:
    """The largest value of the rule's expression at the window's end, in the unit of the pages."""
    label = {"QueueBacklog": "queue_name", "DBConnectionPoolExhausted": "instance", "LeadSyncFailures": "source"}
    return max(rule_values(stores, window, rule, label.get(rule, "")).values(), default=None)


def _requests(stores: Stores, window: Window) -> float | None:
    """Requests a second of all instances at the window's end."""
    return value(stores, window, errors.REQUESTS.replace("{r}", "5m"))


def _failed(stores: Stores, window: Window) -> float | None:
    """The failed share of requests (0-1): 0 before the first 5xx, of which the rule says nothing; None without requests."""
    said = _worst(stores, window, "HighErrorRate")
    return 0.0 if said is None and _requests(stores, window) else said


def _limit(stores: Stores, window: Window, rule: str) -> float:
    """The rule's limit in the unit of the pages; infinite where there is no such rule."""
    return float(rule_limit(stores, window, rule).get("value", float("inf")))


def _severity(stores: Stores, window: Window, rule: str) -> str:
    """What being over the rule's limit means, by the rule itself."""
    return str(rule_limit(stores, window, rule).get("severity", "warning"))


def verdicts(stores: Stores, window: Window) -> pd.DataFrame:
    """One row per area: `area`, `status` (critical, warning, ok, no data), `reason`, `page` (its address).

    Judged over the last 15 minutes of the window against the rules. An area whose source is down says so: no data.
    """
    found = stores.at_once(*(partial(_judged, judge, stores, window) for _, _, judge in _AREAS))
    rows = [
        {"area": area, "status": status, "reason": reason, "page": page}
        for (area, page, _), (status, reason) in zip(_AREAS, found, strict=True)
    ]
    return pd.DataFrame(rows)


def _judged(judge: Callable[[Stores, Window], Verdict], stores: Stores, window: Window) -> Verdict:
    try:
        return judge(stores, window)
    except SourceError as error:
        return "no data", f"{error.source} does not answer"


def _all(stores: Stores, *asks: Callable[[], Any]) -> list[Any]:
    return stores.at_once(*asks)


def _errors(stores: Stores, window: Window) -> Verdict:
    recent = Window(window.end - RECENT, window.end, window.zone)
    hour = Window(window.end - timedelta(hours=1), window.end, window.zone)
    limit = _limit(stores, window, "HighErrorRate")
    now, covered, found = _all(
        stores,
        lambda: _failed(stores, window),
        lambda: covers(stores, recent),
        lambda: errors.error_patterns(stores, hour),
    )
    if now is not None and now > limit:
        return _severity(stores, window, "HighErrorRate"), f"{now:.1%} of requests fail; the limit is {limit:.0%}"
    if not covered:
        return "no data", "no log record in the last 15 minutes"
    fresh = int((found["is_new"] & (found["last_seen"] >= pd.Timestamp(recent.start))).sum())
    if fresh:
        return "warning", f"{fresh} new error pattern{'s' if fresh > 1 else ''} in the last hour"
    if now is None:
        return "ok", "no requests were counted; no new error pattern in the last hour"
    return "ok", f"{now:.2%} of requests fail, no new error pattern in the last hour"


def _latency(stores: Stores, window: Window) -> Verdict:
    limit, now = _limit(stores, window, "SlowResponseTime"), _worst(stores, window, "SlowResponseTime")
    if now is None:
        return "no data", "no requests were timed in the last 5 minutes"
    words = f"95th percentile {now:,.0f} ms; the limit is {limit:,.0f} ms".replace(",", "\u202f")
    return (_severity(stores, window, "SlowResponseTime") if now > limit else "ok"), words


def _queues(stores: Stores, window: Window) -> Verdict:
    limit = _limit(stores, window, "LeadSyncFailures")
    depth, failures, late = _all(
        stores,
        lambda: queues.queue_status(stores, window),
        lambda: _worst(stores, window, "LeadSyncFailures"),
        lambda: _late_sources(stores, window),
    )
    if not depth.empty and (depth["items"] > depth["limit"]).any():
        worst = depth.iloc[0]
        words = f"queue {worst['queue']} holds {worst['items']:.0f} items; the limit is {worst['limit']:.0f}"
        return str(worst["status"]), words
    if failures is not None and failures > limit:
        return _severity(
            stores, window, "LeadSyncFailures"
        ), f"{failures:.1f} lead syncs a minute fail; the limit is {limit:g}"
    if late:
        return "warning", f"no successful sync of {', '.join(late)}"
    if depth.empty:
        return "no data", "no queue was ever scraped, or not in the last 5 minutes"
    return "ok", f"fullest queue {depth.iloc[0]['queue']}: {depth.iloc[0]['items']:.0f} items; syncs succeed"


def _late_sources(stores: Stores, window: Window) -> list[str]:
    day = Window(window.end - timedelta(days=1), window.end, window.zone)
    found = queues.sync_sources(stores, day)
    late = found[(found["status"] != "ok") & (found["source"] != "")]
    ages = ["a day" if pd.isna(seconds) else span(seconds) for seconds in late["age_s"]]
    return [f"{source} for {age}" for source, age in zip(late["source"], ages, strict=True)]


def _leads(stores: Stores, window: Window) -> Verdict:
    day = Window(window.end - timedelta(days=1), window.end, window.zone)
    found = leads.lead_totals(stores, day)
    created, before = found["created"], found["created_before"]
    if created is None:
        return "no data", "no log record in the last 24 hours"
    words = f"{created:.0f} leads in 24 hours" + ("" if before is None else f", {before:.0f} in the 24 before")
    if before and created < before / 2:
        return "warning", f"{words}: less than half"
    return "ok", words


def _system(stores: Stores, window: Window) -> Verdict:
    recent = Window(window.end - RECENT, window.end, window.zone)
    limit = _limit(stores, window, "DBConnectionPoolExhausted")
    pool, found, began, backup = _all(
        stores,
        lambda: _worst(stores, window, "DBConnectionPoolExhausted"),
        lambda: system.instances(stores, recent),
        lambda: system.restarts(stores, recent),
        lambda: system.backup(stores, window)["age_s"],
    )
    if pool is not None and pool > limit:
        words = f"{pool:.0%} of the database connections are in use; the limit is {limit:.0%}"
        return _severity(stores, window, "DBConnectionPoolExhausted"), words
    if found.empty or found["cpu_cores"].isna().all():
        return "no data", "no process metrics in the last 5 minutes"
    if restarts := len(began):
        return "warning", f"{restarts} restart{'s' if restarts > 1 else ''} in the last 15 minutes"
    if isinstance(backup, float) and backup > LATE_BACKUP_S:
        return "warning", f"the last good backup is {backup / 3600:.0f} hours old"
    return (
        "ok",
        f"{len(found)} instance{'s' if len(found) > 1 else ''}, connections {'–' if pool is None else f'{pool:.0%}'} in use",
    )


def _health(stores: Stores, window: Window) -> Verdict:
    found = health.health_now(stores, window)
    fresh = found[found["status"] != "no data"] if len(found) else found
    silent = found[found["said"] == "unknown"] if len(found) else found
    if fresh.empty and silent.empty:
        return "no data", "/health was not probed in the last 5 minutes"
    bad = fresh[fresh["status"] == "critical"]
    if len(bad):
        names = sorted(set(bad["check"].astype(str)) - {"service"}) or ["service"]
        return "critical", f"{', '.join(names)} unhealthy"
    if len(silent):
        return "warning", f"{silent['target'].nunique()} instance(s) do not answer on /health"
    return "ok", f"{fresh['check'].nunique()} checks on {fresh['target'].nunique()} instances are healthy"


def _collection(stores: Stores, window: Window) -> Verdict:
    newest = stores.logs.newest()
    up = stores.metrics.instant("up", window.end)
    down = [labels.get("instance", "") for labels, row in zip(up.labels, up.values, strict=True) if row[0] == 0]
    if down:
        return "critical", f"scrape of {', '.join(sorted(down))} fails"
    if newest is None and not up.labels:
        return "no data", "nothing was collected yet"
    if newest is None or window.end - newest > LOOKBACK:
        return "warning", "no log record for more than 5 minutes"
    if not up.labels:
        return "warning", "no target was scraped in the last 5 minutes"
    return "ok", f"logs arrive, {len(up.labels)} targets answer"


_AREAS: tuple[tuple[str, str, Callable[[Stores, Window], Verdict]], ...] = (
    ("Errors", "errors", _errors),
    ("Latency", "performance", _latency),
    ("Queues & sync", "queues", _queues),
    ("Leads", "leads", _leads),
    ("System", "system", _system),
    ("Health", "health", _health),
    ("Collection", "setup", _collection),
)


Change = tuple[Any, str, str, str]


def changes(stores: Stores, window: Window) -> pd.DataFrame:
    """What changed in the window, newest first: `ts` (UTC), `kind`, `what` (untrusted text), `page` (its address).

    `kind`: error (a pattern new against the preceding period), version (first seen), restart, health (an outage began), or
    collection (a source does not answer, so that its changes are missing). None: no rows, same columns.
    """
    parts = (_new_patterns, _new_versions, _restarts, _health_changes)
    found = stores.at_once(*(partial(_told, part, stores, window) for part in parts))
    rows = [change for part in found for change in part]
    table = pd.DataFrame(rows, columns=["ts", "kind", "what", "page"]).drop_duplicates(ignore_index=True)
    return table.sort_values("ts", ascending=False, ignore_index=True)


def _told(part: Callable[[Stores, Window], list[Change]], stores: Stores, window: Window) -> list[Change]:
    try:
        return part(stores, window)
    except SourceError as error:
        return [(pd.Timestamp(window.end), "collection", f"{error.source} does not answer: not all is listed", "")]


def _restarts(stores: Stores, window: Window) -> list[Change]:
    found = system.restarts(stores, window)
    return [(r.ts, "restart", f"{str(r.instance) or 'A process'} started", "system") for r in found.itertuples()]


def _new_patterns(stores: Stores, window: Window) -> list[Change]:
    found = errors.error_patterns(stores, window)
    found = found[found["is_new"]]
    return [(r.first_seen, "error", f"New error: {r.pattern} ({r.records})", "errors") for r in found.itertuples()]


def _new_versions(stores: Stores, window: Window) -> list[Change]:
    found = system.version_changes(stores, window)
    return [(r.ts, "version", f"Version {r.version} began to log", "system") for r in found.itertuples()]


def _health_changes(stores: Stores, window: Window) -> list[Change]:
    found = health.outages(stores, window)
    found = found[found["since"] >= pd.Timestamp(window.start)]
    return [(r.since, "health", f"{r.check} on {r.target} unhealthy: {r.reason}", "health") for r in found.itertuples()]


def metric_seen(stores: Stores, window: Window, metric: str) -> dict[str, bool]:
    """`seen`: whether a sample of this metric is kept at all, for telling "none in this range" from "never exported"."""
    return {"seen": bool(stores.metrics.label_values("__name__", metric))}


def field_seen(stores: Stores, window: Window, field: str) -> dict[str, bool]:
    """`seen`: whether any kept log record has this field."""
    return {"seen": stores.logs.ever_seen(field)}
