"""What comes with an answer besides the answer: what the store wants said about it, and how it was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeVar

T = TypeVar("T")
MOST_TEXT = 4_000
"""Characters of a question that are kept."""


class Note(NamedTuple):
    """One remark: `source` is the store's name on the pages, `text` its words (foreign: escape them).

    `doubtful` says that the answer may be incomplete or wrong, so that it must not resolve an alert or read as
    "all good"; otherwise the remark only informs. A plain tuple, so that caches may pickle it as one.
    """

    source: str
    text: str
    doubtful: bool = True


class Question(NamedTuple):
    """One question as it was put to a store, in the store's own language: PromQL, SQL, a JSON body.

    `took_ms` until the answer was there, `rows` of the answer (series, for PromQL; -1 where the database does not say).
    A plain tuple, like a note.
    """

    source: str
    text: str
    took_ms: float
    rows: int


_collecting: ContextVar[dict[Note, None] | None] = ContextVar("_collecting", default=None)


@contextmanager
def collected() -> Iterator[list[Note]]:
    """Gathers the notes of every answer given inside, each once; the list is complete when the block ends.

    A block inside another keeps its notes for itself and hands them on to the outer one at its end. Threads started
    inside gather nothing unless they run in a copy of this context.
    """
    notes: list[Note] = []
    gathered: dict[Note, None] = {}
    token = _collecting.set(gathered)
    try:
        yield notes
    finally:
        _collecting.reset(token)
        notes += gathered
        for note in notes:
            add(note)


def add(note: Note) -> None:
    """Says something about the answer that is being given; heard by whoever gathers, by nobody otherwise."""
    gathered = _collecting.get()
    if gathered is not None:
        gathered[note] = None


def say(source: str, text: str, *, doubtful: bool = True) -> None:
    """`add` of a note made of these."""
    add(Note(source, text, doubtful))


_asking: ContextVar[list[Question] | None] = ContextVar("_asking", default=None)


@contextmanager
def questions() -> Iterator[list[Question]]:
    """Gathers the questions that are put to the stores inside, in their order."""
    gathered: list[Question] = []
    token = _asking.set(gathered)
    try:
        yield gathered
    finally:
        _asking.reset(token)


def put(question: Question) -> None:
    """Tells whoever gathers questions of this one."""
    gathered = _asking.get()
    if gathered is not None:
        gathered.append(question)


def timed(source: str, text: str, ask: Callable[[], T], rows: Callable[[T], int]) -> T:
    """What `ask` gives; whoever gathers questions hears of this one. A question without an answer is not told."""
    began = time.perf_counter()
    answer = ask()
    if _asking.get() is not None:
        took_ms = (time.perf_counter() - began) * 1000
        put(Question(source, text[:MOST_TEXT], took_ms, rows(answer)))
    return answer
