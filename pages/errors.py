"""Errors: what is failing now, what is new, and where."""

import streamlit as st

from lib.ui import address, cache, cards, text
from lib.ui.charts import base as charts
from lib.ui.links import link
from lib.ui.live import live
from lib.ui.logs.state import address_of_pattern
from lib.ui.panel import all_good, never_seen, nothing_in_range, panel
from lib.ui.steps import steps
from lib.ui.table import go_to
from lib.ui.time_range import time_window

PATTERN = "pattern_id"
SHORT = 8
"""A stack of more lines than this scrolls in a box of its own."""

LEVEL_COLOURS = {"ERROR": charts.severity_colour("critical"), "WARN": charts.severity_colour("warning")}


def last_hour() -> None:
    """Errors and failed requests of the last hour against the hour before."""
    now = cache.frame("error_last_hour", time_window())
    errors, ratio = now["errors"], now["http_errors_ratio"]
    past, past_ratio = now["errors_before"], now["http_errors_ratio_before"]
    share, past_share = now["error_share"], now["error_share_before"]
    cards.figures(
        [
            ("Errors, last hour", text.number(errors), cards.before(past, text.number(past)), "Log records of level ERROR"),
            ("Share of all records", text.ratio(share), cards.before(past_share, text.ratio(past_share)), ""),
            ("Requests failed, last hour", text.ratio(ratio), cards.before(past_ratio, text.ratio(past_ratio)),
             "Answered with 5xx, from the log"),
        ]
    )  # fmt: skip


def patterns() -> None:
    """Texts of errors with ids taken out; a click shows samples."""
    window = time_window()
    found = cache.frame("error_patterns", window)
    if found.empty:
        if cache.frame("log_counts", window)["every"]:  # where nothing was logged nobody knows
            all_good(f"0 errors in {text.span(window.length)}")
        else:
            nothing_in_range("No log record")
        return
    columns = {
        "pattern_id": None, "level": None,
        "records": st.column_config.NumberColumn("Errors", width=60),
        "is_new": st.column_config.TextColumn("New", help="None in the preceding period of the same length", width=60),
        "pattern": st.column_config.TextColumn("Pattern", width="large"),
        "share": st.column_config.ProgressColumn("Share", format="percent", min_value=0, max_value=1, width=90),
        "before": st.column_config.NumberColumn("Before", help="In the preceding period; empty if unknown", width=70),
        "first_seen": st.column_config.DatetimeColumn("First seen", format="D MMM HH:mm", width=100),
        "last_seen": st.column_config.DatetimeColumn("Last seen", format="D MMM HH:mm", width=100),
        "trend": st.column_config.BarChartColumn("Trend", y_min=0, width=120),
    }  # fmt: skip
    order = [c for c in columns if c in found.columns]
    ids, held = found["pattern_id"].astype(str).tolist(), address.value(PATTERN)
    at = ids.index(held) if held in ids else -1
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("Click a row for its samples.", width="content")
        steps(lambda by: go_to(PATTERN, ids[at + by]), back=at > 0, on=at + 1 < len(ids))
    shown = found[order].assign(is_new=["★ new" if new else "" for new in found["is_new"]])
    chosen = cards.table(shown, key="patterns", topic="error patterns", columns=columns, select=True, keep=PATTERN)
    if chosen is not None:
        samples(str(chosen["pattern_id"]))


def samples(pattern_id: str) -> None:
    """The newest records of one pattern, one of them whole."""
    found = cache.frame("error_samples", time_window(), pattern_id=pattern_id)
    if found.empty:
        nothing_in_range("No record of this pattern")
        return
    shown = ["ts", "operation", "error", "message", "route", "request_id", "lead_id", "version"]
    columns = {"ts": st.column_config.DatetimeColumn("When", format="D MMM HH:mm:ss.SSS", width=150)}
    chosen = cards.table(found[shown], key="samples", topic="error samples", columns=columns, select=True, height=220)
    record = found.iloc[0] if chosen is None else found.loc[chosen.name]
    st.caption("Newest record of the pattern" if chosen is None else "Chosen record")
    whole = record["stack"] or record["error"] or record["message"]
    st.code(text.visible(whole), language=None, wrap_lines=True, height=220 if whole.count("\n") > SHORT else "content")
    st.code(text.visible(record["fields"]), language="json", wrap_lines=True)
    link("logs", "Its records on the Logs page", address_of_pattern(pattern_id), icon=":material/search:")


def no_rows(words: str, field: str) -> None:
    """None in this range, or none ever, as the records have no such field."""
    known = cache.frame("log_counts", time_window())["every"]
    if known and not cache.frame("field_seen", time_window(), field=field)["seen"]:
        never_seen(f"The log field {field}")
    else:
        nothing_in_range(words)


def by_operation() -> None:
    """Which operation the errors come from."""
    found = cache.frame("errors_by_operation", time_window())
    if found.empty:
        no_rows("No error", "operation")
        return
    columns = {
        "operation": "Operation",
        "errors": "Errors",
        "before": st.column_config.NumberColumn("Before", help="In the preceding period"),
        "share": st.column_config.ProgressColumn("Share", format="percent", min_value=0, max_value=1),
    }
    cards.table(found, key="operations", topic="errors by operation", columns=columns)


def by_route() -> None:
    """Which route fails."""
    found = cache.frame("errors_by_route", time_window())
    if found.empty:
        no_rows("No request", "route")
        return
    columns = {
        "method": "Method",
        "route": "Route",
        "requests": "Requests",
        "server_errors": st.column_config.NumberColumn("5xx"),
        "client_errors": st.column_config.NumberColumn("4xx"),
        "server_error_ratio": st.column_config.NumberColumn("5xx share", format="percent"),
        "client_error_ratio": st.column_config.NumberColumn("4xx share", format="percent"),
    }
    cards.table(found, key="routes", topic="errors by route", columns=columns)


def by_version() -> None:
    """Whether a version fails more than another."""
    found = cache.frame("errors_by_version", time_window())
    if found.empty:
        nothing_in_range("No log record")
        return
    columns = {
        "version": "Version",
        "errors": "Errors",
        "records": "Records",
        "share": st.column_config.NumberColumn("Share", format="percent"),
    }
    cards.table(found, key="versions", topic="errors by version", columns=columns)


def body() -> None:
    with panel(""):
        last_hour()
    left, right = st.columns(2)
    with left, panel("Errors and warnings", height=240):
        cards.trend("error_trend", key="trend", quiet="No error or warning", build=charts.stacked_bars,
                    colours=LEVEL_COLOURS, alerts=("HighErrorRate",),
                    alt="Errors and warnings per bucket over time, stacked by level")  # fmt: skip
    with right, panel("Failed requests", height=240):
        cards.trend("http_error_ratio", key="ratio", unit="%", rule="HighErrorRate", metric="http_requests_total",
                    quiet="No requests", build=cards.percent, names={"value": "failed"},
                    alt="Share of requests answered with 5xx over time, with the alert limit")  # fmt: skip
    with panel("Error patterns", help="Error texts with ids, numbers, quotes and paths taken out."):
        patterns()
    left, right = st.columns(2)
    with left, panel("By operation"):
        by_operation()
    with right, panel("By version"):
        by_version()
    with panel("By route"):
        by_route()


st.title("Errors", anchor=False)
live(body)
