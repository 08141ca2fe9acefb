"""A typed query as the cluster can judge it: fields that indices lack are asked by what they are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lib.errors import QueryError
from lib.logs.base import LogQuery, Match
from lib.logs.elastic.client import Body
from lib.logs.elastic.fields import Path, Plan
from lib.logs.elastic.routes import query_of
from lib.logs.lucene import EVERYTHING, And, Exists, Kind, Leaf, Node, Not, Or, Phrase, Term, kind_of
from lib.logs.lucene_parse import parse


def split(query: LogQuery) -> tuple[tuple[Match, ...], Node]:
    """The matches of a query, those on patterns that were typed among them, and what else was typed."""
    node = parse(query.lucene)
    parts = node.parts if isinstance(node, And) else (node,)
    found = [_on_pattern(part) for part in parts]
    rest = tuple(part for part, match in zip(parts, found, strict=True) if match is None)
    where = (*query.where, *(match for match in found if match is not None))
    return where, rest[0] if len(rest) == 1 else And(rest) if rest else EVERYTHING


def _on_pattern(node: Node) -> Match | None:
    leaf = node.part if isinstance(node, Not) else node
    if isinstance(leaf, Term | Phrase) and leaf.field == "pattern_id":
        return Match("pattern_id", (leaf.value,), negated=isinstance(node, Not))
    return None


def free_names(query: LogQuery) -> set[str]:
    """The fields that a typed query names and that are no columns."""
    return {name for name in _names(parse(query.lucene)) if kind_of(name) is Kind.JSON}


def _names(node: Node) -> set[str]:
    if isinstance(node, And | Or):
        return {name for part in node.parts for name in _names(part)}
    if isinstance(node, Not):
        return _names(node.part)
    return {node.field} if node.field else set()


@dataclass(frozen=True, slots=True)
class Asked:
    """The indices of one plan, as lib.logs.lucene_elastic asks them; `derived` tells which fields they lack."""

    plan: Plan
    derived: Callable[[str], bool]

    @property
    def whole(self) -> str:
        """The text with all the words of a record."""
        found = self.plan.paths("everything")
        return found[0].name if found and found[0].kind == "text" else ""

    def paths(self, field: str) -> tuple[Path, ...]:
        """Where the field is. Raises SourceRejected where it cannot be compared as its kind is."""
        kind = kind_of(field)
        if kind is Kind.TIME:
            return tuple(path for path in self.plan.paths("ts") if path.name == self.plan.ts)
        if kind is Kind.NUMBER and field != "status":
            found = self.plan.number(field)
            return (found,) if found else ()
        found_all = self.plan.paths(field)
        whole = [path for path in found_all if path.kind == "text"]
        return found_all if kind is Kind.TEXT or not whole else self.plan.exact(field)

    def own(self, leaf: Leaf, field: str) -> Body | None:
        """The clause of the id, and of a route that only addresses tell."""
        if field == "id":
            return _id(leaf)
        if not self.derived(field):
            return None
        if field == "route" and isinstance(leaf, Exists):
            return {"bool": {"filter": [{"exists": {"field": self.plan.exact("url")[0].base}}]}}
        if field == "route" and isinstance(leaf, Term | Phrase):
            return query_of(self.plan.exact("url")[0].name, leaf.value)
        if field == "route":
            raise QueryError("these indices have addresses, no routes: give the whole route, without * and ?")
        raise QueryError("these indices have no patterns: ask for one pattern, and not inside OR")


def _id(leaf: Leaf) -> Body:
    if isinstance(leaf, Exists):
        return {"match_all": {}}
    if isinstance(leaf, Term | Phrase):
        return {"ids": {"values": [leaf.value]}} if leaf.value else {"match_none": {}}
    raise QueryError("a record's id is asked for as a whole")
