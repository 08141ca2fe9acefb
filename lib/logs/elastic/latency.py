"""HTTP latency: requests per bucket of lib.logs.latency and group, so that percentiles come out as the embedded store's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lib.logs.base import LogQuery
from lib.logs.elastic import filters, sums, typed
from lib.logs.elastic import values as values_of
from lib.logs.elastic.client import NAME, Body
from lib.logs.elastic.fields import Path, Plan
from lib.logs.elastic.records import Clean, Row, Source
from lib.logs.elastic.routes import OTHER
from lib.logs.latency import EDGES_MS
from lib.notes import say

HTTP, API = "HTTP Request", "API Request Completed"
MOST_RUNS = 500
"""Runs of minutes without an `HTTP Request` that one question names; more are left out, with a note."""

_TERMS, _TEXTS = 1_000, 300
_MISSING = -1
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Kinds:
    """Which records count: `HTTP Request`; for `api_only` services the other kind; for `gaps` that kind in the runs."""

    api_only: tuple[str, ...] = ()
    gaps: tuple[tuple[str, tuple[tuple[int, int], ...]], ...] = ()


def kinds_of(source: Source, query: LogQuery) -> Kinds:
    """Looks up, whatever the matches of the query, which services and minutes have no `HTTP Request`."""
    logged: dict[str, set[str]] = {}
    for plan, key, bucket in _groups(source, query, ()):
        service = values_of.first(plan, "service", key)
        logged.setdefault(service, set()).update(k for k in (HTTP, API) if bucket[k]["doc_count"])
    both = [service for service, kinds in logged.items() if len(kinds) > 1]
    api_only = tuple(sorted(service for service, kinds in logged.items() if kinds == {API}))
    if not both:
        return Kinds(api_only)
    held: dict[tuple[str, int], int] = {}
    for plan, key, bucket in _groups(source, query, both):
        at = (values_of.first(plan, "service", key), int(key["ts"]))
        held[at] = held.get(at, 0) + bucket[HTTP]["doc_count"]
    lacking: dict[str, list[int]] = {}
    for service, minute in sorted(at for at, count in held.items() if not count):
        lacking.setdefault(service, []).append(minute)
    return Kinds(api_only, tuple((service, _runs(found)) for service, found in lacking.items()))


def _groups(source: Source, query: LogQuery, services: Sequence[str]) -> Iterator[tuple[Plan, Body, Body]]:
    """Per service (and, for chosen services, minute with the other kind): the plan, key and counts of both kinds."""
    for plan in _timed_plans(source):
        message = plan.exact("message")[0].name
        service = plan.exact("service")
        sources: list[Body] = (
            [{"ts": {"date_histogram": {"field": plan.ts, "fixed_interval": "60s"}}}] if services else []
        )
        sources += [{p.name: {"terms": {"field": p.name, "missing_bucket": True}}} for p in service]
        kinds = {kind: {"filter": {"term": {message: kind}}} for kind in (HTTP, API)}
        query_body = {"bool": {"filter": [*_timed(plan), filters.minutes(plan, query), *_of(service, services)]}}
        body: Body = {"size": 0, "track_total_hits": False, "query": query_body}
        if not sources:
            (answer,) = source.connection.search([(plan.indices, body | {"aggs": kinds})])
            yield plan, {}, answer["aggregations"]
            continue
        after: Body = {}
        for _ in range(sums.MAX_GROUPS // sums.PAGE):
            composite = {"size": sums.PAGE, "sources": sources} | after
            groups = {"groups": {"composite": composite, "aggs": kinds}}
            (answer,) = source.connection.search([(plan.indices, body | {"aggs": groups})])
            page = answer["aggregations"]["groups"]
            yield from ((plan, bucket["key"], bucket) for bucket in page["buckets"])
            if len(page["buckets"]) < sums.PAGE:
                break
            after = {"after": page["after_key"]}
        else:
            say(NAME, "not every minute could be looked at for requests that are logged twice.")


def _timed_plans(source: Source) -> list[Plan]:
    return [plan for plan in source.plans if plan.paths("duration_ms") and plan.paths("message")]


def _timed(plan: Plan) -> list[Body]:
    message, duration = plan.exact("message")[0].name, plan.number("duration_ms")
    assert duration is not None
    return [filters.has(duration.name), {"terms": {message: [HTTP, API]}}]


def _of(paths: Sequence[Path], services: Sequence[str]) -> list[Body]:
    if not services or not paths:
        return []
    held: list[Body] = [{"terms": {paths[0].name: list(services)}}]
    return [filters.either(held + ([filters.lacks(paths[0].base)] if "" in services else []))]


def _runs(minutes: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Runs [start, end) of adjacent minutes, in Unix ms."""
    runs: list[tuple[int, int]] = []
    for minute in minutes:
        if runs and runs[-1][1] == minute:
            runs[-1] = (runs[-1][0], minute + _MINUTE_MS)
        else:
            runs.append((minute, minute + _MINUTE_MS))
    if len(runs) > MOST_RUNS:
        say(NAME, f"of {len(runs):,} spells without an {HTTP} only {MOST_RUNS} were counted by their {API}.")
    return tuple(runs[:MOST_RUNS])


