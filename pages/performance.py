"""Performance: how fast the service answers, against its limit."""

import streamlit as st

from lib.ui import cache, cards, text
from lib.ui.charts import performance as charts
from lib.ui.charts.base import STATUS_CLASSES, lines
from lib.ui.live import live
from lib.ui.live_chart import live_chart
from lib.ui.panel import never_seen, nothing_in_range, panel
from lib.ui.time_range import time_window

NAMES = {"avg_ms": "average", "p50_ms": "p50", "p95_ms": "p95", "p99_ms": "p99"}

HELP = dict.fromkeys(("p50_ms", "p95_ms", "p99_ms", "p95_before_ms"), "Percentiles are within 2 % of the exact ones")


def summary() -> None:
    """Latency of all requests of the range against the range before."""
    now = cache.frame("latency_summary", time_window())
    requests, past = now["requests"], now["requests_before"]
    items = [("Requests", text.number(requests), cards.before(past, text.number(past)), "In the log")]
    for name, label in NAMES.items():
        shown, earlier = text.duration_ms(now[name]), now[f"{name}_before"]
        items.append((label.capitalize(), shown, cards.before(earlier, text.duration_ms(earlier)), HELP.get(name, "")))
    cards.figures(items)


def distribution() -> None:
    """Requests per band."""
    found = cache.frame("latency_distribution", time_window())
    if not found["requests"].sum():
        nothing_in_range("No request")
        return
    live_chart(charts.bands(found), key="bands", alt="Number of requests per band of response time")


def heatmap() -> None:
    """The service's own histogram over time."""
    window = time_window()
    found = cache.frame("latency_heatmap", window)
    if not found.shape[1] or found.empty:
        seen = cache.frame("metric_seen", window, metric="http_request_duration_seconds_bucket")["seen"]
        if seen:
            nothing_in_range("No request")
        else:
            never_seen("http_request_duration_seconds_bucket")
        return
    live_chart(charts.heatmap(found, window), key="heatmap", alt="Requests by time and band of response time")


def routes() -> None:
    """Where the time goes."""
    found = cache.frame("slowest_routes", time_window())
    if found.empty:
        nothing_in_range("No request")
        return
    columns = {
        "method": "Method",
        "route": st.column_config.TextColumn("Route", width="medium"),
        "requests": "Requests",
    }
    for name in ("avg_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms", "p95_before_ms"):
        label = {"max_ms": "max", "p95_before_ms": "p95 before"}.get(name) or NAMES[name]
        columns[name] = st.column_config.NumberColumn(f"{label} (ms)", format="%.0f", help=HELP.get(name))
    columns["time_share"] = st.column_config.ProgressColumn(
        "Share of time", format="percent", min_value=0, max_value=1, help="Of all time spent answering"
    )
    st.caption("Click a row for its response time over the range.")
    shown = found.assign(asked=found["method"] + " " + found["route"])
    chosen = cards.table(shown, key="routes", topic="slowest routes", columns={**columns, "asked": None}, select=True,
                         keep="asked")  # fmt: skip
    if chosen is not None:
        one_route(str(chosen["method"]), str(chosen["route"]))


def one_route(method: str, route: str) -> None:
    """The route that was chosen, over the range."""
    window = time_window()
    found = cache.frame("route_latency", window, method=method, route=route)
    st.text(text.visible(f"{method} {route}"))
    figure = lines(found, window, unit="ms", names=NAMES)
    live_chart(figure, key="one_route", alt="Response time of the chosen route over time", height=200, window=window)


def body() -> None:
    with panel(""):
        summary()
    left, right = st.columns(2)
    with left, panel("Response time, from the log", height=240, help="Percentiles are within 2 % of exact."):
        cards.trend("latency_trend", key="trend", unit="ms", quiet="No request", names=NAMES,
                    alt="Average and percentiles of response time over time")  # fmt: skip
    with right, panel("95th percentile against the limit", height=240,
                      help="As the alert rule sees it: from the service's histogram, which ends at 10 000 ms."):  # fmt: skip
        cards.trend("p95_by_rule", key="p95", unit="ms", rule="SlowResponseTime", names={"value": "p95"},
                    metric="http_request_duration_seconds_bucket", quiet="No request",
                    alt="95th percentile of response time over time, with the alert limit")  # fmt: skip
    left, right = st.columns(2)
    with left, panel("Distribution", height=260):
        distribution()
    with (
        right,
        panel("Response time over time", height=260, help="Requests per band of the histogram; darker is more."),
    ):
        heatmap()
    with panel("Slowest routes"):
        routes()
    left, right = st.columns(2)
    with left, panel("Requests by status", height=240):
        cards.trend("request_rate", key="rate", unit="/s", metric="http_requests_total", quiet="No request",
                    colours=STATUS_CLASSES, alt="Requests per second by status class over time")  # fmt: skip
    with right, panel("Active connections", height=240):
        cards.trend("active_connections", key="connections", metric="active_connections",
                    alt="Connections in use per instance over time")  # fmt: skip
    left, right = st.columns(2)
    with left, panel("Database queries, 95th percentile", height=240):
        cards.trend("query_latency", key="query_p95", unit="ms", metric="db_query_duration_seconds_bucket",
                    quiet="No query", alt="95th percentile of database queries by type over time")  # fmt: skip
    with right, panel("Database queries and errors", height=240):
        cards.trend("query_rate", key="query_rate", unit="/s", metric="db_query_duration_seconds_count",
                    quiet="No query", alt="Database queries per second by type over time")  # fmt: skip
        cards.trend("db_errors", key="db_errors", unit="/min", metric="db_errors_total", quiet="No database error",
                    alt="Database errors per minute by type over time", height=160)  # fmt: skip


st.title("Performance", anchor=False)
live(body)
