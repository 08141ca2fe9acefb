"""Whose clock the pages show."""

import sys
from typing import Any

from streamlit.testing.v1 import AppTest


def zoned() -> None:
    """What a page asks for every time that it shows."""
    import streamlit as st

    from lib.ui import clock

    st.session_state["seen"] = clock.browser_zone()


def test_a_page_never_walks_the_folder_of_zones_twice() -> None:
    """Regression: it did for every time that it showed, which was half of all the work with fifty viewers."""
    at = AppTest.from_function(zoned, default_timeout=15).run()
    walks: list[str] = []
    watching = [True]

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if watching[0] and event == "os.scandir" and "zoneinfo" in str(arguments[0]):
            walks.append(str(arguments[0]))

    sys.addaudithook(hear)  # stays for good: the flag ends what it does
    at.run()
    watching[0] = False

    assert at.session_state["seen"]
    assert walks == []
