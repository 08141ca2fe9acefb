"""Questions of the Logs page that Elasticsearch is not asked yet: refused by name, never answered wrongly."""

from __future__ import annotations

from typing import Any, NoReturn

from lib.errors import SourceRejected
from lib.logs.base import LogQuery
from lib.logs.elastic.client import NAME


class NotYet:
    """`count`, `top`, `around` and `trace` of LogStore. Each raises SourceRejected."""

    def count(self, *_: Any, **__: Any) -> NoReturn:
        """Refused."""
        _refuse("a count of records")

    def top(self, *_: Any, **__: Any) -> NoReturn:
        """Refused."""
        _refuse("the most frequent values of a field")

    def around(self, *_: Any, **__: Any) -> NoReturn:
        """Refused."""
        _refuse("the records around a record")

    def trace(self, *_: Any, **__: Any) -> NoReturn:
        """Refused."""
        _refuse("the course of a request or lead")


def only_plain(query: LogQuery) -> None:
    """Raises SourceRejected for a question with a typed query: it would be answered as if it had none."""
    if query.lucene.strip() not in ("", "*", "*:*"):
        _refuse("a typed query")


def _refuse(what: str) -> NoReturn:
    raise SourceRejected(f"{what} cannot be asked of Elasticsearch yet, only of the embedded store", NAME)
