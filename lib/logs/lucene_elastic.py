"""A query's tree as Elasticsearch's bool, term, match, range and wildcard clauses: never a query string."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

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

    `kind`: exact (a keyword), number, date, or text (its words can be searched, nothing else).
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def base(self) -> str: ...


Paths = Callable[[str], Sequence[FieldPath]]
"""Where a field of the product is in the index; none where the index does not have it."""

_NONE: Body = {"match_none": {}}


def body(node: Node, paths: Paths) -> Body:
    """The clause that selects the same records. In an analysed text a word is a whole word, not part of one."""
    if isinstance(node, And):
        return {"bool": {"filter": [body(part, paths) for part in node.parts]}} if node.parts else {"match_all": {}}
    if isinstance(node, Or):
        return _either([body(part, paths) for part in node.parts])
    if isinstance(node, Not):
        return {"bool": {"must_not": [body(node.part, paths)]}}
    fields = (node.field,) if node.field else BARE
    return _either([_leaf(node, field, path) for field in fields for path in paths(field)])


def _either(clauses: Sequence[Body]) -> Body:
    if len(clauses) == 1:
        return clauses[0]
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}} if clauses else _NONE


def _leaf(node: Leaf, field: str, path: FieldPath) -> Body:
    if isinstance(node, Exists):
        return _exists(path)
    if isinstance(node, Range):
        return _range(node, path)
    if isinstance(node, Wildcard):
        return _wildcard(node.pattern, field, path)
    return _equal(node, field, path)


def _exists(path: FieldPath) -> Body:
    empty = [{"term": {path.name: ""}}] if path.kind == "exact" else []
    return {"bool": {"filter": [{"exists": {"field": path.base}}], "must_not": empty}}


def _equal(node: Term | Phrase, field: str, path: FieldPath) -> Body:
    if path.kind == "text":
        query = {"query": node.value} | ({"operator": "and"} if isinstance(node, Term) else {})
        return {"match" if isinstance(node, Term) else "match_phrase": {path.name: query}}
    if path.kind in ("number", "date"):
        return {"term": {path.name: {"value": node.value}}} if is_number(node.value) else _NONE
    if kind_of(field) is Kind.TEXT:
        inside = "".join(f"\\{sign}" if sign in "*?\\" else sign for sign in node.value)
        return _wildcard(inside, field, path)
    return _one_of(node.value, field, path)


def _one_of(value: str, field: str, path: FieldPath) -> Body:
    if field != "level":
        return {"term": {path.name: {"value": value}}}
    names = [value, "WARNING"] if value == "WARN" else [value]
    return _either([{"term": {path.name: {"value": name, "case_insensitive": True}}} for name in names])


def _wildcard(pattern: str, field: str, path: FieldPath) -> Body:
    if path.kind in ("number", "date"):
        return _NONE
    within = kind_of(field) is Kind.TEXT and path.kind == "exact"
    shape = f"*{pattern}*" if within else pattern
    return {
        "wildcard": {path.name: {"value": shape, "case_insensitive": kind_of(field) is Kind.TEXT or field == "level"}}
    }


def _range(node: Range, path: FieldPath) -> Body:
    ends = {"gte" if node.with_low else "gt": node.low, "lte" if node.with_high else "lt": node.high}
    given = {name: end for name, end in ends.items() if end is not None}
    if path.kind == "text" or (path.kind == "number" and not all(map(is_number, given.values()))):
        return _NONE
    return {"range": {path.name: given | ({"format": "strict_date_optional_time"} if path.kind == "date" else {})}}
