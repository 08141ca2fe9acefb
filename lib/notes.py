"""What an answer cannot say about itself: that part of it is missing or estimated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """`partial`: the source did not answer for all of it, so that nothing may be taken for over because of this answer."""

    source: str
    words: str
    partial: bool = True


_said: ContextVar[list[Note] | None] = ContextVar("_said", default=None)


@contextmanager
def collected() -> Iterator[list[Note]]:
    """The notes of every question asked inside, each once; whoever asked outside gets them as well."""
    outer, notes = _said.get(), list[Note]()
    token = _said.set(notes)
    try:
        yield notes
    finally:
        _said.reset(token)
        if outer is not None:
            outer.extend(note for note in notes if note not in outer)


def say(source: str, words: str, *, partial: bool = True) -> None:
    """Notes it for whoever collects; nobody does: nothing happens."""
    notes, note = _said.get(), Note(source, words, partial)
    if notes is not None and note not in notes:
        notes.append(note)
