"""Silences: one to be made, with a preview of what it hits, and those that are."""

from __future__ import annotations

import streamlit as st


def form(wanted: str) -> None:
    """Placeholder."""
    st.text(wanted)


def silences() -> None:
    """Placeholder."""
    st.text("")
