"""What a store wants said with its answer: that it is partial, or was given with warnings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Note(NamedTuple):
    """One remark: `source` is the store's name on the pages, `text` its words (foreign: escape them).

    `doubtful` says that the answer may be incomplete or wrong, so that it must not resolve an alert or read as
    "all good"; otherwise the remark only informs. A plain tuple, so that caches may pickle it as one.
    """

    source: str
    text: str
    doubtful: bool = True


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
