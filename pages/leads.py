"""Leads: created, converted, become opportunities, and worth how much."""

import streamlit as st

from lib.ui import cache, cards, text
from lib.ui.charts import base as charts
from lib.ui.charts import leads as lead_charts
from lib.ui.links import link
from lib.ui.live import live
from lib.ui.live_chart import live_chart
from lib.ui.panel import never_seen, nothing_in_range, panel
from lib.ui.time_range import time_window

STAGES = {"created": "Created", "converted": "Converted", "opportunities": "Opportunities"}


def totals() -> None:
    """Events of the range against the range before."""
    now = cache.frame("lead_totals", time_window())
    items = []
    for name, label in {**STAGES, "value": "Opportunity value"}.items():
        past = now[f"{name}_before"]
        items.append((label, text.number(now[name]), cards.before(past, text.number(past)), ""))
    rate, past_rate = now["conversion_ratio"], now["conversion_ratio_before"]
    explained = "Events of the range, not the same leads followed through"
    items.append(("Converted per created", text.ratio(rate), cards.before(past_rate, text.ratio(past_rate)), explained))
    cards.figures(items)


def funnel() -> None:
    """Drop-off from stage to stage."""
    found = cache.frame("lead_funnel", time_window()).dropna(subset="count")
    stages = [(STAGES[row.stage], float(row.count_)) for row in found.rename(columns={"count": "count_"}).itertuples()]
    if not any(count for _, count in stages):
        nothing_in_range("No lead event")
        return
    words = ", ".join(f"{label.lower()} {count:.0f}" for label, count in stages)
    live_chart(lead_charts.funnel(stages), key="funnel", alt=f"Funnel: {words}", height=220)


def ranges() -> None:
    """Opportunities by value."""
    window = time_window()
    found = cache.frame("opportunities_by_value", window)
    if found["count"].isna().all():
        seen = cache.frame("metric_seen", window, metric="opportunities_created_total")["seen"]
        if seen:
            nothing_in_range("No opportunity")
        else:
            never_seen("opportunities_created_total")
        return
    live_chart(lead_charts.value_ranges(found), key="ranges", alt="Opportunities by value range", height=220)


def sources() -> None:
    """Each source, with what held its leads up."""
    found = cache.frame("lead_sources", time_window())
    if found.empty:
        nothing_in_range("No lead and no sync run")
        return
    columns = {
        "source": "Source",
        "created": st.column_config.NumberColumn("Created", width=70),
        "before": st.column_config.NumberColumn("Before", width=70, help="In the preceding period; empty if unknown"),
        "share": st.column_config.ProgressColumn("Share", format="percent", min_value=0, max_value=1, width=90),
        "not_synced": st.column_config.NumberColumn(
            "Not synced", width=80, help="Records that failed in its sync runs"
        ),
        "errors": st.column_config.NumberColumn("Errors", width=70, help="Operation errors that name this source"),
    }
    cards.table(found, key="by_source", topic="leads by source", columns=columns)
    link("queues", "Sync runs on Queues & sync")


def body() -> None:
    with panel(""):
        totals()
    left, right = st.columns(2)
    with left, panel("Funnel", height=220, help="What happened in the range: not the same leads followed through."):
        funnel()
    with right, panel("Opportunities by value", height=220):
        ranges()
    with panel("Leads, conversions and opportunities", height=240):
        cards.trend("leads_trend", key="trend", quiet="No lead event", names=STAGES, build=charts.counted_lines,
                    alt="Leads created, converted and opportunities per bucket over time")  # fmt: skip
    left, right = st.columns(2)
    with left, panel("Created by source", height=240):
        cards.trend("leads_by_source", key="sources", quiet="No lead", build=charts.stacked_bars,
                    alt="Leads created per bucket by source over time")  # fmt: skip
    with right, panel("Conversion rate, by the service's gauge", height=240):
        cards.trend("conversion_trend", key="rate", unit="%", metric="lead_conversion_rate", build=cards.percent,
                    alt="Share of leads converted over time, by the service's own gauge")  # fmt: skip
    left, right = st.columns(2)
    with left, panel("Sources, and what held leads up"):
        sources()
    with right, panel("Conversion rate, by events", height=240,
                      help="Converted per created from the start of the range on; settles as the range goes on."):  # fmt: skip
        cards.trend("conversion_by_events", key="events", unit="%", quiet="No lead", build=cards.percent,
                    names={"value": "converted"}, alt="Converted per created since the start of the range, by events")  # fmt: skip


st.title("Leads", anchor=False)
live(body)
