"""The frame's own style sheet, its keys, and the script that draws the charts."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "skin",
    css=(_HERE / "skin.css").read_text(encoding="utf-8"),
    js="\n".join((_HERE / name).read_text(encoding="utf-8") for name in ("live_chart.js", "skin.js")),
    isolate_styles=False,
)


def skin() -> None:
    """Puts all of it on the page; it takes no room."""
    with st.container(key="skin"):
        _COMPONENT(key="skin_component")
