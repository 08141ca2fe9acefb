"""The evidence of the five daily items."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pandas as pd

from lib import backups as ways
from lib.checklists.evidence.base import (
    Asked,
    Part,
    change_percent,
    changed,
    graded,
    link,
    signed,
    together,
    unknown,
    worst,
)
from lib.checklists.model import Evidence, Verdict
from lib.heartbeats.expected import Standing
from lib.heartbeats.log import HeartbeatLog
from lib.personal import hide_text
from lib.settings import Settings
from lib.signals import errors, performance, queues, system
from lib.signals.base import by_label, covers
from lib.signals.rulebook import rule_limit
from lib.window import DAY, LONGEST, Window
from lib.words import age, duration_ms, number, ratio, span

MOST_LINES = 12
QUEUE_GROWTH = "max by (queue_name) (deriv(queue_size[2h])) * 60"
NODE_DISK = (
    'max by (mountpoint) (1 - node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs|ramfs|iso9660|autofs"}'
    ' / node_filesystem_size_bytes{fstype!~"tmpfs|overlay|squashfs|ramfs|iso9660|autofs"})'
)
OWN_DISK = "max by (mount) (1 - halo_ops_disk_free_ratio)"
NODE_MEMORY = "max(1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)"


def new_error_patterns(asked: Asked) -> Evidence:
    """How many error patterns came since the last tick that no kept record had before."""
    since = _since(asked)
    window, normal = Window(since, asked.end, asked.window.zone), "none, or known and harmless ones"
    to = link("errors", window)
    if not covers(asked.stores, window):
        return unknown(f"the log has no record from after {_at(since, asked)}", normal, to)
    oldest = asked.stores.logs.oldest()
    if oldest is None or oldest > window.start:
        return unknown(f"the log begins only at {_at(oldest or since, asked)}: what is new cannot be told", normal, to)
    found = errors.new_error_patterns(asked.stores, window)
    new, doubtful = found[found["sure"]], int((~found["sure"]).sum())
    count = len(new)
    named = zip(new["records"].head(MOST_LINES), new["pattern"].head(MOST_LINES), strict=True)
    lines = [f"{records} × {hide_text(str(pattern))}" for records, pattern in named]
    verdict = graded(count, asked.limits["look"], asked.limits["bad"])
    words = f"{number(count)} new pattern{'' if count == 1 else 's'}"
    reason = f"{words} since {_at(since, asked)}"
    if doubtful:
        verdict = worst([verdict, Verdict.NO_DATA])
        reason += f"; of {number(doubtful)} the store does not know when they came first"
    return Evidence(words, count, "patterns", normal, verdict, reason, to, _cut(lines, count))


def _since(asked: Asked) -> datetime:
    """The last tick, or the period's start (a day ago at least, so that there is something to look at)."""
    if asked.previous is not None and asked.previous.at < asked.end - timedelta(minutes=1):
        return max(asked.previous.at, asked.end - LONGEST)
    return min(asked.window.start, asked.end - DAY)


def resources(asked: Asked) -> Evidence:
    """What the fullest instance used of processor and memory in all but 5 % of the period, disks now, and event-loop lag."""
    window, limits = asked.last(DAY), asked.limits
    shares: list[float] = []
    parts = [_cpu(asked, window, shares), *_memory(asked, window, shares), *_disks(asked, shares), _lag(asked, window)]
    normal = (
        f"CPU under {limits['cpu_look_percent']:g} % of a core, memory under {limits['memory_look_percent']:g} %, "
        f"disk under {limits['disk_look_percent']:g} %, event-loop lag under {limits['lag_look_ms']:g} ms"
    )
    value = ", ".join(part.words for part in parts if part.verdict is not Verdict.NO_DATA) or "–"
    return together(
        parts, value=value, normal=normal, link=link("system", window), number=max(shares, default=None), unit="%",
        detail=[*(part.words or part.why for part in parts), *_not_judged(asked)],
    )  # fmt: skip


def _not_judged(asked: Asked) -> list[str]:
    given = asked.around.settings is not None and asked.around.settings.service_memory_mib
    return [] if given else ["memory is not judged: HALO_OPS_SERVICE_MEMORY_MIB says how much there may be"]


def _high(frame: pd.DataFrame) -> float | None:
    """The worst instance's value in all but 5 % of the period; None where nothing is known."""
    return None if frame.empty else float(frame.quantile(0.95).max())


def _cpu(asked: Asked, window: Window, shares: list[float]) -> Part:
    cores = _high(system.cpu(asked.stores, window))
    if cores is None:
        return Part("", Verdict.NO_DATA, "CPU: process_cpu_seconds_total was not scraped")
    shares.append(cores * 100)
    verdict = graded(cores * 100, asked.limits["cpu_look_percent"], asked.limits["cpu_bad_percent"])
    return Part(f"CPU {cores * 100:.0f} %", verdict)


