"""The processes themselves: CPU, memory, connections, restarts and versions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from lib.logs.base import LogQuery
from lib.signals.base import (
    MINUTE,
    by_label,
    counts,
    empty_if_unknown,
    evenly,
    log_step,
    metric_step,
    tidy,
    trend,
    value,
)
from lib.signals.rulebook import rule_trend
from lib.stores import Stores
from lib.window import Window

START = "process_start_time_seconds"
LAG = "nodejs_eventloop_lag_seconds or python_eventloop_lag_seconds"


def cpu(stores: Stores, window: Window) -> pd.DataFrame:
    """CPU per instance in cores (1 = one core busy): index `ts`, a column per instance; NaN = not scraped."""
    return trend(stores, window, "sum by (instance) (rate(process_cpu_seconds_total[{r}]))", "instance")


def memory(stores: Stores, window: Window) -> pd.DataFrame:
    """Resident memory per instance in MiB: index `ts`, a column per instance; NaN = not scraped."""
    return trend(stores, window, "sum by (instance) (process_resident_memory_bytes)", "instance", scale=1 / 2**20)


def event_loop_lag(stores: Stores, window: Window) -> pd.DataFrame:
    """How late the event loop runs, per instance, in ms: index `ts`, a column per instance. No rows without the metric."""
    return trend(stores, window, f"max by (instance) ({LAG})", "instance", scale=1000)


def garbage_collections(stores: Stores, window: Window) -> pd.DataFrame:
    """Collections per minute and instance (Node counts its pauses, Python its runs): index `ts`, a column per instance."""
    expression = "rate(nodejs_gc_duration_seconds_count[{r}]) or rate(python_gc_collections_total[{r}])"
    return trend(stores, window, f"sum by (instance) ({expression}) * 60", "instance")


def open_files(stores: Stores, window: Window) -> pd.DataFrame:
    """Open file descriptors per instance: index `ts`, a column per instance."""
    return trend(stores, window, "sum by (instance) (process_open_fds)", "instance")


def db_pool_ratio(stores: Stores, window: Window) -> pd.DataFrame:
    """Share of the pool in use per instance, as rule DBConnectionPoolExhausted reads it: index `ts`, a column per
    instance (0-1). No rows while `db_connections_max` is not exported. Raises SourceError."""
    return rule_trend(stores, window, "DBConnectionPoolExhausted", "instance")


def restarts(stores: Stores, window: Window) -> pd.DataFrame:
    """Starts of a process within the window, newest first: `instance`, `ts` (UTC, when the new process began).

    Read off process_start_time_seconds; one that came and went between two evaluations is not seen. None: no rows.
    """
    step = metric_step(window)
    found = stores.metrics.range(f"max by (instance) ({START})", evenly(window), step).frame()
    if found.empty:
        return pd.DataFrame({"instance": pd.Series(dtype=object), "ts": pd.Series(dtype="datetime64[ns, UTC]")})
    began = pd.to_datetime(found["value"].round(), unit="s", utc=True).astype("datetime64[ns, UTC]")
    names = found.get("instance", pd.Series("", index=found.index))  # a process that was pushed need not have one
    rows = pd.DataFrame({"instance": names, "ts": began}).drop_duplicates()
    inside = rows["ts"].between(pd.Timestamp(window.start), pd.Timestamp(window.end))
    return rows[inside].sort_values("ts", ascending=False, ignore_index=True)


def versions(stores: Stores, window: Window) -> pd.DataFrame:
    """Log records per bucket and service version: index `ts`, a column per version; quiet 0, unknown NaN."""
    found = counts(stores, window, by="version")
    return found.drop(columns="", errors="ignore")


def version_changes(stores: Stores, window: Window) -> pd.DataFrame:
    """Versions that first appear in the window's log, newest first: `ts` (UTC bucket of the first record), `version`,
    `before` (the version with most records just before; "" where the log does not reach). None: no rows."""
    step = window.step(480, floor=MINUTE)
    found, past = stores.at_once(
        lambda: stores.logs.totals(LogQuery(window), ("version",), step),
        lambda: stores.logs.totals(LogQuery(window.previous()), ("version",)),
    )
    found = found[found["version"] != ""]
    known = set(past["version"])
    first = found.sort_values("ts").drop_duplicates("version")
    # What is there from the first bucket on did not change in the window.
    start = found["ts"].min()
    rows = [
        (ts, version, _before(found, ts, past))
        for ts, version in zip(first["ts"], first["version"], strict=True)
        if version not in known and (ts > start or known - {""})
    ]
    frame = pd.DataFrame(rows, columns=["ts", "version", "before"]).astype({"ts": "datetime64[ns, UTC]"})
    return frame.iloc[::-1].reset_index(drop=True)


def _before(found: pd.DataFrame, moment: pd.Timestamp, past: pd.DataFrame) -> str:
    earlier = found[found["ts"] < moment]
    rows = earlier[earlier["ts"] == earlier["ts"].max()] if len(earlier) else past
    return str(rows.sort_values("records")["version"].iloc[-1]) if len(rows) else ""


def instances(stores: Stores, window: Window) -> pd.DataFrame:
    """Each scraped instance at the window's end: `instance`, `job`, `up` (bool), `version`, `started` (UTC; NaT =
    unknown), `uptime_s`, `cpu_cores`, `memory_mib`, `scrape_ms`. No instance ever scraped: no rows."""
    asked = {
        "started_s": f"max by (instance) ({START})",
        "cpu_cores": "sum by (instance) (rate(process_cpu_seconds_total[5m]))",
        "memory_b": "sum by (instance) (process_resident_memory_bytes)",
        "scrape_s": "max by (instance) (scrape_duration_seconds)",
    }
    asks: list[Callable[[], Any]] = [
        lambda: stores.metrics.instant("max by (instance, job) (up)", window.end).frame(),
        lambda: _running_versions(stores, window),
        *(partial(by_label, stores, window, one, "instance") for one in asked.values()),
    ]
    found, running, *answers = stores.at_once(*asks)
    if found.empty:
        found = pd.DataFrame(columns=["instance", "job", "value"])
    more = dict(zip(asked, answers, strict=True))
    names = found["instance"]
    columns = {name: names.map(answer).astype("float64") for name, answer in more.items()}
    started = pd.to_datetime(columns["started_s"], unit="s", utc=True).astype("datetime64[ns, UTC]")
    return pd.DataFrame(
        {
            "instance": names,
            "job": found["job"],
            "up": found["value"].eq(1),
            "version": names.map(running).astype(object).fillna(""),
            "started": started,
            "uptime_s": (pd.Timestamp(window.end) - started).dt.total_seconds(),
            "cpu_cores": columns["cpu_cores"],
            "memory_mib": columns["memory_b"] / 2**20,
            "scrape_ms": columns["scrape_s"] * 1000,
        }
    )


def _running_versions(stores: Stores, window: Window) -> dict[str, str]:
    found = stores.metrics.instant("app_info", window.end)
    return {labels.get("instance", ""): labels.get("version", "") for labels in found.labels}


def resources(stores: Stores, window: Window) -> dict[str, float | None]:
    """The worst instance at the window's end: `cpu_cores`, `memory_mib`, `lag_ms`, `open_files_ratio`,
    `db_pool_ratio` (0-1). None = not exported. Raises SourceError."""
    asked = {
        "cpu_cores": ("max(rate(process_cpu_seconds_total[5m]))", 1.0),
        "memory_mib": ("max(process_resident_memory_bytes)", 1 / 2**20),
        "lag_ms": (f"max({LAG})", 1000.0),
        "open_files_ratio": ("max(process_open_fds / process_max_fds)", 1.0),
        "db_pool_ratio": ("max(db_connections_active / db_connections_max)", 1.0),
    }
    found = stores.at_once(*(partial(value, stores, window, expression) for expression, _ in asked.values()))
    pairs = zip(asked.items(), found, strict=True)
    return {name: None if number is None else number * factor for (name, (_, factor)), number in pairs}


def backup(stores: Stores, window: Window) -> dict[str, object]:
    """The last good backup at the window's end: `at` (UTC) and `age_s`; both None where it is not exported."""
    seconds = value(stores, window, "max(backup_last_success_timestamp_seconds)")
    if seconds is None:
        return {"at": None, "age_s": None}
    return {"at": pd.Timestamp(seconds, unit="s", tz="UTC"), "age_s": max(window.end.timestamp() - seconds, 0.0)}


def log_volume(stores: Stores, window: Window) -> pd.DataFrame:
    """Log records per minute, over time: index `ts`, column `per_min`; quiet 0, unknown NaN."""
    minutes = log_step(window).total_seconds() / 60
    found = counts(stores, window) / minutes
    return empty_if_unknown(tidy(found.set_axis(["per_min"], axis=1)))


def growth(stores: Stores, window: Window) -> pd.DataFrame:
    """Memory growth per instance over the window: `instance`, `mib_per_h` (least squares), `per_h_ratio` (of now)."""
    seconds = int(window.length.total_seconds())
    slope = by_label(stores, window, f"deriv(process_resident_memory_bytes[{seconds}s])", "instance")
    now = by_label(stores, window, "process_resident_memory_bytes", "instance")
    rows = [(name, rise * 3600 / 2**20, rise * 3600 / now.get(name, np.nan)) for name, rise in sorted(slope.items())]
    return pd.DataFrame(rows, columns=["instance", "mib_per_h", "per_h_ratio"])
