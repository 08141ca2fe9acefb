"""HTTP latency: requests per bucket of lib.logs.latency and group, so that percentiles come out as the embedded store's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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


def columns(source: Source, asked: sums.Question, counted: Kinds) -> Columns:
    """Per group and latency bucket: [`ts` Unix ms,] `by`, `bucket`, `requests`, `sum_ms`, `max_ms`. Groups may repeat.

    What is added up of a group stands in a row without requests: the many buckets are then one small number each.
    """
    parts = [
        _Part(plan, asked, counted, source.clean, _levels(source, plan, asked)) for plan in kinds.timed_plans(source)
    ]
    for part in parts:
        if part.has_routes:
            part.buckets = _held(source, part)
    found: Columns = {name: [] for name in (*_keys(asked), "bucket", "requests", "sum_ms", "max_ms")}
    every = 0
    for part, answer in zip(parts, source.connection.search([(p.plan.indices, p.body()) for p in parts]), strict=True):
        every += part.take(answer, found)
    _say_left_out(found, every)
    return found


def _held(source: Source, part: _Part) -> list[int]:
    """The latency buckets that are not empty: where each costs a filter per route, they are looked for first."""
    (answer,) = source.connection.search([(part.plan.indices, part.body(grouped=False))])
    buckets = answer["aggregations"]["bucket"]["buckets"]
    return [number for number in _EVERY if buckets[number]["doc_count"]] or [0]


@dataclass(slots=True)
class _Part:
    """The question to the indices of one plan; `levels` are the aggregations to nest, outermost first."""

    plan: Plan
    asked: sums.Question
    counted: Kinds
    clean: Clean
    levels: Mapping[str, Body]
    buckets: Sequence[int] = _EVERY
    groups: dict[tuple[Any, ...], Row | None] = field(default_factory=dict)

    @property
    def has_routes(self) -> bool:
        """Whether the cluster has to tell routes from addresses, by a filter each."""
        return any("filters" in level for level in self.levels.values())

    def body(self, *, grouped: bool = True) -> Body:
        """Requests per latency bucket and group, and what is added up per group; or just the former without groups."""
        kept, _ = filters.selected(self.plan, self.asked.query)
        clauses = [filters.minutes(self.plan, self.asked.query), *kinds.counted(self.plan, self.counted), *kept]
        duration = kinds.duration(self.plan)
        by_bucket: Body = {"range": {"field": duration, "ranges": [_range(number) for number in self.buckets]}}
        aggs: Body = {"bucket": by_bucket}
        if grouped:
            inner = self._nested({})
            added = {"sum": {"sum": {"field": duration}}, "max": {"max": {"field": duration}}}
            aggs = {"bucket": by_bucket | ({"aggs": inner} if inner else {}), **self._nested(added)}
        return {"size": 0, "track_total_hits": True, "query": {"bool": {"filter": clauses}}, "aggs": aggs}

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
        for number, bucket in zip(self.buckets, answer["aggregations"]["bucket"]["buckets"], strict=True):
            for row, parts in self._leaves(bucket):
                _add(found, row | {"bucket": number, "sum_ms": 0.0, "max_ms": -math.inf}, parts)
                found["requests"] += [part["doc_count"] for part in parts]
        for row, parts in self._leaves(answer["aggregations"] | {"doc_count": total}):
            _add(found, row | {"bucket": 0, "requests": 0}, parts)
            found["sum_ms"] += [part["sum"]["value"] for part in parts]
            found["max_ms"] += [part["max"]["value"] for part in parts]
        return total

    def _leaves(self, bucket: Body, key: tuple[Any, ...] = ()) -> Iterator[tuple[Row, Sequence[Body]]]:
        """The groups below a bucket that are wanted, each with its parts over time, or itself as the only one."""
        if not bucket["doc_count"]:
            return
        if len(key) == len(self.levels):
            row = self._group(key)
            if row is not None:
                yield row, bucket["ts"]["buckets"] if self.asked.step is not None else [bucket]
            return
        inner = bucket[list(self.levels)[len(key)]]["buckets"]
        for value, part in inner.items() if isinstance(inner, Mapping) else ((p["key"], p) for p in inner):
            yield from self._leaves(part, (*key, value))

    def _group(self, key: tuple[Any, ...]) -> Row | None:
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


def _range(number: int) -> Body:
    """[edge, next edge); what is negative counts as 0."""
    found = {"from": float(EDGES_MS[number])} if number else {}
    return found | ({"to": float(EDGES_MS[number + 1])} if number + 1 < len(EDGES_MS) else {})


def _keys(asked: sums.Question) -> tuple[str, ...]:
    return (*(("ts",) if asked.step is not None else ()), *asked.by)


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
