"""How many records there are, and the most frequent values of a field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson
import pandas as pd

from lib.errors import QueryError
from lib.logs import answers
from lib.logs.base import GROUP_FIELDS, LogQuery
from lib.logs.elastic import filters, pages, sums
from lib.logs.elastic.client import NAME, Body
from lib.logs.elastic.fields import Path, Plan
from lib.logs.elastic.records import Row, Source
from lib.logs.elastic.values import key_text
from lib.logs.lucene import Kind, kind_of
from lib.notes import say

SIZE = 1_000
"""Values of a field that are counted; the rest has no names, but has its share."""

MOST_READ = 10_000
_DOUBLES = ("duration_ms", "value", "sync_ms")


def count(source: Source, query: LogQuery) -> int:
    """How many records there are in exactly the window. With a `text` they are read, MOST_READ at most."""
    if not query.text:
        return int(sum(row["records"] for row in sums.rows(source, sums.Question(query, exact=True))) + 0.5)
    found = len(pages.newest(source, query, MOST_READ, None))
    if found == MOST_READ:
        say(NAME, f"more than {MOST_READ:,} records have the text: they were not counted to the end.")
    return found


def top(source: Source, query: LogQuery, field: str, limit: int) -> pd.DataFrame:
    """The answer to `LogStore.top`. Raises QueryError for a time, and for a query with `text`."""
    if kind_of(field) is Kind.TIME:
        raise QueryError("times are not counted by value: look at the chart")
    if query.text:
        raise QueryError("values cannot be counted beside a text to search for: type it as a query")
    counted = Counter[str]()
    by_groups = field in GROUP_FIELDS or any(filters.selected(plan, query)[1] for plan in source.plans)
    if by_groups:
        for row in sums.rows(source, sums.Question(query, (field,), exact=True)):
            counted[row[field]] += row["records"]
        return _frame(counted, sum(counted.values()), limit)
    total = 0.0
    for plan in source.plans:
        total += _of_plan(source, plan, query, field, counted)
    return _frame(counted, total, limit)


def _frame(counted: Counter[str], total: float, limit: int) -> pd.DataFrame:
    first = sorted(counted.items(), key=lambda one: (-round(one[1]), one[0]))[:limit]
    records = np.array([round(number) for _, number in first], dtype="int64")
    columns = {"value": np.array([value for value, _ in first], dtype=object), "records": records}
    return answers.frame(columns | {"share": records / (total or 1)}, answers.TOP_DTYPES)


def _of_plan(source: Source, plan: Plan, query: LogQuery, field: str, counted: Counter[str]) -> int:
    """Adds the values in the indices of a plan; gives how many records there are."""
    paths = plan.exact(field)
    clauses = [filters.within(plan, query), *filters.selected(plan, query)[0]]
    (answer,) = source.connection.search([(plan.indices, _body(paths, clauses))])
    total, found = int(answer["hits"]["total"]["value"]), answer.get("aggregations", {})
    unnamed = 0
    for number, path in enumerate(paths):
        terms = found[f"values{number}"]["terms"]
        unnamed += int(terms.get("sum_other_doc_count", 0))
        for bucket in terms["buckets"]:
            counted[_value(bucket, field, path)] += bucket["doc_count"]
    missing = int(found["none"]["doc_count"]) if paths else total
    if missing:
        counted[""] += missing
    if unnamed:
        say(NAME, f"“{field}” has over {SIZE:,} values: only the most frequent are counted.", doubtful=False)
    if paths and found["long"]["doc_count"]:
        counted.update(_long(source, plan, [*clauses, _too_long(paths)], field))
    return total


def _body(paths: Sequence[Path], clauses: Sequence[Body]) -> Body:
    aggs: Body = {}
    for number, path in enumerate(paths):
        lacking = [filters.has(before.base) for before in paths[:number]]
        terms = {"terms": {"field": path.name, "size": SIZE}}
        aggs[f"values{number}"] = {"filter": {"bool": {"must_not": lacking}}, "aggs": {"terms": terms}}
    if paths:
        named = [filters.has(path.base) for path in paths] + [_too_long(paths)]
        aggs |= {"none": {"filter": {"bool": {"must_not": named}}}, "long": {"filter": _too_long(paths)}}
    return {"size": 0, "track_total_hits": True, "query": {"bool": {"filter": list(clauses)}}, "aggs": aggs}


def _too_long(paths: Sequence[Path]) -> Body:
    """A value that was too long for its keyword is not among the terms."""
    return {"terms": {"_ignored": [path.name for path in paths]}}


def _value(bucket: Body, field: str, path: Path) -> str:
    """As the embedded store writes it."""
    key = bucket["key"]
    if path.kind != "number":
        return str(bucket.get("key_as_string", key))
    if field in _DOUBLES:
        return str(float(key))
    narrow = np.float32(key)
    return str(narrow) if isinstance(key, float) and not key.is_integer() and float(narrow) == key else key_text(key)


def _long(source: Source, plan: Plan, clauses: Sequence[Body], field: str) -> Counter[str]:
    query: Body = {"bool": {"filter": list(clauses)}}
    counted = Counter[str]()
    for row, weight in sums.sampled(source, [(plan, query)])[0]:
        counted[_of_row(row, field)] += weight  # type: ignore[assignment]  # an estimate
    return counted


def _of_row(row: Row, field: str) -> str:
    if field in row:
        return str(row[field] or "")
    held: Any = orjson.loads(row["fields"])
    for key in _steps(held, field):
        held = held.get(key) if isinstance(held, dict) else None
    return held if isinstance(held, str) else "" if held is None else orjson.dumps(held).decode()


def _steps(held: dict[str, Any], field: str) -> Iterator[str]:
    yield from (field,) if field in held else field.split(".")
