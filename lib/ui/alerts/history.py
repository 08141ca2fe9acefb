"""What fired in the page's range: figures, per rule, who talks most, and every episode."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from lib.alerts import book, past
from lib.ui import cards, clock, text
from lib.ui.alerts import asked, state, words
from lib.ui.panel import all_good, nothing_in_range, panel
from lib.ui.time_range import time_window
from lib.window import Window

MOST_ROWS = 2000


def history() -> None:
    """Statistics and episodes; tests are in neither."""
    window = time_window()
    found = asked.history(window)
    if found.empty:
        checked = book.evaluated_at(asked.rules())
        if checked is None or checked < window.start:
            nothing_in_range("No rule was evaluated")
        else:
            all_good(f"No alert fired in {text.span(window.length)}")
        return
    with panel(""):
        _figures(found, window)
    left, right = st.columns([7, 4])
    with left, panel("By rule", help="Tests are left out."):
        _by_rule(found, window)
    with right, panel("Top talkers", help="The alerts that fired most often."):
        _talkers(found, window)
    with panel("Episodes"):
        _episodes(found)


def _figures(found: pd.DataFrame, window: Window) -> None:
    now, before = past.totals(found, window), past.totals(asked.history(window.previous()), window.previous())
    cards.figures(
        [
            ("Fired", text.number(now["fired"]), f"before: {text.number(before['fired'])}", "In this range, tests left out"),
            ("Still open", text.number(now["open"]), "", "Of those"),
            ("Time to acknowledge", text.span(now["ack_s"]), cards.before(before["ack_s"], text.span(before["ack_s"])),
             "Median, from firing; of those that were acknowledged"),
            ("Acknowledged", text.ratio(now["acked"]), "", "Of those that fired"),
            ("Time to resolve", text.span(now["resolve_s"]),
             cards.before(before["resolve_s"], text.span(before["resolve_s"])), "Median, from firing; of those that ended"),
            ("Marked as noise", text.ratio(now["noise"]), f"{text.number(now['judged'])} judged", "Of those that somebody judged"),
        ]
    )  # fmt: skip


def _by_rule(found: pd.DataFrame, window: Window) -> None:
    rules = past.by_rule(found, window)
    shown = rules.assign(
        severity=[words.shape(severity).label for severity in rules["severity"]],
        **{name: [text.span(value) for value in rules[name]] for name in ("ack_s", "resolve_s", "firing_s")},
    )
    columns = {
        "name": st.column_config.TextColumn("Rule", width=160), "severity": st.column_config.TextColumn("Severity", width=82),
        "fired": st.column_config.NumberColumn("Fired", width=50),
        "alerts": st.column_config.NumberColumn("Alerts", help="Different ones", width=55),
        "ack_s": st.column_config.TextColumn("To ack.", help="Time to acknowledge, median", width=70),
        "resolve_s": st.column_config.TextColumn("To resolve", help="Median", width=80),
        "firing_s": st.column_config.TextColumn("Firing in all", width=85),
        "noise": st.column_config.NumberColumn("Noise", format="percent", help="Of those judged", width=60),
    }  # fmt: skip
    chosen = cards.table(shown, key="past_rules", topic="alerts by rule", columns=columns, select=True)
    if chosen is not None:
        st.button(
            "Look at this rule", icon=":material/chevron_right:", on_click=state.open_rule, args=(str(chosen["name"]),)
        )


def _talkers(found: pd.DataFrame, window: Window) -> None:
    most = past.top_talkers(found, window)
    shown = pd.DataFrame(
        {
            "name": most["name"], "fired": most["fired"], "newest": most["newest"],
            "about": [words.about(row) for row in words.each(most)], "fingerprint": most["fingerprint"],
        }
    )  # fmt: skip
    columns = {
        "name": st.column_config.TextColumn("Rule", width=140), "fired": st.column_config.NumberColumn("Fired", width=50),
        "newest": st.column_config.DatetimeColumn("Last", format="D MMM HH:mm", width=95),
        "about": st.column_config.TextColumn("About", width=160), "fingerprint": None,
    }  # fmt: skip
    _openable(shown, "talkers", "top talkers", columns)


def _episodes(found: pd.DataFrame) -> None:
    moment = clock.now()
    shown = pd.DataFrame(
        {
            "severity": [words.shape(severity).label for severity in found["severity"]], "name": found["name"],
            "about": [words.about(row) for row in words.each(found)], "fired_at": found["fired_at"],
            "resolved_at": found["resolved_at"],
            "lasted": [text.span((moment if pd.isna(end) else end) - start)
                       for start, end in zip(found["fired_at"], found["resolved_at"], strict=True)],
            "acked_by": found["acked_by"], "ack_s": found["ack_s"], "noise": found["noise"], "why": found["resolved_why"],
            "origin": found["origin"], "fingerprint": found["fingerprint"],
        }
    )  # fmt: skip
    columns = {
        "severity": st.column_config.TextColumn("Severity", width=85), "name": st.column_config.TextColumn("Rule", width=172),
        "about": st.column_config.TextColumn("About", width=130),
        "fired_at": st.column_config.DatetimeColumn("Fired", format="D MMM HH:mm:ss", width=115),
        "resolved_at": st.column_config.DatetimeColumn("Resolved", format="D MMM HH:mm:ss", width=115),
        "lasted": st.column_config.TextColumn("Lasted", width=65),
        "acked_by": st.column_config.TextColumn("Acknowledged by", width=108),
        "ack_s": st.column_config.NumberColumn("After (s)", format="%.0f", width=65, help="Seconds from firing"),
        "noise": st.column_config.TextColumn("Judged", width=60), "why": st.column_config.TextColumn("Ended why", width=130),
        "origin": st.column_config.TextColumn("Told by", width=70),
    }  # fmt: skip
    if len(shown) > MOST_ROWS:
        st.caption(
            f"Showing the newest {text.number(MOST_ROWS)} of {text.number(len(shown))}: narrow the range for others."
        )
    _openable(shown.head(MOST_ROWS), "past", "alert history", columns)


def _openable(shown: pd.DataFrame, key: str, topic: str, columns: dict[str, Any]) -> None:
    chosen = cards.table(
        shown, key=key, topic=topic, columns=columns, select=True, height=420 if len(shown) > 20 else None
    )
    if chosen is not None:
        st.button("Open this alert", key=f"open_{key}", icon=":material/chevron_right:", on_click=state.open_alert,
                  args=(str(chosen["fingerprint"]),))  # fmt: skip
