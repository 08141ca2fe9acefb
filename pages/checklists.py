"""Checklists: what is to be looked at today, this week, this month, and who did."""

import streamlit as st

from lib.ui.checklists import page
from lib.ui.panel import panel

st.title("Checklists", anchor=False)
with panel(""):
    page.draw()
