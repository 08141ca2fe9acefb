"""A state database whose commits are made and told as failed, as a disk or a connection that fails in the middle does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy.orm import Session

from lib.errors import SourceUnavailable
from lib.state.database import NAME, State


class Doubtful:
    """Asks as the real one does."""

    def __init__(self, state: State) -> None:
        self._state = state

    def reading(self, source: str = NAME) -> AbstractContextManager[Session]:
        return self._state.reading(source)

    @contextmanager
    def writing(self, source: str = NAME) -> Iterator[Session]:
        with self._state.writing(source) as session:
            yield session
        raise SourceUnavailable("disk I/O error", source)
