"""What fires now, in a few lines for the first page."""

from __future__ import annotations

import streamlit as st

from lib.alerts.model import AlertState
from lib.ui import cache, runtime, text
from lib.ui.alerts import asked, board, silenced, state, verdict, words
from lib.ui.pages import entry
from lib.ui.time_range import time_window

MOST_SHOWN = 5


def glance() -> None:
    """The verdict, and the worst alerts that fire and are not silenced, each a link to all about it."""
    if runtime.current().state is None:
        return
    found = verdict.verdict()
    board.say(found)
    if not found.total:
        return
    opened = asked.opened()
    firing = opened[(opened["state"] == AlertState.FIRING.value) & ~opened["test"]]
    heard = firing[~silenced.muted(firing)]
    for row in words.each(heard.head(MOST_SHOWN)):
        limit = cache.frame("rule_limit", time_window(), rule=row.name)
        about = " · ".join(part for part in (row.name, words.about(row)) if part)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.page_link(str(entry("alerts").path), label=f"{words.badge(row.severity)} {text.esc_md(about)}", width="content",
                         query_params=dict(state.address_of(row.fingerprint)))  # fmt: skip
            st.markdown(board.state_words(row, limit), width="content")
            if badges := board.flag_badges(row):
                st.markdown(badges, width="content")
    if len(heard) > MOST_SHOWN:
        st.page_link(str(entry("alerts").path), label=f"All {text.number(len(heard))} that fire")
