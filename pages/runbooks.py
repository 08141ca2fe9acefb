"""Runbooks: per rule, what it means, what to look at, what to do."""

import re
from pathlib import Path

import streamlit as st

from lib.ui.anchored import to_the_part_named

TEXT = Path(__file__).parents[1] / "docs" / "runbooks.md"

st.title("Runbooks", anchor=False)
text = TEXT.read_text(encoding="utf-8").partition("\n\n")[2]
first, *parts = re.split(r"^## (\w+)$", text, flags=re.MULTILINE)
with st.container(width=900):  # lines that the eye can follow
    st.markdown(" · ".join(f"[{name}](#{name.lower()})" for name in parts[::2]))
    st.markdown(first)
    for name, words in zip(parts[::2], parts[1::2], strict=True):
        st.header(name, anchor=name.lower())  # as the rules' links have it; Streamlit's own would be "high-error-rate"
        st.markdown(words)
to_the_part_named()