def _counted(plan: Plan, kinds: Kinds) -> list[Body]:
    """Only one record of each request."""
    message, service = plan.exact("message")[0].name, plan.exact("service")
    api = {"term": {message: API}}
    clauses: list[Body] = [{"term": {message: HTTP}}]
    if kinds.api_only:
        clauses.append({"bool": {"filter": [api, *_of_service(service, kinds.api_only)]}})
    for name, runs in kinds.gaps:
        spells = filters.either([filters.between(plan.ts, start, end) for start, end in runs])
        clauses.append({"bool": {"filter": [api, *_of_service(service, (name,)), spells]}})
    return [*_timed(plan), filters.either(clauses)]


def _of_service(paths: Sequence[Path], services: Sequence[str]) -> list[Body]:
    if not paths:
        return [] if "" in services else [filters.NONE]
    return _of(paths, services)


def rows(source: Source, asked: sums.Question, kinds: Kinds) -> list[Row]:
    """One row per group and latency bucket: [`ts` Unix ms,] `by`, `bucket`, `requests`, `sum_ms`, `max_ms`. May repeat."""
    plans = _timed_plans(source)
    whole = source.connection.search(
        [(plan.indices, _body(plan, asked, kinds, range(len(EDGES_MS)), {})) for plan in plans]
    )
    held = [
        [n for n, bucket in enumerate(answer["aggregations"]["bucket"]["buckets"]) if bucket["doc_count"]]
        for answer in whole
    ]
    levels = [_levels(source, plan, asked) for plan in plans]
    bodies = [
        (plan.indices, _body(plan, asked, kinds, numbers, _inner(plan, asked, level)))
        for plan, numbers, level in zip(plans, held, levels, strict=True)
        if numbers
    ]
    answers = iter(source.connection.search(bodies))
    found: list[Row] = []
    left_out = 0
    for plan, numbers, level in zip(plans, held, levels, strict=True):
        _, later = filters.selected(plan, asked.query)
        for number, bucket in zip(
            numbers, next(answers)["aggregations"]["bucket"]["buckets"] if numbers else (), strict=True
        ):
            for key, inner, other in _leaves(bucket, list(level)):
                left_out += other
                made = _made(plan, asked, key, source.clean)
                if inner is not None and filters.judged(made, later):
                    found += _rows(made | {"bucket": number}, inner)
    _say_left_out(found, left_out)
    return found


def _say_left_out(found: Sequence[Row], left_out: int) -> None:
    if left_out:
        counted = sum(row["requests"] for row in found)
        say(
            NAME,
            f"{counted / (counted + left_out):.1%} of the requests are counted, those of the most frequent groups.",
        )
    if other := sum(row["requests"] for row in found if row.get("route") == OTHER):
        say(NAME, f"{other:,} requests are on rare routes, shown together as {OTHER}.", doubtful=False)


def _body(plan: Plan, asked: sums.Question, kinds: Kinds, buckets: Sequence[int], inner: Body) -> Body:
    kept, _ = filters.selected(plan, asked.query)
    query = {"bool": {"filter": [filters.minutes(plan, asked.query), *_counted(plan, kinds), *kept]}}
    duration = plan.number("duration_ms")
    assert duration is not None
    by_bucket: Body = {"range": {"field": duration.name, "ranges": [_range(number) for number in buckets]}}
    return {
        "size": 0, "track_total_hits": False, "query": query,
        "aggs": {"bucket": by_bucket | ({"aggs": inner} if inner else {})},
    }  # fmt: skip


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


def _inner(plan: Plan, asked: sums.Question, levels: Mapping[str, Body]) -> Body:
    duration = plan.number("duration_ms")
    assert duration is not None
    body: Body = {"sum": {"sum": {"field": duration.name}}, "max": {"max": {"field": duration.name}}}
    if asked.step is not None:
        body = {"ts": {"date_histogram": {"field": plan.ts, "min_doc_count": 1, **asked.bucket}, "aggs": body}}
    for name, level in reversed(list(levels.items())):
        body = {name: level | {"aggs": body}}
    return body


def _leaves(
    bucket: Body, names: Sequence[str], key: Mapping[str, Any] | None = None
) -> Iterator[tuple[Body, Body | None, int]]:
    """(key, innermost bucket, 0) for each group, and (key, None, n) where n records are in no group."""
    if not bucket["doc_count"]:
        return
    key = dict(key or {})
    if not names:
        yield key, bucket, 0
        return
    if other := int(bucket[names[0]].get("sum_other_doc_count", 0)):
        yield key, None, other
    inner = bucket[names[0]]["buckets"]
    named = inner.items() if isinstance(inner, Mapping) else ((part["key"], part) for part in inner)
    for value, part in named:
        yield from _leaves(part, names[1:], key | {names[0]: value})


def _made(plan: Plan, asked: sums.Question, key: Body, clean: Clean) -> Row:
    values = {name: None if value in (_MISSING, "") else value for name, value in key.items()}
    found: Row = {}
    for name in _fields(asked):
        if name == "route" and filters.derived(plan, name):
            found[name] = key["route"]
        elif name in asked.by or filters.derived(plan, name):
            found[name] = values_of.made(plan, name, values, clean)
    return found


def _rows(group: Row, bucket: Body) -> Iterator[Row]:
    for part in bucket["ts"]["buckets"] if "ts" in bucket else [bucket]:
        ts = {"ts": part["key"]} if "ts" in bucket else {}
        counted = {"requests": part["doc_count"], "sum_ms": part["sum"]["value"], "max_ms": part["max"]["value"]}
        yield group | ts | counted
