"""Retention & capacity: what the settings declare against what is there, and when something is full."""

import pandas as pd
import streamlit as st

from lib.identity.roles import Action
from lib.ui import cache, capacity, cards, text
from lib.ui.charts import base as charts
from lib.ui.clock import now
from lib.ui.identity import act, lacking
from lib.ui.live import live
from lib.ui.live_chart import live_chart
from lib.ui.panel import nothing_in_range, panel
from lib.ui.runtime import current
from lib.window import DAY, Window

WEEKS = 4
LAST_WEEKS = f"the last {WEEKS} weeks"
LINES = {
    "verdict": st.column_config.TextColumn("Verdict", width=110),
    "what": st.column_config.TextColumn("What", width=230),
    "reason": st.column_config.TextColumn("Why", width=330),
    "declared_days": st.column_config.NumberColumn("Declared (d)", format="%d", width=90),
    "age": st.column_config.TextColumn("Oldest", width=100),
    "size": st.column_config.TextColumn("Size", width=90),
    "records": st.column_config.NumberColumn("Records, files", width=100),
    "phase": st.column_config.TextColumn("ILM phase", width=90),
    "said": None,
    "oldest": None,
}
FORECAST = {
    "what": st.column_config.TextColumn("What", width=200),
    "now": st.column_config.TextColumn("Now", width=100),
    "limit": st.column_config.TextColumn("Limit", width=90),
    "per_day": st.column_config.TextColumn("A day", width=110, help="By the median of all slopes between two days"),
    "surely": st.column_config.TextColumn("Surely between", width=150, help="With 95 % confidence"),
    "days": st.column_config.TextColumn("Days to the limit", width=150),
    "said": st.column_config.TextColumn("Trend", width=210),
    "seen_days": st.column_config.NumberColumn("Days seen", format="%d", width=100),
}
APPLIED = {
    "store": st.column_config.TextColumn("Store"),
    "days": st.column_config.NumberColumn("Keeps (d)", format="%d"),
    "dropped": st.column_config.NumberColumn("Dropped"),
    "said": st.column_config.TextColumn("Result", width="medium"),
}


def weeks() -> Window:
    """The last weeks, whatever the page's range: a forecast needs days."""
    moment = now()
    return Window(moment - WEEKS * 7 * DAY, moment, current().settings.zone).floored(DAY / 96)


def retention() -> None:
    """A line per store, index and family of log files, the worst first."""
    found = capacity.lines()
    worst = found["verdict"].value_counts()
    counted = [f"{capacity.badge(one)}: {worst[one]}" for one in ("bad", "look", "no data", "ok") if one in worst]
    st.caption("  ·  ".join(counted))
    ages = [text.span(now() - one.to_pydatetime()) if pd.notna(one) else text.NONE for one in found["oldest"]]
    shown = found.assign(
        verdict=[capacity.badge(one) for one in found["verdict"]],
        age=ages, size=[text.size(one) for one in found["size"]],
    )  # fmt: skip
    if not found["phase"].replace(text.NONE, "").any():
        shown = shown.drop(columns="phase")
    cards.table(shown, key="lines", topic="retention", columns=LINES)


def forecast() -> None:
    """When each limit is reached, by the last weeks."""
    found = cache.frame("capacity_forecast", weeks())
    if found.empty:
        nothing_in_range("Nothing to forecast was measured", LAST_WEEKS)
        return
    cards.table(capacity.forecast_rows(found), key="forecast", topic="capacity", columns=FORECAST)


def volume() -> None:
    """Log records a day."""
    window = weeks()
    found = cache.frame("daily_log_records", window)
    if found.empty:
        nothing_in_range("No whole day of log", LAST_WEEKS)
        return
    figure = charts.stacked_bars(found, window)
    live_chart(figure, key="volume", alt="Log records a day over the last four weeks", height=220)


def disks() -> None:
    """The mounts that hold something of ours, and the files of the embedded stores."""
    watched = capacity.watched()
    for disk in watched.disks:
        st.progress(
            min(max(1 - disk.free_ratio, 0.0), 1.0),
            f"{text.esc_md(disk.mount)} ({disk.holds}): {text.size(disk.free_bytes)} free of {text.size(disk.total_bytes)}",
        )
    rows = [(name, text.size(held)) for name, held in watched.files.items()]
    if rows:
        st.dataframe(
            pd.DataFrame(rows, columns=["File of an embedded store", "Size"]), hide_index=True, width="stretch"
        )
    else:
        st.caption("No embedded store has a file here.")


def applied() -> None:
    """What the hourly retention last did, and the button that does it now."""
    watched = capacity.watched()
    if watched.retained_at is None:
        st.caption(
            "It did not run yet: no collection runs in this process."
            if not capacity.can_apply()
            else "It did not run yet."
        )
    else:
        st.caption(f"It ran {text.age(watched.retained_at, now())}, and runs once an hour.")
        st.dataframe(capacity.done_rows(watched.retained), hide_index=True, column_config=APPLIED, width="stretch")
    days, lacks = current().settings, lacking(Action.APPLY_RETENTION)
    st.button(
        "Apply now", icon=":material/cleaning_services:", key="apply", disabled=not capacity.can_apply() or bool(lacks),
        on_click=st.session_state.__setitem__, args=("_apply", True),
        help=lacks or f"Drops log records older than {days.retention_logs_days} d, samples older than {days.retention_metrics_days} d and "
             f"health history older than {days.retention_health_days} d from the embedded stores. Only an admin may; it is recorded.",
    )  # fmt: skip


def body() -> None:
    if st.session_state.pop("_apply", False):
        with st.spinner("Dropping what is too old …"):
            act(capacity.applying())
    with panel(
        "Retention: declared and kept", height=260, help="The declared ages are settings: HALO_OPS_RETENTION_…_DAYS."
    ):
        retention()
    with panel("Days to full", height=260, help=f"A robust line through the last {WEEKS} weeks, a value a day."):
        forecast()
    left, right = st.columns(2)
    with left, panel("Log records a day", height=220):
        volume()
    with right, panel("On disk", height=220):
        disks()
    with panel("Hourly retention"):
        applied()


st.title("Capacity", anchor=False)
live(body, analysis=True)
