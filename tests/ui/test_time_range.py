"""The time range: one state, in the address, the same for all pages."""

from typing import Any

from streamlit.testing.v1 import AppTest

from lib.ui.time_range import REFRESHES


def framed() -> None:
    """The controls and what they amount to, without pages."""
    import streamlit as st

    from lib.ui import range_controls
    from lib.ui import time_range as tr

    range_controls.kept_in_address()
    range_controls.controls()
    window, before = tr.time_window(), tr.compare_window()
    st.session_state["seen"] = (window, before, tr.refresh_s(), tr.label(), tr.problem())
    st.session_state["analysis"] = tr.refresh_s(analysis=True)


def frame(**address: str) -> AppTest:
    at = AppTest.from_function(framed, default_timeout=15)
    for name, value in address.items():
        at.query_params[name] = value
    return at.run()


def seen(at: AppTest) -> tuple[Any, ...]:
    assert not at.exception
    return tuple(at.session_state["seen"])


def test_the_default_is_the_last_six_hours_every_thirty_seconds() -> None:
    window, before, refresh_s, label, problem = seen(frame())

    assert window.length.total_seconds() == 6 * 3600
    assert window.end.timestamp() % 10 == 0
    assert (before, refresh_s, label, problem) == (None, 30, "Last 6h", "")


def test_an_address_restores_range_zone_refresh_and_comparison() -> None:
    at = frame(range="2026-03-27T09:00/2026-03-27T11:30", zone="UTC", refresh="5m", compare="true")

    window, before, refresh_s, label, _ = seen(at)
    assert window.start.isoformat() == "2026-03-27T09:00:00+00:00"
    assert window.zone == "UTC"
    assert before.end == window.start
    assert refresh_s == 300
    assert label == "27 Mar 09:00 – 11:30"


def test_what_is_no_range_is_said_and_the_default_is_shown() -> None:
    window, _, _, _, problem = seen(frame(range="yesteryear"))

    assert window.length.total_seconds() == 6 * 3600
    assert "6h" in problem


def test_zooming_out_doubles_the_range_and_back_restores_it() -> None:
    at = frame(range="2026-03-27T09:00/2026-03-27T10:00", zone="UTC")

    at.button(key="range_out").click().run()
    assert seen(at)[0].length.total_seconds() == 7200

    at.button(key="range_back").click().run()
    assert seen(at)[0].length.total_seconds() == 3600
    assert at.button(key="range_back").disabled


def test_a_typed_range_counts() -> None:
    at = frame()

    at.text_input(key="typed_0_6h").input("now-45m").run()

    assert seen(at)[0].length.total_seconds() == 45 * 60


def test_pause_stops_the_refresh_and_resume_brings_it_back() -> None:
    at = frame()

    at.button(key="pause").click().run()
    assert seen(at)[2] is None

    at.button(key="pause").click().run()
    assert seen(at)[2] == 30


def test_every_refresh_of_the_menu_is_understood() -> None:
    at = frame()

    for choice, seconds in REFRESHES.items():
        at.selectbox(key="refresh").set_value(choice).run()
        assert seen(at)[2] == seconds
        assert at.session_state["analysis"] == (None if choice == "Auto" else seconds)
