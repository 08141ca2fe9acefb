"""What a page keeps in its address and nobody types: an open row, in controls that are drawn but not seen."""

from __future__ import annotations

import streamlit as st

LONGEST = 300


def unseen(*keys: str, longest: int = LONGEST) -> None:
    """Draws the controls that keep these, of at most `longest` characters, in the address; nobody sees them."""
    with st.container(key=f"address_{'_'.join(keys)}"):
        for key in keys:
            st.text_input(key, key=key, bind="query-params", max_chars=longest)


def value(key: str) -> str:
    """What is kept under this name; before its control is drawn for the first time, what the address says."""
    found = st.session_state[key] if key in st.session_state else st.query_params.get(key)
    return str(found or "")


def put(key: str, kept: str) -> None:
    """Keeps something else; "" for nothing. For callbacks: what is drawn already cannot be changed any more."""
    st.session_state[key] = kept