def _memory(asked: Asked, window: Window, shares: list[float]) -> list[Part]:
    used = _high(system.memory(asked.stores, window))
    host = asked.stores.metrics.instant(NODE_MEMORY, asked.end).scalar()
    parts = []
    allowed = asked.around.settings.service_memory_mib if asked.around.settings else 0.0
    if used is None:
        parts.append(Part("", Verdict.NO_DATA, "memory: process_resident_memory_bytes was not scraped"))
    elif allowed:
        shares.append(used / allowed * 100)
        parts.append(_memory_part(asked, f"memory {used:.0f} of {allowed:.0f} MiB", shares[-1]))
    else:
        parts.append(Part(f"memory {used:.0f} MiB (no limit set)", Verdict.OK))
    if host is not None and host == host:  # noqa: PLR0124 - not NaN
        shares.append(host * 100)
        parts.append(_memory_part(asked, f"host memory {host * 100:.0f} %", host * 100))
    return parts


def _memory_part(asked: Asked, words: str, percent: float) -> Part:
    return Part(words, graded(percent, asked.limits["memory_look_percent"], asked.limits["memory_bad_percent"]))


def _disks(asked: Asked, shares: list[float]) -> list[Part]:
    """The worker's own mounts, and every file system of the hosts where node_exporter tells of them."""
    metrics = asked.stores, asked.last(DAY)
    used = {f"{name} (host)": share for name, share in by_label(*metrics, NODE_DISK, "mountpoint").items()}
    status = asked.around.status
    if status is not None and asked.is_current:
        used |= {disk.mount: 1 - disk.free_ratio for disk in status.watch.disks}
    else:
        used |= by_label(*metrics, OWN_DISK, "mount")
    if not used:
        return [Part("", Verdict.NO_DATA, "disk: no mount is known for this period")]
    parts = []
    for name, share in sorted(used.items(), key=lambda one: -one[1]):
        shares.append(share * 100)
        verdict = graded(share * 100, asked.limits["disk_look_percent"], asked.limits["disk_bad_percent"])
        parts.append(Part(f"disk {name} {share * 100:.0f} %", verdict))
    return parts


def _lag(asked: Asked, window: Window) -> Part:
    lag = _high(system.event_loop_lag(asked.stores, window))
    if lag is None:
        return Part("", Verdict.NO_DATA, "event-loop lag was not scraped")
    verdict = graded(lag, asked.limits["lag_look_ms"], asked.limits["lag_bad_ms"])
    return Part(f"lag {duration_ms(lag)}", verdict)


def backup(asked: Asked) -> Evidence:
    """How old the last good backup is, by every way that is set up."""
    settings, limits = asked.around.settings, asked.limits
    normal, to = f"at most {limits['look_hours']:g} h old", link("system", asked.last(DAY))
    if settings is None:
        return unknown("the settings are not known here", normal, to)
    log = HeartbeatLog(asked.around.state) if asked.around.state is not None else None
    told = ways.backups(settings, asked.stores.metrics, log, asked.end)
    if any(one.at is not None for one in told) and settings.backup_metric == _usual_metric():
        told = tuple(one for one in told if one.name != ways.METRIC or one.at is not None)
    ages = [age_s for one in told if (age_s := one.age_s(asked.end)) is not None]
    value = "–" if not ages else f"{span(max(ages))} old"
    return together(
        [_backup_part(one, asked) for one in told] or [Part("", Verdict.NO_DATA, "no way to know of a backup is set up")],
        value=value, normal=normal, link=to, number=max(ages) / 3600 if ages else None, unit="h",
        detail=[_backup_line(one, asked) for one in told], fine="backups come as they should",
    )  # fmt: skip


def _usual_metric() -> str:
    """Asked for without anybody having said so: where the service does not export it, it is not missed."""
    return str(Settings.model_fields["backup_metric"].default)


def _backup_part(one: ways.Backup, asked: Asked) -> Part:
    age_s = one.age_s(asked.end)
    if age_s is None:
        return Part("", Verdict.NO_DATA, f"{one.name}: {one.problem}")
    words = f"{one.name}: {span(age_s)} old"
    if one.heartbeat is not None:
        late = one.heartbeat.standing is Standing.LATE
        very = age_s > (2 * one.heartbeat.expected.period + one.heartbeat.expected.grace).total_seconds()
        verdict = Verdict.BAD if late and very else Verdict.LOOK if late else Verdict.OK
        return Part(words, verdict, f"{words}, {one.heartbeat.standing}")
    return Part(words, graded(age_s / 3600, asked.limits["look_hours"], asked.limits["bad_hours"]))


def _backup_line(one: ways.Backup, asked: Asked) -> str:
    told = one.problem or f"{age(one.at, asked.end)}" + (f" ({one.said})" if one.said else "")
    return f"{one.name}: {told}"


