"""Overview: is anything wrong, where, and since when."""

import streamlit as st

from lib.ui import cache, cards, text
from lib.ui.alerts.glance import glance
from lib.ui.charts import base as charts
from lib.ui.links import link
from lib.ui.live import live
from lib.ui.pages import entry
from lib.ui.panel import nothing_in_range, panel
from lib.ui.severity import look
from lib.ui.time_range import time_window


def areas() -> None:
    """One card per area, always in the same place."""
    found = cache.frame("verdicts", time_window())
    with st.grid(4, min_column_width=240):
        for row in found.itertuples():
            shape = look(row.status)
            with st.container(border=True, height="stretch", gap="xsmall"):
                st.markdown(f"**{text.esc_md(row.area)}** :{shape.badge}-badge[{shape.label}]")
                st.text(text.visible(row.reason))
                if row.page:
                    link(row.page, f"Open {entry(row.page).title}")


def golden() -> None:
    """Traffic, errors, latency, saturation."""
    now = cache.frame("golden_signals", time_window())
    rate = now["requests_per_s"]
    cards.figures(
        [
            (
                "Requests",
                text.NONE if rate is None else f"{text.number(rate)} /s",
                "",
                "Of all instances, over 5 minutes",
            ),
            ("Failed requests", text.ratio(now["error_ratio"]), "", "Answered with 5xx, over 5 minutes"),
            (
                "95th percentile",
                text.duration_ms(now["p95_ms"]),
                "",
                "Response time over 5 minutes, from the histogram",
            ),
            ("Connections in use", text.ratio(now["pool_ratio"]), "", "Database pool of the fullest instance"),
            ("Fullest queue", text.number(now["queue_items"]), "", "Items that wait"),
        ]
    )


def changed() -> None:
    """What is new in the range."""
    found = cache.frame("changes", time_window())
    if found.empty:
        nothing_in_range("Nothing changed")
        return
    columns = {
        "ts": st.column_config.DatetimeColumn("When", format="D MMM HH:mm", width=90),
        "kind": st.column_config.TextColumn("Kind", width=70),
        "what": st.column_config.TextColumn("What", width="large"),
        "page": None,
    }
    cards.table(found, key="changes", topic="changes", columns=columns, height=260 if len(found) > 6 else None)


def body() -> None:
    with panel(""):
        glance()
    with panel(""):
        areas()
    with panel(""):
        golden()
    left, right = st.columns(2)
    with left, panel("Failed requests", height=240):
        cards.trend("http_error_ratio", key="ratio", unit="%", rule="HighErrorRate", metric="http_requests_total",
                    quiet="No requests", build=cards.percent, names={"value": "failed"},
                    alt="Share of requests answered with 5xx over time, with the alert limit")  # fmt: skip
    with right, panel("Response time, 95th percentile", height=240):
        cards.trend("p95_by_rule", key="p95", unit="ms", rule="SlowResponseTime",
                    metric="http_request_duration_seconds_bucket", quiet="No requests", names={"value": "p95"},
                    alt="95th percentile of response time over time, with the alert limit")  # fmt: skip
    left, right = st.columns(2)
    with left, panel("Requests by status", height=240):
        cards.trend("request_rate", key="rate", unit="/s", metric="http_requests_total", quiet="No requests",
                    colours=charts.STATUS_CLASSES, alt="Requests per second by status class over time")  # fmt: skip
    with right, panel("What changed"):
        changed()


st.title("Overview", anchor=False)
live(body)
