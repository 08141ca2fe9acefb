"""The one seam between pages and signals: viewers share answers, and a source that is down leaves its last good one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from lib import at_once, notes, shared_answers, signals
from lib.errors import OpsError, SourceError, SourceUnavailable
from lib.notes import Note, Question
from lib.ui import runtime
from lib.ui.clock import now
from lib.window import DAY, Window

T = TypeVar("T")
TTL_S = 60
FAILURE_S = 5
"""A failed question is not asked again for this long, or fifty viewers would wait on a dead source one after another."""

MAX_ANSWERS = 400
_Plain = tuple[tuple[Any, ...], ...]
Answer = Any
"""What a signal gives: a DataFrame, or a dict of plain values and DataFrames."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How one answer came to be. `stale_for` is the age of a last good value shown because its source is down.

    `notes` are what the stores said with it: a partial answer, a warning. `questions` is what they were asked. `params` are
    the signal's own.
    """

    signal: str
    window: Window | None
    at: datetime
    took_ms: float
    source_error: str = ""
    source: str = ""
    stale_for: timedelta | None = None
    notes: tuple[Note, ...] = ()
    questions: tuple[Question, ...] = ()
    params: _Plain = ()


asked: ContextVar[list[Asked] | None] = ContextVar("asked", default=None)
"""Where the panel that is being drawn collects its questions."""


others: list[Callable[[], None]] = []
"""What clears the answers that other modules share by themselves."""


class _Bounded(OrderedDict[Any, Any]):
    """A dict of at most MAX_ANSWERS entries, oldest out first, safe to use from several sessions."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def put(self, key: Any, value: Any) -> None:
        """Adds or renews an entry."""
        with self._lock:
            self[key] = value
            self.move_to_end(key)
            while len(self) > MAX_ANSWERS:
                self.popitem(last=False)

    def take_out(self, key: Any) -> None:
        """Removes an entry if it is there."""
        with self._lock:
            self.pop(key, None)


_last_good = _Bounded()
_failures = _Bounded()
_asked_at = _Bounded()
_down = _Bounded()
"""Since when a source, by its name on the pages, has not answered."""


def frame(signal_name: str, window: Window, **params: Any) -> Answer:
    """The signal's answer for a window, asked once however many viewers look; `params` must be hashable.

    While the source is down, the last good answer to the same question over the same length, marked in the panel.
    Raises SourceError where there is none, QueryError for what cannot be asked, KeyError for an unknown signal.
    """
    shared, rest = _shared(window), tuple(sorted(params.items()))
    lasting = (signal_name, shared.length, rest)
    try:
        held = _ask(signal_name, shared.start, shared.end, shared.zone, rest)
    except SourceError as error:
        return _last_good_answer(lasting, window, error)
    _keep(lasting, held)
    answer, at, took_ms, said, put = held
    collect(Asked(signal_name, window, at, took_ms, notes=_notes(said), questions=_questions(put), params=rest))
    return answer


def ask_ahead(signal_name: str, window: Window, **params: Any) -> None:
    """Has another thread ask what `frame` will be asked, where no answer is at hand; who asks meanwhile waits for that one."""
    shared, rest = _shared(window), tuple(sorted(params.items()))
    key = (signal_name, shared.start, shared.end, shared.zone, rest)
    asked_at: float = _asked_at.get(key, float("-inf"))
    if time.monotonic() - asked_at > TTL_S:
        _asked_at.put(key, time.monotonic())
        at_once.begin(lambda: _ask_quietly(key))


def _ask_quietly(key: tuple[Any, ...]) -> None:
    with suppress(OpsError):  # told to whoever asks next
        _ask(*key)


def _shared(window: Window) -> Window:
    """The window that viewers share: a zone only matters where buckets are days."""
    return window if window.length >= 2 * DAY else Window(window.start, window.end, "UTC")


