"""What a query in Lucene's syntax means: a small tree, and how each field compares.

::

    timeout "gave up"             both are somewhere in message, error or stack, whatever the case
    level:error -source:apollo    a field is this value; NOT this one
    status:5xx  duration:>=500    a class of answers; numbers as numbers; [500 TO 900}, also of times: ts:[2026-03-02 TO *]
    operation:halo*  _exists_:email   * and ? stand for characters, but not at the front; the field has a value
    a OR (b AND NOT c)            words side by side must all hold

A field is a column or one of the record's own names (`requestId`, `context.leadId`): what is no column is looked up in
`fields`. Message, error, stack, url and reason hold a value that is part of them; every other field is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

BARE = ("message", "error", "stack")
"""Where a word without a field is looked for."""


class Kind(StrEnum):
    """How a field's values compare: part of a long text, the whole value, a number, a time, or whatever JSON holds."""

    TEXT = "text"
    EXACT = "exact"
    NUMBER = "number"
    TIME = "time"
    JSON = "json"


KINDS = (
    dict.fromkeys(("message", "error", "stack", "url", "reason"), Kind.TEXT)
    | dict.fromkeys(
        ("id", "level", "service", "version", "event", "request_id", "lead_id", "source", "operation", "method", "route",
         "pattern_id", "file"),
        Kind.EXACT,
    )
    | dict.fromkeys(
        ("status", "duration_ms", "value", "sync_ms", "processed", "successful", "failed", "response_bytes"), Kind.NUMBER
    )
    | {"ts": Kind.TIME}
)  # fmt: skip
"""The fields that are columns; every other is looked up in the record's JSON."""

ALIASES = {
    "timestamp": "ts", "@timestamp": "ts", "requestId": "request_id", "leadId": "lead_id", "statusCode": "status",
    "duration": "duration_ms", "responseSize": "response_bytes", "pattern": "pattern_id", "stats.duration": "sync_ms",
    "stats.processed": "processed", "stats.successful": "successful", "stats.failed": "failed",
}  # fmt: skip
"""The integration's own names of fields that are columns."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word; `field` "" is BARE."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """Text in quotes, nothing in which has a meaning of its own."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A word with * and ?; those that mean themselves have a backslash before them."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Range:
    """Between two values; None is open. Both are numbers or ISO times in UTC where the field's kind asks for that."""

    field: str
    low: str | None
    high: str | None
    with_low: bool = True
    with_high: bool = True


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value that is not empty."""

    field: str


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds; none: everything."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold: also where the record lacks the field."""

    part: Node


Leaf = Term | Phrase | Wildcard | Range | Exists
Node = Leaf | And | Or | Not
EVERYTHING = And(())

_NUMBER = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?")


def kind_of(field: str) -> Kind:
    """How the values of a field compare."""
    return KINDS.get(field, Kind.JSON)


def is_number(text: str) -> bool:
    """Whether a text compares as a number."""
    return _NUMBER.fullmatch(text) is not None


def clause(field: str, value: str, *, negated: bool = False) -> str:
    """The query text for records whose field is this value; "" stands for those that lack it."""
    name = re.sub(r"([\s:^~(){}\[\]/\"'+\-\\<>])", r"\\\1", field)
    if not value:
        return f"_exists_:{name}" if negated else f"NOT _exists_:{name}"
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{"NOT " if negated else ""}{name}:"{quoted}"'
