"""What the Alerts page keeps in the address: which part is shown, the open alert, a silence to be made, the filters."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from lib.alerts.silences import Silence
from lib.ui import address

ALERT, SILENCE, RULE, NAME = "alert", "silence", "rule", "alertname"
SHOW, SEVERITY, TEXT = "show", "severity", "find"
OPEN, HISTORY, SILENCES, RULES = "Open", "History", "Silences", "Rules"
_DONE, _HELD = "_silence_done", "_silence_held"
PARTS = (OPEN, HISTORY, SILENCES, RULES)


def drawn_unseen() -> None:
    """The controls that keep state in the address and that nobody types into."""
    if st.session_state.pop(_DONE, False):
        st.session_state[SILENCE] = ""
    address.unseen(ALERT, SILENCE, RULE, NAME, longest=2000)  # a silence can be asked for by its matchers


def open_alert(fingerprint: str = "") -> None:
    """Shows one alert; "" goes back to the list."""
    st.session_state[ALERT] = fingerprint
    st.session_state[SILENCE] = ""


def ask_silence(what: str = "") -> None:
    """Shows the form of a silence, filled in for an alert's fingerprint or for matchers; "" closes it."""
    st.session_state[SILENCE] = what
    st.session_state.pop(_HELD, None)


def held_silence(newest: Silence | None) -> Silence | None:
    """The silence that is being changed, as it was when its form was opened."""
    held: Silence | None = st.session_state.get(_HELD)
    if newest is None or (held is not None and held.id == newest.id):
        return held if newest is not None else None
    st.session_state[_HELD] = newest
    return newest


def open_rule(name: str = "") -> None:
    """Shows one rule on its own part of the page; "" closes it."""
    st.session_state[RULE] = name
    st.session_state[ALERT] = ""
    if name:
        st.session_state[SHOW] = RULES


def close_silence() -> None:
    """Closes the form at the next drawing: what is drawn already cannot be changed any more."""
    st.session_state[_DONE] = True


def clear_filters() -> None:
    """Takes every filter away."""
    st.session_state[SEVERITY] = []
    st.session_state[TEXT] = ""
    st.session_state[NAME] = ""


def address_of(fingerprint: str) -> Mapping[str, str]:
    """What the address needs to show one alert, for links from other pages."""
    return {ALERT: fingerprint}
