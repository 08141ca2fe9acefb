"""The same six figures as Streamlit draws them by itself."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st
from figures import figures

from lib.ui.charts.base import tokens
from lib.ui.time_range import time_window

COLOURS = tokens()["light"] | {"@muted": "#57606a", "@grid": "#e3e7eb", "@text": "#1b2430", "@background": "#ffffff"}


def plain(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: plain(value) for name, value in part.items()}
    if isinstance(part, list):
        return [plain(value) for value in part]
    return COLOURS.get(part.split("/")[0], "#0b5cad") if isinstance(part, str) and part.startswith("@") else part


st.title("Bare")
for number, figure in enumerate(figures(time_window())):
    shown = plain(figure)
    shown["layout"] |= {"template": go.layout.Template(), "height": 260}
    st.plotly_chart(go.Figure(shown), key=f"bare_{number}")
