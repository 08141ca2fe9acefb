"""What one does about an alert: take it up, give it back, silence it, end what was pushed, say that it was noise."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lib.alerts import acts
from lib.alerts.model import AlertState
from lib.identity.roles import Action
from lib.ui import clock, text
from lib.ui.alerts import state
from lib.ui.identity import act, gate, lacking

_JUDGED = {"useful": "Worth it", "noise": "Noise"}


def quick(alert: Any) -> None:
    """The two first things, one tap each, side by side; a note can be added where the alert is opened."""
    with st.container(horizontal=True, gap="small", width="content"):
        if alert.acked_by:
            if st.button("Give back", key=f"unack_{alert.id}", icon=":material/undo:",
                         **gate(Action.ACKNOWLEDGE, "Nobody is on it any more")):  # fmt: skip
                done(act(acts.unacknowledge(alert.id, alert.name, clock.now())), "Given back")
        elif st.button("Acknowledge", key=f"ack_{alert.id}", icon=":material/front_hand:",
                       **gate(Action.ACKNOWLEDGE, "You are on it. It ends by itself when the alert does.")):  # fmt: skip
            done(act(acts.acknowledge(alert.id, alert.name, "", clock.now())), "Acknowledged")
        _silencing(alert, f"silence_{alert.id}")


def _silencing(alert: Any, key: str) -> None:
    st.button("Silence", key=key, icon=":material/notifications_off:", on_click=state.ask_silence, args=(alert.fingerprint,),
              **gate(Action.SILENCE, "Nobody is told of it for a while"))  # fmt: skip


def whole(alert: Any) -> None:
    """Everything that can be done about an opened alert."""
    if alert.state == AlertState.RESOLVED:
        st.caption("This alert has ended: there is nothing to take up.")
    else:
        if not alert.acked_by:
            _acknowledging(alert)
        else:
            _acknowledged(alert)
        with st.container(horizontal=True, gap="small"):
            if alert.acked_by and st.button(
                "Give back", key="unack_this", icon=":material/undo:", **gate(Action.ACKNOWLEDGE)
            ):
                done(act(acts.unacknowledge(alert.id, alert.name, clock.now())), "Given back")
            _silencing(alert, "silence_this")
            if alert.origin in acts.PUSHED:
                _resolving(alert)
    _judging(alert)


def _acknowledged(alert: Any) -> None:
    st.markdown(f":green-badge[✓ Acknowledged] by {text.esc_md(alert.acked_by)}, "
                f"{text.age(alert.acked_at, clock.now())}")  # fmt: skip
    if alert.ack_note:
        st.text(text.visible(alert.ack_note))


def _acknowledging(alert: Any) -> None:
    with st.form("acknowledge", border=False):
        note = st.text_input("Note", key=f"note_{alert.id}", max_chars=acts.LONGEST_NOTE,
                             placeholder="What you are doing about it (may be empty)")  # fmt: skip
        taken = st.form_submit_button("Acknowledge", icon=":material/front_hand:", type="primary",
                                      disabled=bool(lacking(Action.ACKNOWLEDGE)))  # fmt: skip
    st.caption("It ends by itself when the alert does.")
    if taken:
        done(act(acts.acknowledge(alert.id, alert.name, str(note or ""), clock.now())), "Acknowledged")


def _resolving(alert: Any) -> None:
    with (
        st.popover("Resolve by hand", icon=":material/check:", key="resolve_popover", **gate(Action.RESOLVE)),
        st.form("resolve", border=False),
    ):
        st.caption("It was pushed to us: only who sent it, or a person, can end it.")
        reason = st.text_input("Why", key=f"resolve_why_{alert.id}", max_chars=acts.LONGEST_NOTE)
        if st.form_submit_button("Resolve", disabled=bool(lacking(Action.RESOLVE))):
            done(act(acts.resolve(alert.id, alert.name, str(reason or ""), clock.now())), "Resolved")


def _judging(alert: Any) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("Was it worth being told?", width="content")
        for word, label in _JUDGED.items():
            chosen = alert.noise == word
            if st.button(label, key=f"judge_{word}", type="primary" if chosen else "secondary",
                         **gate(Action.FEEDBACK)):  # fmt: skip
                done(act(acts.judge(alert.id, alert.name, "" if chosen else word, clock.now())), "Noted")
    if lacks := lacking(Action.FEEDBACK):
        st.caption(lacks)


def done(is_done: bool, words: str) -> None:
    """Says so and draws everything anew, where it is done: the header and the menu count it as well."""
    if is_done:
        st.toast(words, icon=":material/check:")
        st.rerun()