def down_since(source: str) -> datetime | None:
    """When a source was first found not to answer, of those that still do not; None: it answers, or was not asked."""
    found: datetime | None = _down.get(source)
    return found


_Held = tuple[Answer, datetime, float, _Plain, _Plain]
"""An answer, when it came, how long it took, and the notes and questions that came with it."""


def _keep(lasting: tuple[Any, ...], held: _Held) -> None:
    """Keeps a copy of each new answer: pages change the one that they got."""
    kept = _last_good.get(lasting)
    if kept is None or kept[1] != held[1]:
        _last_good.put(lasting, (_copied(held[0]), *held[1:]))


def _copied(answer: Answer) -> Answer:
    if isinstance(answer, dict):
        return {name: _copied(part) for name, part in answer.items()}
    return answer.copy() if isinstance(answer, pd.DataFrame) else answer


def _last_good_answer(lasting: tuple[Any, ...], window: Window, error: SourceError) -> Answer:
    if lasting not in _last_good:
        raise error
    answer, at, took_ms, said, put = _last_good[lasting]
    failed = str(error), error.source, now() - at
    collect(Asked(lasting[0], window, at, took_ms, *failed, _notes(said), _questions(put)))
    return _copied(answer)


@st.cache_data(ttl=TTL_S, max_entries=MAX_ANSWERS, show_spinner=False, refresh_mode="background")
def _ask(signal_name: str, start: datetime, end: datetime, zone: str, params: tuple[tuple[str, Any], ...]) -> _Held:
    key = (signal_name, start, end, zone, params)
    until, failure = _failures.get(key, (0.0, None))
    if failure is not None and time.monotonic() < until:
        raise failure
    began = time.perf_counter()
    try:
        with notes.collected() as said, notes.questions() as put:
            answer = signals.SIGNALS[signal_name](runtime.current().stores, Window(start, end, zone), **dict(params))
    except SourceError as error:
        _failures.put(key, (time.monotonic() + FAILURE_S, error))
        if isinstance(error, SourceUnavailable) and error.source not in _down:
            _down.put(error.source, now())
        _asked_at.take_out(key)
        raise
    _failures.take_out(key)
    for name in {question.source for question in put}:
        _down.take_out(name)
    took_ms = (time.perf_counter() - began) * 1000
    return answer, now(), took_ms, tuple(tuple(note) for note in said), tuple(tuple(question) for question in put)


# The cache holds notes and questions as plain tuples, as it holds nothing of our own classes.
def _notes(said: _Plain) -> tuple[Note, ...]:
    return tuple(Note(*parts) for parts in said)


def _questions(put: _Plain) -> tuple[Question, ...]:
    return tuple(Question(*parts) for parts in put)


def collect(question: Asked) -> None:
    """Tells the panel that is being drawn how an answer came to be."""
    collected = asked.get()
    if collected is not None:
        collected.append(question)


Told = tuple[datetime, float, _Plain]
"""When an answer came, how long it took (ms), and what was put to the stores for it; plain, as a cache may hold it."""


def asking(ask: Callable[[], T]) -> tuple[T, Told]:
    """What `ask` gives, and how it was asked: for answers that are no signal's and that others keep by themselves."""
    began = time.perf_counter()
    with notes.questions() as put:
        answer = ask()
    return answer, (now(), (time.perf_counter() - began) * 1000, tuple(tuple(question) for question in put))


def tell(name: str, told: Told) -> None:
    """Tells the panel that is being drawn how an answer came to be that `asking` gave."""
    collect(Asked(name, None, *told[:2], questions=_questions(told[2])))


def expire() -> None:
    """Has every question asked anew; last good answers stay. For the refresh button."""
    _ask.clear()
    _failures.clear()
    _asked_at.clear()
    shared_answers.forget()
    for clear in others:
        clear()


def forget() -> None:
    """Drops every answer, the last good ones as well: for tests."""
    expire()
    _last_good.clear()
    _down.clear()
