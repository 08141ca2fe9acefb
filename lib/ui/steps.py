"""From one error to the next without a mouse: two buttons, which the keys n and N press."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st


def steps(step: Callable[[int], None], *, back: bool = True, on: bool = True) -> None:
    """Buttons that call `step(-1)` and `step(1)`, as callbacks; `back` and `on` say whether there is anything that way."""
    for key, words, icon, by, there in (
        ("previous_error", "Previous error (N)", "keyboard_arrow_up", -1, back),
        ("next_error", "Next error (n)", "keyboard_arrow_down", 1, on),
    ):
        st.button(
            words, icon=f":material/{icon}:", key=key, type="tertiary", disabled=not there, on_click=step, args=(by,)
        )
