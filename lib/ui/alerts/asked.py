"""What pages ask of the alerts: one question for all viewers every few seconds, and anew after what a person did."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from lib.alerts import book, past
from lib.alerts.delivery.condition import ChannelStatus
from lib.alerts.silences import Silence, every
from lib.errors import SourceError, SourceUnavailable
from lib.state.database import State
from lib.ui import cache, identity, runtime
from lib.ui.clock import now
from lib.window import DAY, Window

TTL_S = 5
FAILURE_S = 5
MOST_ANSWERS = 200
RECENT = 7 * DAY
T = TypeVar("T")
_failed: dict[str, tuple[float, SourceError]] = {}


def opened() -> pd.DataFrame:
    """Every open alert, as `book.open_alerts` gives it. Shared: read it, never change it. Raises SourceError."""
    return shared("opened", book.open_alerts)


def rules() -> pd.DataFrame:
    """How every rule is, as `book.rules` gives it."""
    return shared("rules", book.rules)


def channels() -> tuple[ChannelStatus, ...]:
    """How each channel does; those that are no longer set up are left out where this process knows which are."""
    found = shared("channels", book.channels)
    status = runtime.current().status()
    known = {channel.name for channel in status.alerting.channels} if status else set[str]()
    return tuple(channel for channel in found if not known or channel.name in known)


def held_back(alerts: tuple[int, ...]) -> pd.DataFrame:
    """What delivery said last of these alerts, as `book.held_back` gives it."""
    return shared("held_back", lambda state: book.held_back(state, alerts), alerts)


def told(fingerprints: tuple[str, ...]) -> pd.DataFrame:
    """Who was told of these alerts, as `book.told` gives it."""
    return shared("told", lambda state: book.told(state, fingerprints), fingerprints)


def episodes(fingerprint: str) -> pd.DataFrame:
    """Every episode of one alert, as `book.episodes` gives it."""
    return shared("episodes", lambda state: book.episodes(state, fingerprint), fingerprint)


def story(fingerprints: tuple[str, ...], start: datetime, end: datetime) -> pd.DataFrame:
    """What happened to these alerts, as `book.story` gives it."""
    return shared("story", lambda state: book.story(state, fingerprints, start, end), fingerprints, start, end)


def notices() -> pd.DataFrame:
    """The newest notices of the last seven days, as `book.notices` gives it."""
    return shared("notices", lambda state: book.notices(state, now() - RECENT))


def history(window: Window) -> pd.DataFrame:
    """What fired in a window, as `past.history` gives it, with what fired since a range that ends now was rounded down."""
    whole = until_now(window)
    return shared("history", lambda state: past.history(state, whole), whole.start, window.end)


def silences() -> tuple[Silence, ...]:
    """The silences that count, will count or ended in the last seven days, the newest first."""

    def ask(state: State) -> tuple[Silence, ...]:
        with state.reading(book.SOURCE) as session:
            return tuple(every(session, now() - RECENT))

    return shared("silences", ask)


def until_now(window: Window) -> Window:
    """A range that ends about now, with what happened since it was rounded down: one looks for what just happened."""
    moment = now()
    late = moment - window.end < timedelta(minutes=6)
    return Window(window.start, moment + timedelta(seconds=1), window.zone) if late else window


def forget() -> None:
    """Has every question asked anew."""
    _answer.clear()
    _failed.clear()


def shared(name: str, ask: Callable[[State], T], *params: Any) -> T:
    """An answer for all viewers. While the state database fails, one viewer's wait is enough for all of them."""
    until, failure = _failed.get(name, (0.0, None))
    if failure is not None and time.monotonic() < until:
        raise failure
    try:
        found: T = _answer(name, params, ask)
    except SourceError as error:
        _failed[name] = (time.monotonic() + FAILURE_S, error)
        raise
    return found


# A shared object instead of a copy for each viewer: ten thousand open alerts are not copied at every refresh.
@st.cache_resource(ttl=TTL_S, max_entries=MOST_ANSWERS, show_spinner=False)
def _answer(name: str, params: tuple[Any, ...], _ask: Callable[[State], Any]) -> Any:
    return _ask(state())


def state() -> State:
    """The state database of this process. Raises SourceUnavailable where there is none."""
    found = runtime.current().state
    if found is None:
        raise SourceUnavailable("this process has no state database", book.SOURCE)
    return found


cache.others.append(forget)
identity.after.append(forget)
