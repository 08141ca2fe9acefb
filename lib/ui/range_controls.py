"""The controls of the time range and the refresh, drawn once by the frame for all pages."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from lib.ui import cache, text
from lib.ui import time_range as tr
from lib.ui.clock import ZONE_KEY, ZONES, browser_zone, chosen_zone, display_zone, local, now, stamp
from lib.ui.runtime import current
from lib.window import CALENDAR_PRESETS, PRESETS

KEYS = """
`/` the page's search or filter; where it has none, the Logs page\\
`n` `N` next and previous error, on Errors and Logs\\
`t` time range · `p` pause · `?` these keys
"""


def controls() -> None:
    """One row: the range's button, back, zoom out, refresh. Wraps on a narrow screen."""
    with st.container(
        horizontal=True, vertical_alignment="center", gap="xsmall", width="content", key="range_controls"
    ):
        with st.popover(_label(), icon=":material/schedule:", key="range_popover"), st.container(width=400):
            _range_form()
        _icon_button("undo", "range_back", "Back to the range before", tr.back, disabled=not tr.can_go_back())
        _icon_button("zoom_out", "range_out", "Zoom out: twice as long", tr.zoom_out)
        _refresh_controls()
        with st.popover("", icon=":material/keyboard:", key="keys", type="tertiary", help="Keys (?)"):
            st.markdown(KEYS)


def printed_line() -> str:
    """What stands on top of a printed page instead of the controls: which range, in which zone, printed when."""
    window = tr.time_window()
    span = f"{stamp(window.start)} – {stamp(window.end)} {display_zone()}"
    return f"Halo Ops · {text.esc_md(span)} · printed from the state of {text.esc_md(stamp(now()))}"


def _icon_button(icon: str, key: str, words: str, action: object, *, disabled: bool = False, on: bool = False) -> None:
    st.button(
        words, icon=f":material/{icon}:", key=key, help=words, on_click=action,  # type: ignore[arg-type]
        disabled=disabled, type="primary" if on else "secondary",
    )  # fmt: skip


def _label() -> str:
    return f"{tr.label()} :orange[◆ not a range]" if tr.problem() else text.esc_md(tr.label())


def _range_form() -> None:
    presets, key = (*PRESETS, *CALENDAR_PRESETS), f"preset_{tr.edition()}"
    st.pills(
        "Time range", presets, default=tr.chosen() if tr.chosen() in presets else None, key=key,
        on_change=_use, args=(key,), label_visibility="collapsed",
    )  # fmt: skip
    key = f"typed_{tr.edition()}"
    st.text_input(
        "Or type one", tr.chosen(), key=key, max_chars=tr.LONGEST, on_change=_use, args=(key,),
        help="6h, now-6h, today, or 2026-03-29T09:00/2026-03-29T11:30",
    )  # fmt: skip
    if reason := tr.problem():
        st.caption(f":orange[◆] {text.esc_md(reason)}. Shown: the last {tr.DEFAULT}.")
    _absolute()
    zone, compare = f"zone_{chosen_zone()}", f"compare_{tr.compares()}"
    st.segmented_control(
        "Times shown in", ZONES, default=chosen_zone(), key=zone, required=True, on_change=_copy, args=(zone, ZONE_KEY),
        help=text.esc_md(f"local: {browser_zone()}, team: {current().settings.zone}"),
    )  # fmt: skip
    st.toggle("Compare with the period before", tr.compares(), key=compare, on_change=_copy, args=(compare, tr.COMPARE))


def kept_in_address() -> None:
    """What the address keeps, in controls that are drawn but not seen.

    Streamlit forgets a bound control that is not in the browser when the page changes, and a closed popover's are not.
    """
    with st.container(key="address"):
        st.text_input("Range", tr.DEFAULT, key=tr.RANGE, bind="query-params", max_chars=tr.LONGEST)
        st.selectbox("Zone", ZONES, key=ZONE_KEY, bind="query-params", persist_state="session")
        st.toggle("Compare", key=tr.COMPARE, bind="query-params", persist_state="session")


def _copy(shown: str, kept: str) -> None:
    st.session_state[kept] = st.session_state[shown]


def _use(key: str) -> None:
    if chosen := str(st.session_state.get(key) or "").strip():
        tr.set_range(chosen)


def _absolute() -> None:
    window = tr.time_window()
    start, end = (local(moment).replace(tzinfo=None, second=0) for moment in (window.start, window.end))
    with st.form("absolute_range", border=False):
        left, right = st.columns(2)
        left.datetime_input("From", start, key=f"from_{start}", step=60)
        right.datetime_input("To", end, key=f"to_{end}", step=60)
        st.form_submit_button("Use these times", on_click=_use_absolute, args=(f"from_{start}", f"to_{end}"))


def _use_absolute(start_key: str, end_key: str) -> None:
    start, end = st.session_state.get(start_key), st.session_state.get(end_key)
    if isinstance(start, datetime) and isinstance(end, datetime):
        tr.set_range(f"{start:%Y-%m-%dT%H:%M}/{end:%Y-%m-%dT%H:%M}")


def _refresh_controls() -> None:
    st.selectbox(
        "Refresh", tuple(tr.REFRESHES), index=tuple(tr.REFRESHES).index(tr.DEFAULT_REFRESH), key=tr.REFRESH,
        bind="query-params", label_visibility="collapsed", width=84, filter_mode=None,
    )  # fmt: skip
    paused = tr.is_paused()
    _icon_button(
        "play_arrow" if paused else "pause",
        "pause",
        "Resume (p)" if paused else "Pause (p)",
        tr.toggle_pause,
        on=paused,
    )
    _icon_button("refresh", "refresh_now", "Refresh now", cache.expire)
