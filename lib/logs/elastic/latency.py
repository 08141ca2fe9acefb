"""HTTP latency: requests per bucket of lib.logs.latency and group, so that percentiles come out as the embedded store's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lib.logs.base import LogQuery
from lib.logs.elastic import filters, kinds, sums, typed
from lib.logs.elastic import values as values_of
from lib.logs.elastic.client import NAME, Body
from lib.logs.elastic.fields import Path, Plan
from lib.logs.elastic.kinds import Kinds
from lib.logs.elastic.records import Clean, Row, Source
from lib.logs.elastic.routes import OTHER
from lib.logs.latency import EDGES_MS
from lib.notes import say

_TERMS, _TEXTS = 1_000, 300
_MISSING = -1
_EVERY = range(len(EDGES_MS))

Columns = dict[str, list[Any]]
_Key = tuple[Any, ...]
_Known = Callable[[_Key], Row | None]


def held(source: Source, query: LogQuery) -> tuple[int, ...]:
    """The latency buckets in which the query's window has anything, whatever its matches.

    Asked first, as the cluster takes long to make 600 empty buckets of every group.
    """
    bodies = [
        (plan.indices, _of(filters.minutes(plan, query), kinds.timed(plan), {"bucket": _by_bucket(plan, _EVERY)}))
        for plan in kinds.timed_plans(source)
    ]
    found = [answer["aggregations"]["bucket"]["buckets"] for answer in source.connection.search(bodies)]
    return tuple(number for number in _EVERY if any(buckets[number]["doc_count"] for buckets in found))


def columns(source: Source, asked: sums.Question, counted: Kinds, buckets: Sequence[int]) -> Columns:
    """Per group and one of `buckets`: [`ts` Unix ms,] `by`, `bucket`, `requests`, `sum_ms`, `max_ms`. Groups may repeat.

    What is added up of a group stands in a row without requests: the many buckets are then one small number each.
    """
    found: Columns = {name: [] for name in (*asked.keys, "bucket", "requests", "sum_ms", "max_ms")}
    plans = kinds.timed_plans(source) if buckets else []
    parts = [_Part(plan, asked, counted, buckets, source.clean, _levels(source, plan, asked)) for plan in plans]
    every = 0
    for part, answer in zip(parts, source.connection.search([(p.plan.indices, p.body()) for p in parts]), strict=True):
        every += part.take(answer, found)
    _say_left_out(found, every)
    return found


@dataclass(slots=True)
class _Part:
    """The question to the indices of one plan; `levels` are the aggregations to nest, outermost first."""

    plan: Plan
    asked: sums.Question
    counted: Kinds
    buckets: Sequence[int]
    clean: Clean
    levels: Mapping[str, Body]
    groups: dict[_Key, Row | None] = field(default_factory=dict)

    def body(self) -> Body:
        """Requests per latency bucket and group, and what is added up per group."""
        kept, _ = filters.selected(self.plan, self.asked.query)
        clauses = [*kinds.counted(self.plan, self.counted), *kept]
        added = {name: {name: {"field": kinds.duration(self.plan)}} for name in ("sum", "max")}
        inner = self._nested({})
        by_bucket = _by_bucket(self.plan, self.buckets) | ({"aggs": inner} if inner else {})
        return _of(filters.minutes(self.plan, self.asked.query), clauses, {"bucket": by_bucket, **self._nested(added)})

    def _nested(self, body: Body) -> Body:
        if self.asked.step is not None:
            dates = {"field": self.plan.ts, "min_doc_count": 1, **self.asked.bucket}
            body = {"ts": {"date_histogram": dates} | ({"aggs": body} if body else {})}
        for name, level in reversed(list(self.levels.items())):
            body = {name: level | ({"aggs": body} if body else {})}
        return body

    def take(self, answer: Body, found: Columns) -> int:
        """Adds its rows; gives how many requests there are in all, those of rare groups among them."""
        total = int(answer["hits"]["total"]["value"])
        for row, parts in self._leaves(answer["aggregations"] | {"doc_count": total}, self._group):
            _add(found, row | {"bucket": self.buckets[0], "requests": 0}, parts)
            found["sum_ms"] += [part["sum"]["value"] for part in parts]
            found["max_ms"] += [part["max"]["value"] for part in parts]
        for number, bucket in zip(self.buckets, answer["aggregations"]["bucket"]["buckets"], strict=True):
            for row, parts in self._leaves(bucket, self.groups.get):  # a group that is rare in all may be frequent here
                _add(found, row | {"bucket": number, "sum_ms": 0.0, "max_ms": -math.inf}, parts)
                found["requests"] += [part["doc_count"] for part in parts]
        return total

    def _leaves(self, bucket: Body, of: _Known, key: _Key = ()) -> Iterator[tuple[Row, Sequence[Body]]]:
        """The groups below a bucket that `of` knows, each with its parts over time, or itself as the only one."""
        if not bucket["doc_count"]:
            return
        if len(key) == len(self.levels):
            row = of(key)
            if row is not None:
                yield row, bucket["ts"]["buckets"] if self.asked.step is not None else [bucket]
            return
        inner = bucket[list(self.levels)[len(key)]]["buckets"]
        for value, part in inner.items() if isinstance(inner, Mapping) else ((p["key"], p) for p in inner):
            yield from self._leaves(part, of, (*key, value))

    def _group(self, key: _Key) -> Row | None:
        """The values of a group, made out once for all its latency buckets; None for one that is not asked for."""
        if key not in self.groups:
            row = _made(self.plan, self.asked, dict(zip(self.levels, key, strict=True)), self.clean)
            _, later = filters.selected(self.plan, self.asked.query)
            self.groups[key] = row if filters.judged(row, later) else None
        return self.groups[key]


def _add(found: Columns, same: Row, parts: Sequence[Body]) -> None:
    """Adds a row per part, with what is the same in all of them."""
    for name, column in found.items():
        if name == "ts":
            column.extend(part["key"] for part in parts)
        elif name in same:
            column.extend([same[name]] * len(parts))


def _say_left_out(found: Columns, every: int) -> None:
    counted = sum(found["requests"])
    if 0 < counted < every:
        say(NAME, f"{counted / every:.1%} of the requests are counted, those of the most frequent groups.")
    if other := sum(n for n, route in zip(found["requests"], found.get("route", ()), strict=False) if route == OTHER):
        say(NAME, f"{other:,} requests are on rare routes, shown together as {OTHER}.", doubtful=False)


def _of(within: Body, clauses: Sequence[Body], aggs: Body) -> Body:
    return {"size": 0, "track_total_hits": True, "query": {"bool": {"filter": [within, *clauses]}}, "aggs": aggs}


def _by_bucket(plan: Plan, buckets: Sequence[int]) -> Body:
    return {"range": {"field": kinds.duration(plan), "ranges": [_range(number) for number in buckets]}}


def _range(number: int) -> Body:
    """[edge, next edge); what is negative counts as 0."""
    found = {"from": float(EDGES_MS[number])} if number else {}
    return found | ({"to": float(EDGES_MS[number + 1])} if number + 1 < len(EDGES_MS) else {})


def _fields(asked: sums.Question) -> tuple[str, ...]:
    where, _ = typed.split(asked.query)
    wanted = (*asked.by, *(match.field for match in where if match.field == "pattern_id"))
    return tuple(dict.fromkeys(wanted))


def _levels(source: Source, plan: Plan, asked: sums.Question) -> dict[str, Body]:
    """The aggregations to nest, outermost first: a filter per route where addresses have to do, the terms of the rest."""
    found: dict[str, Body] = {}
    for name in _fields(asked):
        if name == "route" and filters.derived(plan, name):
            found = {"route": {"filters": {"filters": sums.by_route(source, plan, asked.query)}}} | found
        elif filters.derived(plan, name):
            found |= {path.name: _terms(path, _TEXTS) for raw in filters.DERIVED[name] for path in plan.exact(raw)}
        elif name in asked.by:
            found |= {path.name: _terms(path, _TERMS) for path in plan.exact(name)}
    return found


def _terms(path: Path, size: int) -> Body:
    missing: Any = _MISSING if path.kind == "number" else ""
    return {"terms": {"field": path.name, "size": size, "missing": missing}}


def _made(plan: Plan, asked: sums.Question, key: Body, clean: Clean) -> Row:
    values = {name: None if value in (_MISSING, "") else value for name, value in key.items()}
    found: Row = {}
    for name in _fields(asked):
        if name == "route" and filters.derived(plan, name):
            found[name] = key["route"]
        elif name in asked.by or filters.derived(plan, name):
            found[name] = values_of.made(plan, name, values, clean)
    return found
