"""The query language: what it reads, what it refuses and where, and that every translation selects what it means."""

from __future__ import annotations

import fnmatch
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.errors import QueryError
from lib.logs.base import LogQuery
from lib.logs.duckdb import DuckLogs
from lib.logs.lucene import (
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
    clause,
    kind_of,
)
from lib.logs.lucene_elastic import body
from lib.logs.lucene_parse import parse
from lib.window import Window
from tests.logs.batches import NOON, batch
from tests.logs.lucene_world import holds, queries, records

DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", EVERYTHING),
        ("*", EVERYTHING),
        ("*:*", EVERYTHING),
        ("timeout", Term("", "timeout")),
        ("a b", And((Term("", "a"), Term("", "b")))),
        ("a AND (b AND c)", And((Term("", "a"), Term("", "b"), Term("", "c")))),
        ("a OR b c", And((Or((Term("", "a"), Term("", "b"))), Term("", "c")))),
        ("+a -b", And((Term("", "a"), Not(Term("", "b"))))),
        ("level:warning", Term("level", "WARN")),
        ("requestId:r-1", Term("request_id", "r-1")),
        ('x:"a \\"b\\" \\\\ *"', Phrase("x", 'a "b" \\ *')),
        ("x:a\\*b", Term("x", "a*b")),
        ("x:a\\*b*", Wildcard("x", "a\\*b*")),
        ("source:(apollo OR zoominfo)", Or((Term("source", "apollo"), Term("source", "zoominfo")))),
        ("status:5xx", Range("status", "500", "599")),
        ("duration:>=500", Range("duration_ms", "500", None)),
        ("n:[-5 TO 7}", Range("n", "-5", "7", True, False)),
        ("n:-5", Term("n", "-5")),
        ("n:-x", Not(Term("n", "x"))),
        ("x:*", Exists("x")),
        ("x:[* TO *]", Exists("x")),
        ("_exists_:leadId", Exists("lead_id")),
        ('x:""', Not(Exists("x"))),
        ("ts:[2026-03-02T10:00 TO *]", Range("ts", "2026-03-02T10:00:00+00:00", None)),
        ("it's@50%.com", Term("", "it's@50%.com")),
    ],
)
def test_a_query_is_read_as_meant(text: str, tree: Node) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("(a", 2, "too early"),
        ("level:", 6, "too early"),
        ("a)", 1, "unexpected"),
        ('x "abc', 2, "not closed"),
        ("url:/api", 4, "quotes"),
        ("x:/(a+)+/", 2, "regular expressions"),
        ("url:/api/leads", 4, "quotes"),
        ("x:*foo", 2, "front"),
        ("?foo", 0, "front"),
        ("ab foo~2", 3, "fuzzy"),
        ('ab "a b"~3', 3, "near each other"),
        ("a^2", 0, "weight"),
        ("a && b", 2, "write AND"),
        ("a || b", 2, "write OR"),
        ("a !b", 2, "write NOT"),
        ("status:abc", 7, "number"),
        ("duration:>abc", 10, "number"),
        ("status:5*", 7, "range"),
        ("ts:yesterday", 3, "time"),
        ("[1 TO 2]", 0, "field before"),
        ("message:>a", 8, "no order"),
        ("level:>a", 6, "no order"),
        ("a:b:c", 2, "field inside"),
        ("na*me:x", 0, "name of a field"),
        ("a\\", 1, "backslash"),
        ("a" * 257, 256, "256"),
        (" ".join("a" * 51), None, "50 conditions"),
        ("NOT " * 12 + "a", None, "10 levels"),
        ("(" * 100 + "a" + ")" * 99, 200, "too early"),
    ],
)
def test_what_cannot_be_asked_is_refused_where_it_stands(text: str, position: int | None, words: str) -> None:
    with pytest.raises(QueryError, match=re.escape(words)) as refused:
        parse(text)

    assert refused.value.position == position


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60), st.sampled_from(["service", "a.b", "odd key:/~*"]))
def test_a_clicked_value_is_the_value_whatever_is_in_it(value: str, field: str) -> None:
    expected: Node = Phrase(field, value) if value else Not(Exists(field))

    if "*" in field:
        with pytest.raises(QueryError, match="name of a field"):
            parse(clause(field, value or "x"))
    else:
        assert parse(clause(field, value)) == expected
        assert parse(clause(field, value, negated=True)) == (Not(expected) if value else Exists(field))


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_within_itself(text: str) -> None:
    try:
        parse(text)
    except QueryError as error:
        assert error.position is None or 0 <= error.position <= len(text)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckLogs]:
    opened = DuckLogs(tmp_path_factory.mktemp("lucene") / "logs.duckdb")
    yield opened
    opened.close()


