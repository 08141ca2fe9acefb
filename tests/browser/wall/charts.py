"""Six live charts."""

import streamlit as st
from figures import figures

from lib.ui.live import live
from lib.ui.live_chart import live_chart
from lib.ui.panel import panel
from lib.ui.time_range import time_window

st.title("Charts")


@live
def body() -> None:
    for number, figure in enumerate(figures(time_window())):
        with panel(f"Chart {number}", height=260):
            live_chart(figure, key=f"chart_{number}", alt=f"Chart {number}: five waves")
