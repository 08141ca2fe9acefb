"""Runbooks: per rule, what it means, what to look at, what to do."""

from pathlib import Path

import streamlit as st

TEXT = Path(__file__).parents[1] / "docs" / "runbooks.md"

st.title("Runbooks", anchor=False)
with st.container(width=900):  # lines that the eye can follow
    st.markdown(TEXT.read_text(encoding="utf-8").partition("\n\n")[2])
