"""Queues & sync: what waits, what ran, what failed, how fresh each source is."""

import pandas as pd
import streamlit as st

from lib.ui import cache, cards, text
from lib.ui.charts import base as charts
from lib.ui.live import live
from lib.ui.panel import never_seen, nothing_in_range, panel
from lib.ui.severity import look
from lib.ui.time_range import time_window

FRESH = {
    "ok": look("ok").label,
    "warning": f"{look('warning').glyph} Late",
    "critical": f"{look('critical').glyph} None",
}
"""What the freshness of a source is called."""


def _until(seconds: float) -> str:
    """When a queue reaches its limit. Fifteen minutes of growth say nothing of what is further off than a day."""
    if seconds == 0:
        return "over it"
    return "more than a day" if seconds > 86_400 else text.span(seconds)


def queues() -> None:
    """Every queue now, and when it reaches the limit."""
    window = time_window()
    found = cache.frame("queue_status", window)
    if found.empty:
        seen = cache.frame("metric_seen", window, metric="queue_size")["seen"]
        if seen:
            nothing_in_range("No queue was scraped")
        else:
            never_seen("queue_size")
        return
    columns = {
        "queue": "Queue",
        "status": st.column_config.TextColumn("Status", width=90),
        "items": st.column_config.NumberColumn("Items", format="%.0f"),
        "growth_per_min": st.column_config.NumberColumn("Growth (items/min)", format="%.1f", help="Over 15 minutes"),
        "limit": st.column_config.NumberColumn("Limit", format="%.0f", help="Of the alert rule"),
        "to_limit_s": st.column_config.TextColumn(
            "Reaches it in", help="At this growth; – while it does not grow, or did not in the last 5 minutes"
        ),
    }
    shown = found.assign(
        status=[look(status).label for status in found["status"]],
        to_limit_s=[_until(seconds) for seconds in found["to_limit_s"]],
    )
    cards.table(shown, key="queues", topic="queues", columns=columns)


def sources() -> None:
    """Each source of leads."""
    found = cache.frame("sync_sources", time_window())
    if found.empty:
        nothing_in_range("No sync run")
        return
    columns = {
        "source": "Source",
        "status": st.column_config.TextColumn(
            "Fresh", width=90, help="Late: no success for five times the usual distance of two runs, and ten minutes"
        ),
        "age_s": st.column_config.TextColumn("Last success", width=110, help="How long ago a run brought a record in"),
        "usual_s": st.column_config.TextColumn(
            "Usually every", width=110, help="Distance of two runs, over a day or the range"
        ),
        "runs": "Runs",
        "processed": "Processed",
        "successful": "Successful",
        "failed": "Failed",
        "success_ratio": st.column_config.NumberColumn("Success", format="percent"),
        "avg_ms": st.column_config.NumberColumn("Average run (ms)", format="%.0f"),
        "last_run": st.column_config.DatetimeColumn("Last run", format="D MMM HH:mm"),
        "last_success": None,
    }
    shown = found.assign(
        status=[FRESH[status] for status in found["status"]],
        age_s=["none in a day" if pd.isna(seconds) else f"{text.span(seconds)} ago" for seconds in found["age_s"]],
        usual_s=[text.span(seconds) for seconds in found["usual_s"]],
    )
    cards.table(shown, key="sources", topic="sync by source", columns=columns)


def body() -> None:
    left, right = st.columns(2)
    with left, panel("Queue depth", height=240, help="The fullest instance of each queue."):
        cards.trend("queue_depth", key="depth", unit="items", rule="QueueBacklog", metric="queue_size",
                    alt="Items per queue over time, with the alert limit")  # fmt: skip
    with right, panel("Failed lead syncs", height=240):
        cards.trend("failed_syncs", key="failures", unit="/min", rule="LeadSyncFailures", metric="lead_sync_total",
                    quiet="No failed sync", alt="Failed lead syncs per minute by source, with the alert limit")  # fmt: skip
    with panel("Queues now"):
        queues()
    with panel("Sync by source", help="Runs that completed in the range, from the log."):
        sources()
    left, right = st.columns(2)
    with left, panel("Sync runs", height=240):
        cards.trend("sync_runs", key="runs", quiet="No sync run", build=charts.stacked_bars,
                    alt="Sync runs completed per bucket by source over time")  # fmt: skip
    with right, panel("Successful share of synced leads", height=240):
        cards.trend("sync_success_ratio", key="success", unit="%", metric="lead_sync_total", quiet="Nothing synced",
                    build=cards.percent, alt="Share of lead syncs that succeed, per source over time")  # fmt: skip


st.title("Queues & sync", anchor=False)
live(body)