@given(st.lists(records, min_size=1, max_size=12), st.lists(queries, min_size=1, max_size=8))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_both_translations_select_the_records_that_the_tree_means(
    store: DuckLogs, rows: list[dict[str, Any]], texts: list[str]
) -> None:
    with store._db.write() as writer:
        writer.execute("DELETE FROM records")
    store.write(batch(rows))
    for text in texts:
        try:
            tree = parse(text)
        except QueryError as error:
            assert error.position is None or error.position <= len(text)
            continue

        found = store.search(LogQuery(DAY, lucene=text))

        expected = [str(n) for n, row in enumerate(rows) if holds(tree, row)]
        assert sorted(found["id"], key=int) == expected, text
        assert store.count(LogQuery(DAY, lucene=text)) == len(expected), text
        if all(
            kind_of(field) is not Kind.JSON for field in fields_of(tree)
        ):  # how JSON is mapped is the index's affair
            assert [str(n) for n, row in enumerate(rows) if judged(body(tree, Keywords()), row)] == expected, text


def fields_of(node: Node) -> set[str]:
    """Every field that a tree names."""
    if isinstance(node, And | Or):
        return {field for part in node.parts for field in fields_of(part)}
    return fields_of(node.part) if isinstance(node, Not) else {node.field or "message"}


@dataclass(frozen=True)
class Keyword:
    """A field as an index with keywords alone has it."""

    name: str
    kind: str
    base: str
    most: float = math.inf


class Keywords:
    """An index with no other texts."""

    whole = ""

    def paths(self, field: str) -> list[Keyword]:
        kinds = {Kind.NUMBER: "number", Kind.TIME: "date"}
        return [] if kind_of(field) is Kind.JSON else [Keyword(field, kinds.get(kind_of(field), "exact"), field)]

    def own(self, *_: object) -> None:
        """Every field is there."""


class Booleans(Keywords):
    """An index in which everything is true or false."""

    def paths(self, field: str) -> list[Keyword]:
        return [Keyword(field, "boolean", field)]


class Analysed(Keywords):
    """An index that knows words alone."""

    def paths(self, field: str) -> list[Keyword]:
        return [Keyword(field, "text", field)]


def judged(clause: dict[str, Any], row: dict[str, Any]) -> bool:
    """What Elasticsearch would say, for the clauses that the translation may use."""
    ((kind, asked),) = clause.items()
    if kind == "bool":
        held = all(judged(part, row) for part in asked.get("filter", ()))
        held = held and not any(judged(part, row) for part in asked.get("must_not", ()))
        return held and ("should" not in asked or any(judged(part, row) for part in asked["should"]))
    if kind in ("match_all", "match_none"):
        return kind == "match_all"
    if kind == "exists":
        return row.get(asked["field"]) is not None
    if "_ignored" in asked:
        return False  # nothing is too long here
    ((field, rule),) = asked.items()
    value = row.get(field, "")
    return value is not None and {"term": _term, "wildcard": _wildcard, "range": _range}[kind](value, rule)


def _term(value: Any, rule: Any) -> bool:
    wanted = rule["value"] if isinstance(rule, dict) else rule
    if isinstance(value, str):
        folded = isinstance(rule, dict) and rule.get("case_insensitive")
        return value.lower() == wanted.lower() if folded else value == wanted
    return bool(value == float(wanted))


def _wildcard(value: str, rule: dict[str, Any]) -> bool:
    signs = re.findall(r"\\?.", rule["value"], re.DOTALL)
    shape = "".join(s if s in ("*", "?") else f"[{s[-1]}]" if s[-1] in "*?[" else s[-1] for s in signs)
    fold = str.lower if rule["case_insensitive"] else str
    return re.match(fnmatch.translate(fold(shape)), fold(value)) is not None


def _range(value: Any, rule: dict[str, Any]) -> bool:
    from datetime import datetime

    tests = {"gte": "__ge__", "gt": "__gt__", "lte": "__le__", "lt": "__lt__"}
    read: Any = str if isinstance(value, str) else float
    value = value.timestamp() * 1000 if isinstance(value, datetime) else value
    return all(getattr(read(value), tests[name])(read(end)) for name, end in rule.items() if name in tests)


@pytest.mark.parametrize("text", ["x:1", "timeout OR level:error", "NOT url:a*"])
def test_elasticsearch_gets_no_query_string(text: str) -> None:
    assert not re.search(r"query_string|regexp|script", json.dumps(body(parse(text), Keywords())))


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("error:RU", {"terms": {"error": ["true"]}}),
        ("error:t*e", {"terms": {"error": ["true"]}}),
        ("error:timeout", {"match_none": {}}),
        ("flag:[* TO true}", {"terms": {"flag": ["false"]}}),
        ("_exists_:flag", {"exists": {"field": "flag"}}),
    ],
)
def test_of_what_is_true_or_false_the_words_are_compared_here(text: str, clause: dict[str, Any]) -> None:
    assert body(parse(text), Booleans()) == clause


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("message:timeout", {"wildcard": {"message": {"value": "*timeout*", "case_insensitive": True}}}),
        ("message:time*", {"wildcard": {"message": {"value": "*time*", "case_insensitive": True}}}),
        ('message:"a b"', {"match_phrase": {"message": {"query": "a b"}}}),
    ],
)
def test_a_text_that_elasticsearch_analyses_is_asked_for_its_words(text: str, clause: dict[str, Any]) -> None:
    found = body(parse(text), Analysed())

    assert found in (clause, {"bool": {"filter": [clause]}})
