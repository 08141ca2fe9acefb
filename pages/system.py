"""System: what the processes use, against which limit, and what was deployed."""

from functools import partial

import streamlit as st

from lib.ui import backups, cache, cards, text
from lib.ui.charts import base as charts
from lib.ui.live import live
from lib.ui.panel import nothing_in_range, panel
from lib.ui.severity import look
from lib.ui.time_range import time_window


def instances() -> None:
    """Every instance now."""
    found = cache.frame("instances", time_window())
    if found.empty:
        nothing_in_range("No instance was scraped")
        return
    columns = {
        "instance": "Instance",
        "up": st.column_config.TextColumn("Scrape", help="Whether its /metrics answers", width=90),
        "uptime_s": "Up for",
        "version": "Version",
        "job": None,
        "started": st.column_config.DatetimeColumn("Started", format="D MMM HH:mm:ss"),
        "cpu_cores": st.column_config.NumberColumn("CPU (cores)", format="%.2f"),
        "memory_mib": st.column_config.NumberColumn("Memory (MiB)", format="%.0f"),
        "scrape_ms": st.column_config.NumberColumn("Scrape took (ms)", format="%.0f"),
    }
    shown = found.assign(
        up=[look("up" if up else "down").label for up in found["up"]],
        uptime_s=[text.span(seconds) for seconds in found["uptime_s"]],
    )
    cards.table(shown, key="instances", topic="instances", columns=columns)


def starts() -> None:
    """Processes that began in the range."""
    found = cache.frame("restarts", time_window())
    if found.empty:
        nothing_in_range("No restart")
        return
    columns = {"instance": "Instance", "ts": st.column_config.DatetimeColumn("Began", format="D MMM HH:mm:ss")}
    cards.table(found, key="restarts", topic="restarts", columns=columns)


def backup() -> None:
    """How old the last good backup is, by each way that tells of one; other heartbeats as well."""
    age_s = cache.frame("backup", time_window())["age_s"]
    found = backups.told()
    counted = found["name"].str.startswith("backup") | found["name"].isin(["metric", "files"])
    ages = found.loc[counted, "age_s"].dropna().tolist() or ([age_s] if isinstance(age_s, float) else [])
    newest = f"{text.span(min(ages))} ago" if ages else text.NONE
    cards.figures([("Last good backup", newest, "", "The newest that any of these tells of")])
    if found.empty:
        return
    columns = {
        "name": st.column_config.TextColumn("By", width=90), "status": st.column_config.TextColumn("Status", width=110),
        "age": st.column_config.TextColumn("Age", width=80), "said": st.column_config.TextColumn("It says", width=200),
        "age_s": None, "at": None,
    }  # fmt: skip
    cards.table(found, key="backups", topic="backups", columns=columns)


def body() -> None:
    with panel("Instances"):
        instances()
    for pair in PAIRS:
        for column, (title, draw) in zip(st.columns(2), pair, strict=True):
            with column, panel(title, height=220):
                draw()
    with panel("Versions", height=220, help="Log records by the version that wrote them."):
        cards.trend("versions", key="versions", quiet="No log record", build=charts.stacked_bars,
                    alt="Log records per bucket by service version over time")  # fmt: skip
    left, right = st.columns([2, 1])
    with left, panel("Restarts"):
        starts()
    with right, panel("Backups and heartbeats"):
        backup()


def event_loop() -> None:
    """How late it is; of a service that tells no lag, how often it collects garbage."""
    lag = _seen(*LAGS)
    if lag or not (collections := _seen(*COLLECTIONS)):
        cards.trend("event_loop_lag", key="lag", unit="ms", metric=lag or LAGS[0], height=220,
                    alt="How late the event loop is, per instance over time")  # fmt: skip
        return
    st.caption("No lag is exported: garbage collections instead.")
    cards.trend("garbage_collections", key="collections", unit="/min", metric=collections, height=200,
                alt="Garbage collections a minute, per instance over time")  # fmt: skip


def _seen(*metrics: str) -> str:
    """The first of these that was ever exported."""
    seen = (name for name in metrics if cache.frame("metric_seen", time_window(), metric=name)["seen"])
    return next(seen, "")


LAGS = ("nodejs_eventloop_lag_seconds", "python_eventloop_lag_seconds")
COLLECTIONS = ("nodejs_gc_duration_seconds_count", "python_gc_collections_total")
_over_time = partial(cards.trend, height=220)

PAIRS = (
    (
        ("CPU", partial(_over_time, "cpu", key="cpu", unit="cores", metric="process_cpu_seconds_total",
                        alt="Processor cores used per instance over time")),
        ("Memory", partial(_over_time, "memory", key="memory", unit="MiB", metric="process_resident_memory_bytes",
                           alt="Resident memory per instance over time")),
    ),
    (
        ("Event-loop lag", event_loop),
        ("Database connections in use", partial(_over_time, "db_pool_ratio", key="pool", rule="DBConnectionPoolExhausted",
                                                metric="db_connections_max", build=cards.percent, unit="%",
                                                alt="Share of database connections in use, with the alert limit")),
    ),
    (
        ("Open files", partial(_over_time, "open_files", key="fds", metric="process_open_fds",
                               alt="Open file descriptors per instance over time")),
        ("Active connections", partial(_over_time, "active_connections", key="connections", metric="active_connections",
                                       alt="Connections in use per instance over time")),
    ),
)  # fmt: skip

st.title("System", anchor=False)
live(body)
