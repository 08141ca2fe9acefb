"""A query's tree as Elasticsearch's bool, term, match, range and wildcard clauses: never a query string."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from lib.errors import QueryError
from lib.logs.lucene import (
    BARE,
    And,
    Exists,
    Kind,
    Leaf,
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

Body = dict[str, Any]


class FieldPath(Protocol):
    """Where an index has a field. `name` is what to ask, `base` what a record that has it has.

    `kind`: exact (a keyword), number, date, boolean, object (which can be asked for, not compared), or text (its words
    can be searched, nothing else).
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def base(self) -> str: ...
    @property
    def most(self) -> float: ...


class Index(Protocol):
    """How the indices that are asked have their fields."""

    @property
    def whole(self) -> str:
        """The text field with all the words of a record; "" where there is none."""

    def paths(self, field: str) -> Sequence[FieldPath]:
        """Where a field of the product is; none where the indices do not have it."""

    def own(self, leaf: Leaf, field: str) -> Body | None:
        """The clause of a field that is made from others here; None for every other. Raises QueryError."""


_NONE: Body = {"match_none": {}}
_ALL: Body = {"match_all": {}}
_RUN = re.compile(r"[A-Za-z0-9]+")


def body(node: Node, index: Index) -> Body:
    """The clause that selects the same records. Raises QueryError for what the mapping cannot answer.

    In a text that is analysed, or too long for its keyword, a single word may be part of one; several are whole words.
    """
    if isinstance(node, And):
        return {"bool": {"filter": [body(part, index) for part in node.parts]}} if node.parts else _ALL
    if isinstance(node, Or):
        return _either([body(part, index) for part in node.parts])
    if isinstance(node, Not):
        return {"bool": {"must_not": [body(node.part, index)]}}
    fields = (node.field,) if node.field else BARE
    return _either([clause for field in fields for clause in _of_field(node, field, index)])


def _either(clauses: Sequence[Body]) -> Body:
    if len(clauses) == 1:
        return clauses[0]
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}} if clauses else _NONE


def _of_field(node: Leaf, field: str, index: Index) -> list[Body]:
    """One clause per name of the field; of several names the first that a record has decides."""
    own = index.own(node, field)
    if own is not None:
        return [own]
    clauses, earlier = [], list[Body]()
    for path in index.paths(field):
        clause = _leaf(node, field, path, index.whole)
        alone = not earlier or isinstance(node, Exists)
        clauses.append(clause if alone else {"bool": {"filter": [clause], "must_not": list(earlier)}})
        earlier.append({"exists": {"field": path.base}})
    return clauses


def _leaf(node: Leaf, field: str, path: FieldPath, whole: str) -> Body:
    if isinstance(node, Exists):
        return _exists(path)
    if path.kind == "object":
        return _NONE
    if path.kind == "boolean":
        return _of_two(node, path, part=kind_of(field) is Kind.TEXT)
    if isinstance(node, Range):
        return _range(node, field, path)
    if kind_of(field) is Kind.TEXT:
        return _part_of_text(node, path, whole)
    return _wildcard(node.pattern, field, path) if isinstance(node, Wildcard) else _equal(node, field, path)


def _exists(path: FieldPath) -> Body:
    held: Body = {"exists": {"field": path.base}}
    if path.kind != "exact":
        return held
    too_long = {"term": {"_ignored": path.name}}
    return {"bool": {"filter": [_either([held, too_long])], "must_not": [{"term": {path.name: ""}}]}}


# Long texts: a value is part of them, whatever the case


def _part_of_text(node: Term | Phrase | Wildcard, path: FieldPath, whole: str) -> Body:
    if path.kind in ("number", "date"):
        return _equal(node, "", path) if isinstance(node, Term) else _NONE
    pattern = node.pattern if isinstance(node, Wildcard) else _escaped(node.value)
    if path.kind == "text":
        return _words(node, pattern, path.name)
    kept = _either([{"wildcard": {path.name: _folded(f"*{one}*")}} for one in _cases(pattern)])
    text = whole if path.base == path.name else path.base
    if not text:
        return kept
    too_long = {"bool": {"filter": [{"term": {"_ignored": path.name}}, _words(node, pattern, text)]}}
    return _either([kept, too_long])


def _words(node: Term | Phrase | Wildcard, pattern: str, name: str) -> Body:
    """Of an analysed text every word is known, in small letters."""
    runs = _RUN.findall(pattern)
    if runs and (isinstance(node, Wildcard) or runs == [pattern]):
        return {"bool": {"filter": [{"wildcard": {name: _folded(f"*{run}*")}} for run in runs]}}
    return {"match_phrase": {name: {"query": "" if isinstance(node, Wildcard) else node.value}}}


def _cases(text: str) -> Sequence[str]:
    """The cluster folds the case of ASCII letters only."""
    return (text,) if text.isascii() else tuple(dict.fromkeys((text, text.lower(), text.upper())))


