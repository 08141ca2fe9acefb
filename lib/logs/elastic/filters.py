"""A LogQuery as Elasticsearch filters: terms, ranges and phrases only, never a query string that somebody typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from lib.errors import QueryError
from lib.logs.base import GROUP_FIELDS, LogQuery, Match
from lib.logs.conditions import SEARCH_FIELDS, SEARCHED_TEXT, minute_range
from lib.logs.elastic import typed
from lib.logs.elastic.client import Body
from lib.logs.elastic.fields import Path, Plan
from lib.logs.elastic.routes import query_of
from lib.logs.lucene import EVERYTHING
from lib.logs.lucene_elastic import body
from lib.logs.lucene_parse import parse

MAX_TEXT = 256
DERIVED = {"route": ("url",), "pattern_id": ("error", "message")}
"""Fields that other people's indices lack, and what they are made from here, record by record."""

NONE: Body = {"match_none": {}}
_STATUS_CLASS = re.compile(r"([1-9])xx", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WARNING = {"WARNING": "WARN"}


def derived(plan: Plan, field: str) -> bool:
    """Whether the field has to be made from others in these indices."""
    return field in DERIVED and not plan.paths(field) and any(plan.paths(name) for name in DERIVED[field])


def level_of(text: object) -> str:
    """The level as this product writes it: upper case, WARN."""
    upper = str(text or "").upper()
    return _WARNING.get(upper, upper)


def has(name: str) -> Body:
    """A record has the field."""
    return {"exists": {"field": name}}


def lacks(name: str) -> Body:
    """A record does not have it."""
    return {"bool": {"must_not": [has(name)]}}


def either(clauses: Sequence[Body]) -> Body:
    """At least one holds."""
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}} if clauses else NONE


def within(plan: Plan, query: LogQuery) -> Body:
    """Exactly the window."""
    return between(plan.ts, millis(query.window.start), millis(query.window.end))


def millis(moment: datetime) -> int:
    """The first Unix ms that is not before it."""
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def minutes(plan: Plan, query: LogQuery) -> Body:
    """The whole minutes of the window."""
    first, last = minute_range(query)
    return between(plan.ts, first * 60_000, last * 60_000)


def between(name: str, start_ms: int, end_ms: int) -> Body:
    """[start, end) in Unix ms."""
    return {"range": {name: {"gte": start_ms, "lt": end_ms, "format": "epoch_millis"}}}


def check(query: LogQuery, *, raw: bool = False) -> None:
    """Raises QueryError for a field that cannot be matched on, and for a typed query that is wrong."""
    parse(query.lucene)
    for match in query.where:
        if match.field not in (SEARCH_FIELDS if raw else GROUP_FIELDS):
            raise QueryError(f"records cannot be matched on “{match.field}” here: use one of {', '.join(GROUP_FIELDS)}")


def selected(plan: Plan, query: LogQuery) -> tuple[list[Body], tuple[Match, ...]]:
    """Filters for what the cluster can judge, and the matches on derived fields, to be judged on the rows."""
    where, node = typed.split(query)
    later = tuple(match for match in where if match.field == "pattern_id" and derived(plan, match.field))
    kept = [match_of(plan, match) for match in where if match not in later]
    if node != EVERYTHING:
        kept.append(body(node, typed.Asked(plan, lambda name: derived(plan, name))))
    return kept, later


def match_of(plan: Plan, match: Match) -> Body:
    held = _on_route(plan, match) if derived(plan, match.field) else _first_of(plan.exact(match.field), match)
    return {"bool": {"must_not": [held]}} if match.negated else held


def _on_route(plan: Plan, match: Match) -> Body:
    (path,) = plan.exact("url")
    return either([route_query(path, value) for value in match.values])


def route_query(path: Path, route: str) -> Body:
    """The records on a route, by their address; "" for those without one."""
    return query_of(path.name, route) if route else {"bool": {"must_not": [has(path.base)]}}


def _first_of(paths: Sequence[Path], match: Match) -> Body:
    """Of several names the first that a record has decides."""
    if not paths:
        return {"match_all": {}} if "" in match.values else NONE
    clauses = []
    for number, path in enumerate(paths):
        earlier = [lacks(before.base) for before in paths[:number]]
        clauses.append({"bool": {"filter": [*earlier, either(_one_of(path, match))]}})
    if "" in match.values:
        clauses.append({"bool": {"must_not": [has(path.base) for path in paths]}})
    return either(clauses)


def _one_of(path: Path, match: Match) -> list[Body]:
    if match.field == "level":
        names = {level_of(value) for value in match.values} - {""}
        names |= {"WARNING"} if "WARN" in names else set()
        held = [{"term": {path.name: {"value": name, "case_insensitive": True}}} for name in sorted(names)]
        return held + ([{"term": {path.name: ""}}] if "" in match.values else [])
    values = list(match.values)
    clauses: list[Body] = []
    if match.field == "status":
        classes = [found[1] for value in values if (found := _STATUS_CLASS.fullmatch(value))]
        values = [value for value in values if not _STATUS_CLASS.fullmatch(value)]
        clauses = [_of_class(path, digit) for digit in classes]
    if path.kind == "number":
        values = [value for value in values if value.isascii() and value.isdigit() and len(value) < 10]
    return [*clauses, {"terms": {path.name: values}}] if values else clauses


def _of_class(path: Path, digit: str) -> Body:
    if path.kind == "number":
        return {"range": {path.name: {"gte": int(digit) * 100, "lt": int(digit) * 100 + 100}}}
    return {"regexp": {path.name: f"{digit}[0-9][0-9]"}}


def judged(row: dict[str, Any], later: Sequence[Match]) -> bool:
    """Whether a row whose derived fields are made holds these matches."""
    return all((row[match.field] in match.values) != match.negated for match in later)


def text_clauses(plan: Plan, text: str) -> list[Body]:
    """The record may have the text somewhere; the row tells whether it has. Raises QueryError for over 256 characters."""
    if not text:
        return []
    if len(text) > MAX_TEXT:
        raise QueryError(f"a text to search for has at most {MAX_TEXT} characters")
    inside = re.sub(r"([*?\\])", r"\\\1", text)
    clauses: list[Body] = [
        {"wildcard": {path.name: {"value": f"*{inside}*", "case_insensitive": True}}}
        for field in SEARCHED_TEXT
        for path in plan.paths(field)
        if path.kind == "exact"
    ]
    clauses.append({"multi_match": {"query": text, "type": "phrase", "fields": ["*"], "lenient": True}})
    return [either(clauses)]
