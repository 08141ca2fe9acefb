"""Lucene's query syntax, as people type it, into our tree: what cannot be asked is refused at its character."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from luqum import tree as luqum
from luqum.exceptions import ParseError
from luqum.thread import parse as luqum_parse

from lib.errors import QueryError
from lib.logs.lucene import (
    ALIASES,
    EVERYTHING,
    And,
    Exists,
    Kind,
    Node,
    Not,
    Or,
    Phrase,
    Range,
    Term,
    Wildcard,
    is_number,
    kind_of,
)

MOST_CHARACTERS = 256
MOST_CLAUSES = 50
DEEPEST = 10

_STATUS_CLASS = re.compile(r"([1-9])xx", re.IGNORECASE)
_AT = re.compile(r"at position (\d+)")
_REFUSED = {
    luqum.Regex: "regular expressions cannot be asked: use * and ?, or put a path in quotes",
    luqum.Fuzzy: "a fuzzy search (~) cannot be asked: use * and ?",
    luqum.Proximity: "words near each other (~) cannot be asked: use AND",
    luqum.Boost: "a weight (^) has no meaning here: records come in the order of their time",
}
_SIGNS = {"&&": "AND", "||": "OR", "!": "NOT"}


@lru_cache(maxsize=1024)
def parse(text: str) -> Node:
    """The tree of a query; EVERYTHING for a blank one. Raises QueryError with the position of what is wrong."""
    if len(text) > MOST_CHARACTERS:
        raise QueryError(f"a query has at most {MOST_CHARACTERS} characters", MOST_CHARACTERS)
    if not text.strip():
        return EVERYTHING
    try:
        found = luqum_parse(text)
    except ParseError as error:
        raise _explained(text, str(error)) from None
    node = _read(found, "")
    if _clauses(node) > MOST_CLAUSES:
        raise QueryError(f"a query has at most {MOST_CLAUSES} conditions")
    if _depth(node) > DEEPEST:
        raise QueryError(f"a query has at most {DEEPEST} levels of brackets")
    return node


def _explained(text: str, reason: str) -> QueryError:
    found = _AT.search(reason)
    if found is None:
        return QueryError("the query ends too early: a bracket, a quote or a value is missing", len(text))
    position = int(found[1])
    sign = text[position : position + 1]
    if sign == '"':
        return QueryError("the quote is not closed", position)
    if sign == "/":
        return QueryError("a text that begins with / needs quotes", position)
    if sign == "\\":
        return QueryError("a backslash needs a character after it", position)
    return QueryError(f"not a valid query: unexpected {sign or 'end'}", position)


def _read(item: Any, field: str) -> Node:
    reader = _READERS.get(type(item))
    if type(item) in _REFUSED or reader is None:
        raise QueryError(_REFUSED.get(type(item), "this cannot be asked"), item.pos)
    node: Node = reader(item, field)
    return node


def _field(item: Any, field: str) -> Node:
    if field:
        raise QueryError("a field inside a field: put text with a colon in quotes", item.pos)
    name = _unescaped(item.name)
    if name == "_exists_":
        return _exists(item.expr)
    if name == "*" and _raw(item.expr) == "*":
        return EVERYTHING
    if "*" in name or "?" in name:
        raise QueryError("the name of a field has no * and ?", item.pos)
    if isinstance(item.expr, luqum.Prohibit) and is_number(f"-{_raw(item.expr.a)}"):
        return _compared(ALIASES.get(name, name), f"-{_raw(item.expr.a)}", item.expr)
    return _read(item.expr, ALIASES.get(name, name))


def _exists(item: Any) -> Node:
    if not isinstance(item, luqum.Word | luqum.Phrase):
        raise QueryError("_exists_: needs the name of a field", item.pos)
    name = _text(item)
    return Exists(ALIASES.get(name, name))


def _word(item: Any, field: str) -> Node:
    raw = item.value
    if raw in _SIGNS or raw.startswith("!"):
        sign = raw if raw in _SIGNS else "!"
        raise QueryError(f"write {_SIGNS[sign]} instead of {sign}", item.pos)
    if raw == "*":
        return Exists(field) if field else EVERYTHING
    pattern = _pattern(raw)
    if pattern is None:
        return _compared(field, _unescaped(raw), item)
    if pattern[0] in "*?":
        raise QueryError("a * or ? at the front would read every record: begin with a character", item.pos)
    if kind_of(field) in (Kind.NUMBER, Kind.TIME):
        raise QueryError(f"{field} is compared as a {kind_of(field)}: use a range", item.pos)
    return Wildcard(field, _level(pattern) if field == "level" else pattern)


def _compared(field: str, value: str, item: Any) -> Node:
    if field == "status" and (found := _STATUS_CLASS.fullmatch(value)):
        return Range(field, f"{found[1]}00", f"{found[1]}99")
    if kind_of(field) is Kind.NUMBER:
        return Term(field, _number(field, value, item))
    if kind_of(field) is Kind.TIME:
        moment = _moment(value, item)
        return Range(field, moment, moment)
    return Term(field, _level(value) if field == "level" else value)


def _phrase(item: Any, field: str) -> Node:
    value = _text(item)
    if not value:
        return Not(Exists(field)) if field else EVERYTHING
    if kind_of(field) in (Kind.NUMBER, Kind.TIME):
        return _compared(field, value, item)
    return Phrase(field, _level(value) if field == "level" else value)


def _level(value: str) -> str:
    """Levels are kept in upper case, and WARNING as WARN."""
    upper = value.upper()
    return "WARN" if upper == "WARNING" else upper


def _range(item: Any, field: str) -> Node:
    if isinstance(item, luqum.From):
        return _between(item, field, (item.a, item.include), (None, True))
    if isinstance(item, luqum.To):
        return _between(item, field, (None, True), (item.a, item.include))
    return _between(item, field, (item.low, item.include_low), (item.high, item.include_high))


def _between(item: Any, field: str, low: tuple[Any, bool], high: tuple[Any, bool]) -> Node:
    if not field:
        raise QueryError("a range needs a field before it, such as duration:>500", item.pos)
    if kind_of(field) is Kind.TEXT or field == "level":
        raise QueryError(f"{field} is a text and has no order", item.pos)
    ends = [_bound(field, end) if end is not None else None for end in (low[0], high[0])]
    if ends == [None, None]:
        return Exists(field)
    return Range(field, ends[0], ends[1], low[1], high[1])


def _bound(field: str, item: Any) -> str | None:
    value = f"-{_text(item.a)}" if isinstance(item, luqum.Prohibit) else _text(item)
    if value == "*" and isinstance(item, luqum.Word):
        return None
    if kind_of(field) is Kind.NUMBER:
        return _number(field, value, item)
    return _moment(value, item) if kind_of(field) is Kind.TIME else value


def _number(field: str, value: str, item: Any) -> str:
    if not is_number(value):
        raise QueryError(f"{field} is a number: “{value}” is none", item.pos)
    return value


def _moment(value: str, item: Any) -> str:
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise QueryError("not a time: write it as 2026-03-02T10:00, in UTC", item.pos) from None


def _all(item: Any, field: str) -> Node:
    return _flat(And, [_read(child, field) for child in item.children])


def _any(item: Any, field: str) -> Node:
    return _flat(Or, [_read(child, field) for child in item.children])


def _flat(kind: type[And | Or], nodes: Sequence[Node]) -> Node:
    """a AND (b AND c) is one level, as a AND b AND c is."""
    parts: list[Node] = []
    for node in nodes:
        parts += node.parts if isinstance(node, kind) and node.parts else (node,)
    return kind(tuple(parts))


def _inner(item: Any, field: str) -> Node:
    return _read(item.children[0], field)


def _negated(item: Any, field: str) -> Node:
    return Not(_read(item.a, field))


_READERS: dict[type, Any] = {
    luqum.SearchField: _field, luqum.Word: _word, luqum.Phrase: _phrase, luqum.Range: _range, luqum.From: _range,
    luqum.To: _range, luqum.AndOperation: _all, luqum.UnknownOperation: _all, luqum.OrOperation: _any,
    luqum.Group: _inner, luqum.FieldGroup: _inner, luqum.Plus: _inner, luqum.Not: _negated, luqum.Prohibit: _negated,
}  # fmt: skip


def _raw(item: Any) -> str:
    return str(item.value) if isinstance(item, luqum.Word) else ""


def _text(item: Any) -> str:
    value = str(item.value)
    return _unescaped(value[1:-1] if isinstance(item, luqum.Phrase) else value)


def _unescaped(raw: str) -> str:
    return re.sub(r"\\(.)", r"\1", raw, flags=re.DOTALL)


def _pattern(raw: str) -> str | None:
    """A word with backslashes only before * ? and \\; None where no * or ? has its meaning."""
    parts = re.findall(r"\\?.", raw, re.DOTALL)
    if "*" not in parts and "?" not in parts:
        return None
    return "".join(part if part in ("*", "?") else re.sub(r"([*?\\])", r"\\\1", part[-1]) for part in parts)


def _clauses(node: Node) -> int:
    if isinstance(node, And | Or):
        return sum(map(_clauses, node.parts))
    return _clauses(node.part) if isinstance(node, Not) else 1


def _depth(node: Node) -> int:
    if isinstance(node, And | Or):
        return 1 + max(map(_depth, node.parts), default=0)
    return 1 + _depth(node.part) if isinstance(node, Not) else 0
