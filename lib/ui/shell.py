"""The frame around every page: menu, header, time range. Runs once per visit and per change of a control."""

import streamlit as st

from lib.ui import time_range
from lib.ui.header import header
from lib.ui.header_alerts import ICON, TITLE
from lib.ui.identity import person
from lib.ui.menu import chosen_page
from lib.ui.range_controls import controls, kept_in_address, printed_line
from lib.ui.skin import skin

st.set_page_config(TITLE, ICON, layout="wide", initial_sidebar_state="auto")
skin()
time_range.keep()
kept_in_address()
page = chosen_page()
with st.sidebar:
    person()
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="frame"):
    controls()
    with st.container(width="content", key="header_slot"):
        header()
if time_range.must_repair():
    st.rerun()
with st.container(key="printed"):
    st.caption(printed_line())
page.run()
