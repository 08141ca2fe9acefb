"""Telemetry contract: what the dashboard expects of the service, what is missing, and what that silences."""

from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from lib.ui import cards, clock, text
from lib.ui.contract_view import findings
from lib.ui.live import live
from lib.ui.panel import panel
from lib.ui.severity import LOOKS, Status

LOOK = {
    "missing": LOOKS[Status.CRITICAL], "doubtful": LOOKS[Status.WARNING], "not checked": LOOKS[Status.NO_DATA],
    "ok": LOOKS[Status.OK],
}  # fmt: skip
WORDS = {"missing": "Missing", "doubtful": "Doubtful", "not checked": "Not checked", "ok": "OK"}
EVERY, WRONG = "Everything", "What is not ok"
KINDS = {"metric": "Metric", "log": "Log", "health": "/health"}


def summary(found: pd.DataFrame) -> None:
    """How many are how, and which alerts cannot fire."""
    counts = found["status"].value_counts()
    silent = sorted({name for names in found.loc[found["status"] == "missing", "needed_by"] for name in names
                     if name.startswith("Alert ")})  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for status, shape in LOOK.items():
            if counts.get(status):
                st.badge(f"{shape.glyph} {counts[status]} {status}", color=shape.badge)
    if silent:
        names = ", ".join(name.removeprefix("Alert ") for name in silent)
        st.text(f"Cannot fire as things are: {names}.")


def lines(found: pd.DataFrame) -> None:
    """One line per item, worst first; a click tells all of it."""
    left = st.segmented_control("Show", (WRONG, EVERY), default=WRONG, key="show", bind="query-params", required=True,
                                label_visibility="collapsed")  # fmt: skip
    rows = found if left == EVERY else found[found["status"] != "ok"]
    if rows.empty:
        st.markdown(f":green-badge[✓ OK] Everything that the dashboard reads is there: {len(found)} items.")
        return
    moment = clock.now()
    shown = pd.DataFrame(
        {
            "status": [f"{LOOK[status].glyph} {WORDS[status]}" for status in rows["status"]],
            "item": rows["item"],
            "said": rows["said"],
            "hint": rows["hint"],
            "needed": [_needed(row.alerts, row.cards, row.checks) for row in rows.itertuples()],
            "seen": [_seen(row, moment) for row in rows.itertuples()],
            "kind": [KINDS[kind] for kind in rows["kind"]],
            "count": rows["count"],
        }
    )
    columns = {
        "status": st.column_config.TextColumn("Status", width=100),
        "item": st.column_config.TextColumn("Expected", width=250),
        "said": st.column_config.TextColumn("Found", width=230),
        "hint": st.column_config.TextColumn("What to do", width=280),
        "needed": st.column_config.TextColumn("Dead without it", width=165),
        "seen": st.column_config.TextColumn("Last seen", width=85),
        "kind": st.column_config.TextColumn("Kind", width=70),
        "count": st.column_config.NumberColumn("Series, records", width=90),
    }
    st.caption("Click a row for all of it.")
    chosen = cards.table(shown, key="contract", topic="telemetry contract", columns=columns, select=True,
                         height=None if len(rows) <= cards.FEW_ROWS else 620)  # fmt: skip
    if chosen is not None:
        detail(rows.loc[chosen.name])


def _seen(row: Any, moment: datetime) -> str:
    """What was not checked is not said to have never been there."""
    return text.NONE if row.status == "not checked" else text.age(row.last_seen, moment)


def _needed(alerts: int, shown: int, checks: int) -> str:
    counted = ((alerts, "alert"), (shown, "card"), (checks, "check"))
    parts = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counted if count]
    return ", ".join(parts) or "nothing"


def detail(row: pd.Series) -> None:
    """All that is known of one item."""
    lines = [f"{row['item']}: {row['said']}", *([row["hint"]] if row["hint"] else [])]
    needed = "\n".join(f"  {name}" for name in row["needed_by"]) or "  nothing on this dashboard"
    st.code("\n".join([*lines, "", "Needs it:", needed]), language=None, wrap_lines=True)


def body() -> None:
    with panel("", height=300):
        found = findings()
        summary(found)
        lines(found)
    st.caption(
        "What the dashboard, its rules and pages read of the service, worst first. Judged by the last 24 hours of the log "
        "and the newest samples. For the service's own CI, without a dashboard: `python -m lib.contract`."
    )


st.title("Contract", anchor=False)
live(body, analysis=True)