def _folded(pattern: str) -> Body:
    return {"value": pattern, "case_insensitive": True}


def _escaped(value: str) -> str:
    return "".join(f"\\{sign}" if sign in "*?\\" else sign for sign in value)


# Values that are compared as a whole


def _of_two(node: Term | Phrase | Wildcard | Range, path: FieldPath, *, part: bool) -> Body:
    """The cluster compares a boolean with nothing but true and false: which of them the condition means is found here."""
    meant = [word for word in ("true", "false") if _means(node, word, part=part)]
    return {"terms": {path.name: meant}} if meant else _NONE


def _means(node: Term | Phrase | Wildcard | Range, word: str, *, part: bool) -> bool:
    if isinstance(node, Wildcard):
        return _like(f"*{node.pattern.lower()}*" if part else node.pattern, word)
    if isinstance(node, Term | Phrase):
        return node.value.lower() in word if part else node.value == word
    low, high = node.low, node.high
    if all(is_number(end) for end in (low, high) if end is not None):
        return False
    above = low is None or word > low or (node.with_low and word == low)
    return above and (high is None or word < high or (node.with_high and word == high))


def _like(pattern: str, word: str) -> bool:
    """Whether a word has the form of a pattern: after each of its signs, how much of the word may be used up."""
    used = {0}
    for sign in re.findall(r"\\?.", pattern, re.DOTALL):
        if sign == "*":
            used = set(range(min(used), len(word) + 1)) if used else used
        else:
            used = {n + 1 for n in used if n < len(word) and (sign == "?" or sign[-1] == word[n])}
    return len(word) in used


def _equal(node: Term | Phrase, field: str, path: FieldPath) -> Body:
    if path.kind == "number":
        return _number(node.value, path)
    if path.kind == "date":
        moment = _moment(node.value)
        return _NONE if moment is None else _between_ms(path, math.ceil(moment), math.floor(moment))
    if field == "level":
        names = (node.value, "WARNING") if node.value == "WARN" else (node.value,)
        return _either([{"term": {path.name: _folded(name)}} for name in names])
    return {"term": {path.name: {"value": node.value}}}


def _number(value: str, path: FieldPath) -> Body:
    if not is_number(value):
        return _NONE
    number = float(value)
    exact: float | int = int(value) if re.fullmatch(r"-?\d{1,18}", value) else number
    return {"range": {path.name: {"gte": exact, "lte": exact}}} if abs(number) < min(path.most, 2.0**63) else _NONE


def _wildcard(pattern: str, field: str, path: FieldPath) -> Body:
    if path.kind != "exact":
        raise QueryError(f"“{field}” is kept as a {path.kind} in Elasticsearch: * and ? cannot be asked, a range can")
    return {"wildcard": {path.name: {"value": pattern, "case_insensitive": field == "level"}}}


def _range(node: Range, field: str, path: FieldPath) -> Body:
    ends = {"gte" if node.with_low else "gt": node.low, "lte" if node.with_high else "lt": node.high}
    given = {name: end for name, end in ends.items() if end is not None}
    if path.kind == "date":
        return _range_of_time(given, path)
    numbers = all(is_number(end) for end in given.values())
    if path.kind == "number":
        return _range_of_numbers({name: float(end) for name, end in given.items()}, path) if numbers else _NONE
    if numbers and kind_of(field) is Kind.JSON:
        raise QueryError(f"“{field}” is kept as text in Elasticsearch, and text has no order by number")
    above_none = {"gt": ""} if node.low is None and kind_of(field) is Kind.EXACT else {}
    return {"range": {path.name: above_none | given}}


def _range_of_numbers(given: dict[str, float], path: FieldPath) -> Body:
    """An end beyond what the field can hold leaves out nothing, or everything."""
    if any((end if name in ("gte", "gt") else -end) >= path.most for name, end in given.items()):
        return _NONE
    kept = {name: end for name, end in given.items() if abs(end) < path.most}
    return {"range": {path.name: kept}} if kept else {"exists": {"field": path.base}}


def _range_of_time(given: dict[str, str], path: FieldPath) -> Body:
    moments = {name: _moment(end) for name, end in given.items()}
    if None in moments.values():
        return _NONE
    rounded = {
        name: math.ceil(ms) if name in ("gte", "lt") else math.floor(ms)
        for name, ms in moments.items()
        if ms is not None
    }
    return {"range": {path.name: rounded | {"format": "epoch_millis"}}}


def _between_ms(path: FieldPath, first: int, last: int) -> Body:
    return {"range": {path.name: {"gte": first, "lte": last, "format": "epoch_millis"}}} if first <= last else _NONE


def _moment(text: str) -> float | None:
    """Unix ms of an ISO time; without a zone it is UTC. The cluster would round an end without milliseconds up."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(zoned.timestamp() * 1_000_000) / 1000
