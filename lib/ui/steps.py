"""From one row of a table to the next without a mouse: two buttons, which the keys n and N press."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import streamlit as st

from lib.ui import address
from lib.ui.table import go_to


def steps(keep: str, ids: Sequence[str], stops: Collection[str] | None = None) -> None:
    """Buttons to the row before and the row after the one that the address keeps under `keep`; without one, to the first.

    `ids` are the rows in their order, `stops` those of them to go to (None: all).
    """
    held = address.value(keep)
    at = ids.index(held) if held in ids else -1
    found = [place for place, one in enumerate(ids) if stops is None or one in stops]
    before = max((place for place in found if place < at), default=None)
    after = min((place for place in found if place > at), default=None)
    for key, words, icon, to in (
        ("previous_error", "Previous error (N)", "keyboard_arrow_up", before),
        ("next_error", "Next error (n)", "keyboard_arrow_down", after),
    ):
        st.button(words, icon=f":material/{icon}:", key=key, type="tertiary", disabled=to is None, on_click=go_to,
                  args=(keep, ids[to] if to is not None else ""))  # fmt: skip
