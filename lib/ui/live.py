"""Keeps a page fresh without redrawing its frame."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lib.ui import ahead, clock, time_range
from lib.ui.how_asked import how_asked

UPDATED = "_updated_at"


def live(body: Callable[[], None], *, analysis: bool = False) -> None:
    """Draws a page's body now and at every refresh, as one fragment: zoom, sort, selection and open rows stay.

    A page of `analysis` is read at leisure: it is refreshed only where the viewer chose how often. A range that a chart
    set redraws the frame too, so that its controls agree.
    """

    page = body.__code__.co_filename

    def refreshed() -> None:
        if time_range.changed_inside_fragment():
            st.rerun(scope="app")
        window = time_range.time_window()
        ahead.begin(page, window)
        with how_asked() as collected:
            body()
        ahead.learn(page, window, (asked for _, asked in collected))
        st.session_state[UPDATED] = clock.now()

    refreshed.__qualname__ = f"live.{body.__module__}.{body.__qualname__}"
    time_range.changed_inside_fragment()
    st.fragment(refreshed, run_every=time_range.refresh_s(analysis=analysis))()
