"""Health: each dependency now and why, its uptime, its outages, its response time."""

import pandas as pd
import streamlit as st

from lib.ui import cache, cards, clock, text
from lib.ui.charts import health as charts
from lib.ui.live import live
from lib.ui.live_chart import live_chart
from lib.ui.panel import all_good, never_seen, nothing_in_range, panel
from lib.ui.severity import look
from lib.ui.time_range import time_window

PERIODS = ("24h", "7d", "30d")


def now() -> None:
    """Every check of every instance."""
    found = cache.frame("health_now", time_window())
    if found.empty:
        never_seen("/health")
        return
    moment = clock.now()
    shown = pd.DataFrame(
        {
            "status": [look(status).label for status in found["status"]],
            "check": found["check"],
            "instance": found["target"],
            "why": found["reason"],
            "for": [text.span(moment - since) for since in found["since"]],
            "seen": [text.age(seen, moment) for seen in found["last_seen"]],
            "response_ms": found["response_ms"],
            "version": found["version"],
        }
    )
    columns = {
        "status": st.column_config.TextColumn("Status", width=90),
        "check": "Check",
        "instance": "Instance",
        "why": st.column_config.TextColumn("Why", width="large"),
        "for": st.column_config.TextColumn("For", width=90),
        "seen": st.column_config.TextColumn("Last probe", width=90),
        "response_ms": st.column_config.NumberColumn("Response (ms)", format="%.0f", help="Empty where implausible"),
        "version": "Version",
    }
    cards.table(shown, key="now", topic="health", columns=columns)


def uptime() -> None:
    """Share of the watched time that each check was up."""
    found = cache.frame("uptime", time_window())
    if found.empty:
        nothing_in_range("Nothing was probed")
        return
    columns = {"target": "Instance", "check": "Check"}
    for period in PERIODS:
        columns[f"uptime_{period}"] = st.column_config.NumberColumn(f"Up, {period}", format="percent")
        columns[f"covered_{period}"] = st.column_config.NumberColumn(
            f"{period} watched", format="percent", help="How much of that time was probed; the rest is unknown, not up"
        )
    cards.table(found, key="uptime", topic="uptime", columns=columns)


def bars() -> None:
    """Each check by the hour or by the day."""
    window = time_window()
    period = st.segmented_control("Period", PERIODS, default=PERIODS[0], key="period", bind="query-params", required=True,
                                  label_visibility="collapsed")  # fmt: skip
    found = cache.frame("uptime_bars", window, period=period or PERIODS[0])
    watched = found.dropna(subset="uptime")
    if watched.empty:
        nothing_in_range("Nothing was probed")
        return
    height = 60 + 30 * watched["check"].nunique()
    live_chart(
        charts.uptime(cards.localised(found)),
        key="bars",
        height=height,
        alt="Each check over time: up, partly down, down",
        window=window,
    )


def outages() -> None:
    """Stretches in which a check failed."""
    window = time_window()
    found = cache.frame("outages", window)
    if found.empty:
        if not cache.frame("watched", window)["covered"]:
            nothing_in_range("Nothing was probed")
        else:
            all_good(f"No outage in {text.span(window.length)}")
        return
    shown = found.assign(
        duration_s=[text.span(length) for length in found["duration_s"]], until=found["until"].mask(found["ongoing"])
    )
    columns = {
        "check": "Check",
        "target": "Instance",
        "since": st.column_config.DatetimeColumn("From", format="D MMM HH:mm:ss"),
        "until": st.column_config.DatetimeColumn("To", format="D MMM HH:mm:ss"),
        "duration_s": "Lasted",
        "reason": st.column_config.TextColumn("Reason", width="large"),
        "ongoing": st.column_config.CheckboxColumn("Still on", width=70),
    }
    cards.table(shown, key="outages", topic="outages", columns=columns)


def body() -> None:
    with panel("Now"):
        now()
    with panel(
        "Uptime by the hour and day",
        help="The worst instance of each check. ▲ down, ◆ partly down; empty: nobody watched.",
    ):
        bars()
    with panel("Outages"):
        outages()
    left, right = st.columns(2)
    with left, panel("Uptime"):
        uptime()
    with right, panel("Response time", height=240):
        cards.trend("response_times", key="response", unit="ms", metric="health_check_response_seconds",
                    quiet="No plausible response time", alt="Response time of each check over time")  # fmt: skip


st.title("Health", anchor=False)
live(body)
