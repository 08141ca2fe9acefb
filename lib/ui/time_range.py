"""The page's time range and refresh: one state for all pages, kept in the address."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from lib.errors import QueryError
from lib.ui.clock import ZONE_KEY, ZONES, display_zone, now
from lib.window import DAY, Window, parse_duration

DEFAULT = "6h"
RANGE, REFRESH, PAUSED, COMPARE = "range", "refresh", "paused", "compare"
DEFAULT_REFRESH = "Auto"
REFRESHES = {DEFAULT_REFRESH: 30, "Off": None, "10s": 10, "30s": 30, "1m": 60, "5m": 300, "15m": 900}
"""In seconds. The default is for pages that show what goes on; those of analysis stay as they are."""

LONGEST = 60
"""Characters of a typed range."""

_BACK = "_range_before"
_CHANGED = "_range_changed"
_EDITION = "_range_edition"
_KEPT = "_kept_for_the_address"
_REPAIRS = "_repairs_the_address"
_IN_ADDRESS: dict[str, str | bool] = {RANGE: DEFAULT, REFRESH: DEFAULT_REFRESH, ZONE_KEY: ZONES[0], COMPARE: False}
"""The controls that the address keeps, and what each is where it says nothing."""


def time_window() -> Window:
    """The range that this viewer chose, rounded down so that viewers with the same choice share answers.

    What cannot be read as a range counts as the default; the control says what is wrong with it.
    """
    moment = now()
    try:
        window = Window.parse(chosen(), moment, display_zone())
    except QueryError:
        window = Window.parse(DEFAULT, moment, display_zone())
    return window.floored(_grid(window.length))


def compare_window() -> Window | None:
    """The range before, where the viewer asked to see it as well."""
    return time_window().previous() if compares() else None


def refresh_s(*, analysis: bool = False) -> int | None:
    """Seconds between two refreshes; None while off or paused, and on a page of analysis unless the viewer chose some."""
    choice = _state(REFRESH, DEFAULT_REFRESH)
    if is_paused() or (analysis and choice == DEFAULT_REFRESH):
        return None
    return REFRESHES.get(choice)


def is_paused() -> bool:
    """Whether the viewer stopped the refresh for now."""
    return bool(st.session_state.get(PAUSED))


def toggle_pause() -> None:
    """Stops the refresh, or goes on with it."""
    st.session_state[PAUSED] = not is_paused()


def compares() -> bool:
    """Whether the viewer asked to see the period before as well."""
    return _state(COMPARE, "").lower() == "true"


def problem() -> str:
    """Why the typed range cannot be read; "" where it can."""
    try:
        Window.parse(chosen(), now(), display_zone())
    except QueryError as error:
        return str(error)
    return ""


def label() -> str:
    """The range in words for its button: "Last 6 h", "Today", "29 Mar 09:00 – 11:30"."""
    text = chosen()
    if problem():
        text = DEFAULT
    if "/" not in text:
        return f"Last {text.removeprefix('now-')}" if _is_length(text) else text.capitalize()
    window = time_window()
    start, end = (m.astimezone(_info()) for m in (window.start, window.end))
    last = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%d %b %H:%M}"
    return f"{start:%d %b %H:%M} – {last}"


def set_range(text: str) -> None:
    """Chooses a range; the one before can be gone back to. For callbacks: a bound control may not change while it is drawn."""
    if text == chosen():
        return
    _remember(chosen())
    _put(text)


def set_absolute(start: datetime, end: datetime) -> None:
    """Chooses the range between two moments (aware), to the second."""
    if end - start < timedelta(seconds=15):
        start, end = start - timedelta(seconds=8), end + timedelta(seconds=8)
    set_range("/".join(f"{m.astimezone(_info()):%Y-%m-%dT%H:%M:%S}" for m in (start, end)))


def zoom_out() -> None:
    """Twice as long a range around the same middle, at most until now and at most the longest allowed."""
    window, moment = time_window(), now()
    half = min(window.length, timedelta(days=46))
    middle = window.start + window.length / 2
    end = min(middle + half, moment)
    set_absolute(end - 2 * half, end)


def back() -> None:
    """The range before the last change."""
    if before := st.session_state.get(_BACK):
        _put(before.pop())


def _put(text: str) -> None:
    st.session_state[RANGE] = text
    st.session_state[_CHANGED] = True
    st.session_state[_EDITION] = st.session_state.get(_EDITION, 0) + 1


def edition() -> str:
    """Differs after every change: a control that mirrors the range takes it into its key.

    In a closed popover the browser keeps sending a control's old value, which would count as the viewer's choice.
    """
    return f"{st.session_state.get(_EDITION, 0)}_{chosen()}"


def _remember(text: str) -> None:
    st.session_state[_BACK] = [*st.session_state.get(_BACK, []), text][-20:]


def can_go_back() -> bool:
    """Whether there is a range to go back to."""
    return bool(st.session_state.get(_BACK))


def changed_inside_fragment() -> bool:
    """Whether a chart set the range since the frame was drawn; asking takes the mark away."""
    return bool(st.session_state.pop(_CHANGED, False))


def keep() -> None:
    """Gives the controls what they held before, and the address what it lacks of it; to be called before they are drawn.

    A page that is left before the browser has drawn a control takes the control's value, or its part of the address, with it.
    """
    kept: dict[str, str | bool] = st.session_state.setdefault(_KEPT, {})
    repairs = st.session_state.get(_REPAIRS)
    for key in _IN_ADDRESS:
        held = key in st.session_state
        if held or key in st.query_params:
            kept[key] = _usable(key)
        if key in kept and (repairs or not held) and key not in st.query_params:
            st.session_state[key] = kept[key]  # of a control that is drawn already, it goes into the address


def must_repair() -> bool:
    """Whether the address lacks what the controls hold: the frame is then to be drawn once more."""
    lacks = any(
        _usable(key) != usual and key not in st.query_params
        for key, usual in _IN_ADDRESS.items()
        if key in st.session_state
    )
    st.session_state[_REPAIRS] = lacks and not st.session_state.get(_REPAIRS)
    return bool(st.session_state[_REPAIRS])


def _usable(key: str) -> str | bool:
    """What a control holds, or is to hold: an address can say anything."""
    if key == COMPARE:
        return compares()
    allowed = {REFRESH: tuple(REFRESHES), ZONE_KEY: ZONES}.get(key)
    value = _state(key, str(_IN_ADDRESS[key]))
    return value[:LONGEST] if allowed is None or value in allowed else _IN_ADDRESS[key]


def wider() -> str | None:
    """The next longer preset than the present range; None at the longest."""
    length = time_window().length
    return next((p for p in ("1h", "6h", "24h", "7d", "30d", "90d") if parse_duration(p) > length * 1.01), None)


def chosen() -> str:
    """The range as chosen or typed: "6h", "today", "<start>/<end>"."""
    return _state(RANGE, DEFAULT)


def _state(key: str, default: str) -> str:
    """A control's value; on the first run of a visit, before the control is drawn, the one in the address."""
    value = st.session_state[key] if key in st.session_state else st.query_params.get(key)
    return str(value).strip() if value not in (None, "") else default


def _is_length(text: str) -> bool:
    try:
        parse_duration(text)
    except QueryError:
        return False
    return True


def _info() -> ZoneInfo:
    return ZoneInfo(display_zone())


def _grid(length: timedelta) -> timedelta:
    """How coarsely "now" is rounded: the finer the buckets, the finer; a refresh never waits longer than this for news."""
    if length <= timedelta(hours=6):
        return timedelta(seconds=10)
    if length <= DAY:
        return timedelta(seconds=30)
    return timedelta(minutes=1 if length <= 7 * DAY else 5)
