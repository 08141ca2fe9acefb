"""SQL whose every value is a bound parameter and whose every name comes from this package's own lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lib.errors import QueryError
from lib.logs.base import GROUP_FIELDS, LogQuery, Match

SEARCH_FIELDS = (*GROUP_FIELDS, "request_id", "lead_id")
SEARCHED_TEXT = ("message", "error", "url", "stack", "fields")

_WILD = frozenset("%_\0")
_STATUS_CLASS = re.compile(r"([1-9])xx", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL with the values of its question marks, in order."""

    text: str
    params: tuple[Any, ...] = ()

    def __add__(self, other: Sql | str) -> Sql:
        piece = Sql(other) if isinstance(other, str) else other
        return Sql(" ".join((self.text, piece.text)), self.params + piece.params)


def joined(word: str, pieces: Iterable[Sql]) -> Sql:
    """The pieces with `word` between them."""
    kept = tuple(pieces)
    return Sql(f" {word} ".join(p.text for p in kept), tuple(value for p in kept for value in p.params))


def matches(where: Sequence[Match], *, raw: bool = False) -> Sql:
    """Every match holds; `raw` for the records table, whose status is a number and which has more fields."""
    return joined("AND", (Sql("TRUE"), *(_match(match, raw) for match in where)))


def _match(match: Match, raw: bool) -> Sql:
    if match.field not in (SEARCH_FIELDS if raw else GROUP_FIELDS):
        raise QueryError(f"records cannot be matched on “{match.field}” here: use one of {', '.join(GROUP_FIELDS)}")
    held = _status(match.values, raw) if match.field == "status" else _one_of(match.field, _values(match))
    return Sql("NOT") + held if match.negated else held


def _values(match: Match) -> tuple[str, ...]:
    return tuple(value.upper() for value in match.values) if match.field == "level" else match.values


def _status(values: Sequence[str], raw: bool) -> Sql:
    column = "coalesce(CAST(status AS VARCHAR), '')" if raw else "status"
    classes = tuple(found[1] for value in values if (found := _STATUS_CLASS.fullmatch(value)))
    exact = tuple(value for value in values if not _STATUS_CLASS.fullmatch(value))
    by_class = _one_of(f"length({column}) = 3 AND left({column}, 1)", classes)
    return Sql("(") + _one_of(column, exact) + "OR" + by_class + ")"


def _one_of(column: str, values: Sequence[str]) -> Sql:
    if not values:
        return Sql("FALSE")
    marks = ", ".join("?" * len(values))
    return Sql(f"({column} IN ({marks}))", tuple(values))


def naive(moment: datetime) -> datetime:
    """The moment as DuckDB's TIMESTAMP holds it here: UTC without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def minute_range(query: LogQuery) -> tuple[int, int]:
    """The whole minutes of the window, [first, last), counted from 1970."""
    return int(query.window.start.timestamp() // 60), int(-(-query.window.end.timestamp() // 60))


def contains_text(text: str) -> Sql:
    """The text is somewhere in the record, whatever the case. Wildcards mean themselves."""
    if not text:
        return Sql("TRUE")
    return Sql("(") + joined("OR", (holds(column, text) for column in SEARCHED_TEXT)) + ")"


def holds(column: str, text: str) -> Sql:
    """The column has the text somewhere, whatever the case. ILIKE is a third quicker, but takes wildcards for what they are."""
    if _WILD.isdisjoint(text):
        return Sql(f"({column} ILIKE ?)", (f"%{text}%",))
    return Sql(f"contains(lower({column}), lower(?))", (text,))
