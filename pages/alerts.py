"""Alerts: what fires, who was told, what to do about it, and why somebody was not told."""

import streamlit as st

from lib.ui import address, runtime
from lib.ui.alerts import state
from lib.ui.alerts.board import board
from lib.ui.alerts.detail import detail
from lib.ui.alerts.history import history
from lib.ui.alerts.rules import rules
from lib.ui.alerts.silences import silences
from lib.ui.alerts.silencing import form
from lib.ui.live import live
from lib.ui.panel import panel

PARTS = {state.OPEN: board, state.HISTORY: history, state.SILENCES: silences, state.RULES: rules}


def body() -> None:
    if runtime.current().state is None:
        st.markdown("○ **No alerts here**: this process has no state database.")
        return
    state.drawn_unseen()
    shown = st.segmented_control("Part", state.PARTS, default=state.OPEN, key=state.SHOW, bind="query-params", required=True,
                                 label_visibility="collapsed", on_change=state.open_alert)  # fmt: skip
    if wanted := address.value(state.SILENCE):
        with panel("Silence"):
            form(wanted)
    with panel(""):
        if fingerprint := address.value(state.ALERT):
            detail(fingerprint)
        else:
            PARTS[str(shown or state.OPEN)]()


st.title("Alerts", anchor=False)
live(body)