def queue_depths(asked: Asked) -> Evidence:
    """How full the queues are, and when one gets to its limit if it goes on growing as in the last two hours."""
    window, limits = asked.last(DAY), asked.limits
    normal, to = f"under {limits['look']:g} items, a day from the limit", link("queues", window)
    found = queues.queue_status(asked.stores, window)
    if found.empty:
        return unknown("queue_size was not scraped in the last 5 minutes of the period", normal, to)
    rule = float(rule_limit(asked.stores, window, "QueueBacklog").get("value", limits["bad"]))
    growth = by_label(asked.stores, window, QUEUE_GROWTH, "queue_name")
    named = zip(found["queue"].astype(str), found["items"].astype("float64"), found["growth_per_min"], strict=True)
    parts = [
        _queue(asked, name, items, growth.get(name, 0.0) if lately > 0 else 0.0, rule) for name, items, lately in named
    ]
    fullest = found.iloc[0]
    return together(
        parts, value=f"{fullest['queue']}: {number(fullest['items'])} items", normal=normal, link=to,
        number=float(fullest["items"]), unit="items", detail=[part.words for part in parts], fine="no queue fills up",
    )  # fmt: skip


def _queue(asked: Asked, name: str, items: float, per_min: float, limit: float) -> Part:
    words = f"{name}: {number(items)} items"
    verdict = graded(items, asked.limits["look"], asked.limits["bad"])
    hours = (limit - items) / per_min / 60 if per_min > 0 and items < limit else float("inf")
    if hours < asked.limits["look_hours_to_limit"] and per_min * 120 >= limit / 100:
        words += f", at {number(limit)} in {span(hours * 3600)} if it goes on"
        verdict = worst([verdict, Verdict.LOOK])
    return Part(words, verdict)


def performance_now(asked: Asked) -> Evidence:
    """p95 and the share of failed requests of the last 24 hours, against the 24 before and the limits."""
    window, limits = asked.last(DAY), asked.limits
    found = performance.latency_summary(asked.stores, window)
    failed = errors.error_summary(asked.stores, window)
    p95, before = found["p95_ms"], found["p95_ms_before"]
    share, share_before = failed["http_errors_ratio"], failed.get("http_errors_ratio_before")
    normal = f"p95 under {limits['p95_look_ms']:g} ms, failed requests under {limits['error_look_percent']:g} %"
    to = link("performance", window)
    if p95 is None or share is None:
        return unknown("the log has no request from the last 24 hours", normal, to)
    change = change_percent(p95, before)
    parts = [
        Part(f"p95 {duration_ms(p95)}", graded(p95, limits["p95_look_ms"], limits["p95_bad_ms"])),
        Part(f"{ratio(share)} failed", graded(share * 100, limits["error_look_percent"], limits["error_bad_percent"])),
        _against_yesterday(change, limits["change_look_percent"]),
        *_failed_against_yesterday(share, share_before, limits),
    ]
    detail = [
        f"p95: {duration_ms(p95)}, the 24 h before {duration_ms(before)}",
        f"failed (5xx): {ratio(share)}, the 24 h before {ratio(share_before)}",
        f"requests: {number(found['requests'])}, the 24 h before {number(found['requests_before'])}",
        *_alert_limits(asked, window),
    ]
    return together(parts, value=f"{changed(parts[0].words, change)}; {parts[1].words}, before {ratio(share_before)}",
                    normal=normal, link=to, number=p95, unit="ms", detail=detail,
                    fine="as fast as yesterday, and under the limits")  # fmt: skip


def _against_yesterday(change: float | None, look: float) -> Part:
    if change is None:
        return Part("", Verdict.NO_DATA, "the log does not reach through the 24 hours before: no comparison")
    return Part(f"p95 {signed(change)} against the day before", graded(change, look))


def _failed_against_yesterday(share: float, before: float | None, limits: Mapping[str, float]) -> list[Part]:
    """Worth a look before it is at its limit: more than a quarter of that above yesterday's, and not just the day's noise."""
    if before is None:
        return []  # told by the comparison of p95: the log does not reach back
    grown = change_percent(share, before)
    risen = (share - before) * 100 >= limits["error_look_percent"] / 4
    if not risen or (grown is not None and grown < limits["change_look_percent"]):
        return []
    words = (
        "requests failed, none the day before"
        if grown is None
        else f"failed requests {signed(grown)} against the day before"
    )
    return [Part(words, Verdict.LOOK)]


def _alert_limits(asked: Asked, window: Window) -> list[str]:
    p95 = rule_limit(asked.stores, window, "SlowResponseTime").get("value")
    share = rule_limit(asked.stores, window, "HighErrorRate").get("value")
    return [
        *([f"alert SlowResponseTime from {duration_ms(float(p95))}"] if p95 is not None else []),
        *([f"alert HighErrorRate from {ratio(float(share))}"] if share is not None else []),
    ]


def _cut(lines: list[str], count: int) -> str:
    more = [f"and {count - len(lines)} more"] if count > len(lines) else []
    return "\n".join([*lines, *more])


def _at(moment: datetime, asked: Asked) -> str:
    local = pd.Timestamp(moment).tz_convert(asked.window.zone)
    return f"{local:%Y-%m-%d %H:%M}"
