"""Shows the personal data of one record to who may see it; each time is recorded, before anything is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from lib.errors import Refused
from lib.identity.roles import NEEDS, Action, require
from lib.personal import HIDDEN
from lib.state.audit import Deed
from lib.ui import runtime, text
from lib.ui.identity import act, actor

_SHOWN = "_revealed"
"""The one record whose data this visit shows. Never in the address: a link must not reveal."""


def revealed(record_id: str, masked: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record, whole where this person had it revealed and still may see it, else as `masked`. Raises SourceError."""
    if st.session_state.get(_SHOWN) != record_id:
        return masked
    try:
        require(actor(), Action.REVEAL)
    except Refused:
        return masked
    found = runtime.current().stores.logs.record(record_id)
    return masked if found is None else found


def button(record_id: str, masked: Mapping[str, Any]) -> None:
    """Reveals, or hides again; nothing where no data is hidden, or the person may not see it."""
    slot = st.empty()
    if st.session_state.get(_SHOWN) != record_id:
        if HIDDEN not in str(masked) or not actor().role.covers(NEEDS[Action.REVEAL]):
            return
        if not slot.button("Reveal", icon=":material/visibility:", key="reveal", type="tertiary",
                           help="Shows the personal data of this record. It is recorded that you did."):  # fmt: skip
            return
        details = {"at": str(masked.get("ts", "")), "message": str(masked.get("message", ""))[:200]}
        if not act(Deed(Action.REVEAL, f"log record {record_id}", details=details, then=lambda: _show(record_id))):
            return
    slot.button("Hide again", icon=":material/visibility_off:", key="hide_again", on_click=hide, type="tertiary")


def said(record_id: str) -> None:
    """That what is shown is personal, and that this was recorded."""
    if st.session_state.get(_SHOWN) == record_id:
        st.markdown(f":violet-badge[✚ Personal data shown] Recorded in the audit as {text.esc_md(actor().name)}.")


def hide() -> None:
    """Masks it again."""
    st.session_state.pop(_SHOWN, None)


def _show(record_id: str) -> None:
    st.session_state[_SHOWN] = record_id
