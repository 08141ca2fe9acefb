"""Runbooks: per rule, what it means, what to look at, what to do."""

import re
from pathlib import Path

import streamlit as st

TEXT = Path(__file__).parents[1] / "docs" / "runbooks.md"

st.title("Runbooks", anchor=False)
text = TEXT.read_text(encoding="utf-8").partition("\n\n")[2]
with st.container(width=900):  # lines that the eye can follow
    st.markdown(" · ".join(f"[{name}](#{name.lower()})" for name in re.findall(r"^## (\w+)$", text, re.MULTILINE)))
    st.markdown(text)
