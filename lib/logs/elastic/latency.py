"""HTTP latency: requests per bucket of lib.logs.latency and group, so that percentiles come out as the embedded store's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lib.logs.base import LogQuery
from lib.logs.elastic import filters, sums
from lib.logs.elastic.client import NAME, Body
from lib.logs.elastic.fields import Path, Plan
from lib.logs.elastic.records import Clean, Row, Source
from lib.logs.latency import EDGES_MS
from lib.notes import say

HTTP, API = "HTTP Request", "API Request Completed"
MOST_RUNS = 500
"""Runs of minutes without an `HTTP Request` that one question names; more are left out, with a note."""

_TERMS, _ADDRESSES = 1_000, 300
_CHUNKS = 8
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
        service = sums.first(plan, "service", key)
        logged.setdefault(service, set()).update(k for k in (HTTP, API) if bucket[k]["doc_count"])
    both = [service for service, kinds in logged.items() if len(kinds) > 1]
    api_only = tuple(sorted(service for service, kinds in logged.items() if kinds == {API}))
    if not both:
        return Kinds(api_only)
    held: dict[tuple[str, int], int] = {}
    for plan, key, bucket in _groups(source, query, both):
        at = (sums.first(plan, "service", key), int(key["ts"]))
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
    searches = [(p, first, body) for p in _timed_plans(source) for first, body in _bodies(p, asked, kinds)]
    answers = source.connection.search([(plan.indices, body) for plan, _, body in searches])
    found: list[Row] = []
    left_out = 0
    for (plan, first, _), answer in zip(searches, answers, strict=True):
        keys = _keys(plan, asked)
        _, later = filters.matches(plan, asked.query.where)
        for number, bucket in enumerate(answer["aggregations"]["bucket"]["buckets"]):
            for key, inner, other in _leaves(bucket, [path.name for path, _ in keys]):
                left_out += other
                made = _made(plan, asked, key, source.clean)
                if inner is not None and filters.judged(made, later):
                    found += _rows(made | {"bucket": first + number}, inner)
    if left_out:
        counted = sum(row["requests"] for row in found)
        share = counted / (counted + left_out)
        say(NAME, f"latency by route covers {share:.1%} of the requests, those with the most frequent addresses.")
    return found


def _bodies(plan: Plan, asked: sums.Question, kinds: Kinds) -> Iterator[tuple[int, Body]]:
    """The whole question, or, with addresses to group by, in pieces: a cluster counts at most 65,536 buckets at once."""
    kept, _ = filters.matches(plan, asked.query.where)
    query = {"bool": {"filter": [filters.minutes(plan, asked.query), *_counted(plan, kinds), *kept]}}
    by_address = any(filters.derived(plan, name) for name in _fields(asked))
    size = -(-len(EDGES_MS) // (_CHUNKS if by_address else 1))
    duration = plan.number("duration_ms")
    assert duration is not None
    inner = _inner(plan, asked, duration.name)
    for first in range(0, len(EDGES_MS), size):
        ranges = [_range(number) for number in range(first, min(first + size, len(EDGES_MS)))]
        by_bucket = {"range": {"field": duration.name, "ranges": ranges}, "aggs": inner}
        yield first, {"size": 0, "track_total_hits": False, "query": query, "aggs": {"bucket": by_bucket}}


def _range(number: int) -> Body:
    """[edge, next edge); what is negative counts as 0."""
    found = {"from": float(EDGES_MS[number])} if number else {}
    return found | ({"to": float(EDGES_MS[number + 1])} if number + 1 < len(EDGES_MS) else {})


def _fields(asked: sums.Question) -> tuple[str, ...]:
    wanted = (*asked.by, *(match.field for match in asked.query.where if match.field in filters.DERIVED))
    return tuple(dict.fromkeys(wanted))


def _keys(plan: Plan, asked: sums.Question) -> list[tuple[Path, bool]]:
    """The names to group by, each once, and whether it is an address."""
    found: dict[Path, bool] = {}
    for name in _fields(asked):
        if filters.derived(plan, name):
            found |= {path: True for raw in filters.DERIVED[name] for path in plan.exact(raw)}
        elif name in asked.by:
            found |= dict.fromkeys(plan.exact(name), False)
    return list(found.items())


def _inner(plan: Plan, asked: sums.Question, duration: str) -> Body:
    body: Body = {"sum": {"sum": {"field": duration}}, "max": {"max": {"field": duration}}}
    if asked.step is not None:
        by_time = {"date_histogram": {"field": plan.ts, "min_doc_count": 1, **asked.bucket}, "aggs": body}
        body = {"ts": by_time}
    for path, address in reversed(_keys(plan, asked)):
        missing: Any = _MISSING if path.kind == "number" else ""
        terms = {"field": path.name, "size": _ADDRESSES if address else _TERMS, "missing": missing}
        body = {path.name: {"terms": terms, "aggs": body}}
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
    if other := int(bucket[names[0]]["sum_other_doc_count"]):
        yield key, None, other
    for inner in bucket[names[0]]["buckets"]:
        yield from _leaves(inner, names[1:], key | {names[0]: inner["key"]})


def _made(plan: Plan, asked: sums.Question, key: Body, clean: Clean) -> Row:
    values = {name: None if value in (_MISSING, "") else value for name, value in key.items()}
    names = [name for name in _fields(asked) if name in asked.by or filters.derived(plan, name)]
    return {name: sums.made(plan, name, values, clean) for name in names}


def _rows(group: Row, bucket: Body) -> Iterator[Row]:
    for part in bucket["ts"]["buckets"] if "ts" in bucket else [bucket]:
        ts = {"ts": part["key"]} if "ts" in bucket else {}
        counted = {"requests": part["doc_count"], "sum_ms": part["sum"]["value"], "max_ms": part["max"]["value"]}
        yield group | ts | counted
