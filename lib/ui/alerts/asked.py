"""What pages ask of the alerts: one question for all viewers every few seconds, and anew after what a person did."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import pandas as pd
import streamlit as st

from lib import notes
from lib.alerts import book, past
from lib.alerts.delivery.condition import ChannelStatus
from lib.alerts.silences import Silence, every
from lib.errors import SourceError, SourceUnavailable
from lib.state.database import State
from lib.ui import cache, identity, runtime
from lib.ui.clock import now
from lib.window import DAY, Window

TTL_S = 5
SOON_S = 1
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
    _new_answer.clear()
    _failed.clear()


def shared(name: str, ask: Callable[[State], T], *params: Any, soon: bool = False) -> T:
    """An answer for all viewers, at most TTL_S old (`soon`: SOON_S), and how it was asked for the panel that is being drawn.

    While the state database fails, one viewer's wait is enough for all of them.
    """
    until, failure = _failed.get(name, (0.0, None))
    if failure is not None and time.monotonic() < until:
        raise failure
    try:
        held: _Held = (_new_answer if soon else _answer)(name, params, ask)
    except SourceError as error:
        _failed[name] = (time.monotonic() + FAILURE_S, error)
        raise
    for question in held.questions:  # an answer that is made of others was asked as they were
        notes.put(question)
    cache.collect(cache.Asked(name, None, held.at, held.took_ms, questions=held.questions))
    found: T = held.answer
    return found


class _Held(NamedTuple):
    """An answer, when and how fast it came, and what the database was asked for it."""

    answer: Any
    at: datetime
    took_ms: float
    questions: tuple[notes.Question, ...]


# A shared object instead of a copy for each viewer: ten thousand open alerts are not copied at every refresh.
@st.cache_resource(ttl=TTL_S, max_entries=MOST_ANSWERS, show_spinner=False)
def _answer(name: str, params: tuple[Any, ...], _ask: Callable[[State], Any]) -> _Held:
    return _asked(_ask)


@st.cache_resource(ttl=SOON_S, max_entries=MOST_ANSWERS, show_spinner=False)
def _new_answer(name: str, params: tuple[Any, ...], _ask: Callable[[State], Any]) -> _Held:
    return _asked(_ask)


def _asked(ask: Callable[[State], Any]) -> _Held:
    began = time.perf_counter()
    with notes.questions() as put:
        answer = ask(state())
    return _Held(answer, now(), (time.perf_counter() - began) * 1000, tuple(put))


def state() -> State:
    """The state database of this process. Raises SourceUnavailable where there is none."""
    found = runtime.current().state
    if found is None:
        raise SourceUnavailable("this process has no state database", book.SOURCE)
    return found


cache.others.append(forget)
identity.after.append(forget)
