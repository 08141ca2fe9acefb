"""Silences: those that count, will count and did, with what each hits; ended, changed and made again from here."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from lib.alerts import acts
from lib.alerts import matchers as matching
from lib.alerts.silences import Silence
from lib.identity.roles import Action
from lib.ui import clock, text
from lib.ui.alerts import asked, state
from lib.ui.identity import act, gate, lacking
from lib.ui.panel import panel
from lib.ui.severity import LOOKS, Status

MOST_SHOWN = 30
EDIT = "edit:"
"""What stands before the number of a silence in the address, where it is to be changed."""


def silences() -> None:
    """The button for a new one, and every silence, those that count first."""
    lacks = lacking(Action.SILENCE)
    st.button("New silence", icon=":material/add:", key="new_silence", on_click=state.ask_silence, args=("new",),
              disabled=bool(lacks))  # fmt: skip
    if lacks:
        st.caption(lacks)
    moment = clock.now()
    found = asked.silences()
    if not found:
        st.markdown("○ **Nothing is silenced**, and nothing was in the last seven days.")
        return
    for title, part in _parts(found, moment).items():
        if part:
            with panel(title):
                for silence in part[:MOST_SHOWN]:
                    _silence(silence, moment)
                if len(part) > MOST_SHOWN:
                    st.caption(f"The newest {MOST_SHOWN} of {text.number(len(part))}.")


def _parts(found: tuple[Silence, ...], moment: datetime) -> dict[str, list[Silence]]:
    parts: dict[str, list[Silence]] = {"Silenced now": [], "To come": [], "Ended in the last seven days": []}
    for silence in found:
        title = (
            "Silenced now"
            if silence.holds(moment)
            else "To come"
            if silence.starts_at > moment
            else "Ended in the last seven days"
        )
        parts[title].append(silence)
    return parts


def _silence(silence: Silence, moment: datetime) -> None:
    """One silence: what, why, who, until when, and how many alerts it hits now."""
    over = silence.ends_at <= moment
    with st.container(border=True, gap="xsmall", key=f"silenced_{silence.id}"):
        st.code(text.visible(", ".join(map(str, silence.matchers))), language=None, wrap_lines=True)
        st.text(text.visible(silence.reason))
        times = f"{clock.stamp(silence.starts_at)} – {clock.stamp(silence.ends_at)}"
        hits = "" if over else f" · {_hits(silence)}"
        st.markdown(f"{_badge(silence, moment)} {text.esc_md(silence.who)} · {times}{hits}")
        with st.container(horizontal=True, gap="small"):
            if over:
                st.button("Make it again", key=f"again_{silence.id}", icon=":material/replay:", on_click=state.ask_silence,
                          args=(matching.written(silence.matchers),), **gate(Action.SILENCE))  # fmt: skip
                return
            st.button("Change", key=f"edit_{silence.id}", icon=":material/edit:", on_click=state.ask_silence,
                      args=(f"{EDIT}{silence.id}",), **gate(Action.SILENCE))  # fmt: skip
            ended = st.button("End it now", key=f"expire_{silence.id}", icon=":material/notifications_active:",
                              **gate(Action.SILENCE))  # fmt: skip
            if ended and act(acts.end_silence(silence, clock.now())):
                st.rerun()


def _badge(silence: Silence, moment: datetime) -> str:
    if silence.holds(moment):
        look = LOOKS[Status.MAINTENANCE]
        return f":{look.badge}-badge[{look.glyph} {text.span(silence.ends_at - moment)} left]"
    if silence.starts_at > moment:
        return f":gray-badge[○ begins in {text.span(silence.starts_at - moment)}]"
    return f":gray-badge[○ ended {text.age(silence.ends_at, moment)}]"


def _hits(silence: Silence) -> str:
    hit = sum(matching.hit(silence.matchers, list(asked.opened()["labels"])))
    return f"hits {text.number(hit)} open {'alert' if hit == 1 else 'alerts'}"
