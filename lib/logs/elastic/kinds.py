"""Which records are requests: the service may log one twice, as `HTTP Request` and as `API Request Completed`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lib.logs.base import LogQuery
from lib.logs.elastic import filters, sums
from lib.logs.elastic import values as values_of
from lib.logs.elastic.client import NAME, Body
from lib.logs.elastic.fields import Path, Plan
from lib.logs.elastic.records import Row, Source
from lib.notes import say

HTTP, API = "HTTP Request", "API Request Completed"
MOST_RUNS = 500
"""Runs of minutes without an `HTTP Request` that one question names; more are left out, with a note."""

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
    for plan in timed_plans(source):
        message = plan.exact("message")[0].name
        service = plan.exact("service")
        sources: list[Body] = (
            [{"ts": {"date_histogram": {"field": plan.ts, "fixed_interval": "60s"}}}] if services else []
        )
        sources += [{p.name: {"terms": {"field": p.name, "missing_bucket": True}}} for p in service]
        kinds = {kind: {"filter": {"term": {message: kind}}} for kind in (HTTP, API)}
        query_body = {"bool": {"filter": [*timed(plan), filters.minutes(plan, query), *_of(service, services)]}}
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


def timed_plans(source: Source) -> list[Plan]:
    """Those whose indices have requests with a duration at all."""
    return [plan for plan in source.plans if plan.paths("duration_ms") and plan.paths("message")]


def duration(plan: Plan) -> str:
    """The name of a request's duration, in ms."""
    found = plan.number("duration_ms")
    assert found is not None
    return found.name


def timed(plan: Plan) -> list[Body]:
    """Records of either kind with a duration."""
    return [filters.has(duration(plan)), {"terms": {plan.exact("message")[0].name: [HTTP, API]}}]


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


def counted(plan: Plan, kinds: Kinds) -> list[Body]:
    """Only one record of each request."""
    message, service = plan.exact("message")[0].name, plan.exact("service")
    api = {"term": {message: API}}
    clauses: list[Body] = [{"term": {message: HTTP}}]
    if kinds.api_only:
        clauses.append({"bool": {"filter": [api, *_of_service(service, kinds.api_only)]}})
    for name, runs in kinds.gaps:
        spells = filters.either([filters.between(plan.ts, start, end) for start, end in runs])
        clauses.append({"bool": {"filter": [api, *_of_service(service, (name,)), spells]}})
    return [*timed(plan), filters.either(clauses)]


def _of_service(paths: Sequence[Path], services: Sequence[str]) -> list[Body]:
    if not paths:
        return [] if "" in services else [filters.NONE]
    return _of(paths, services)


def rows(source: Source, asked: sums.Question, kinds: Kinds) -> list[Row]:
    """One row per group: [`ts` Unix ms,] `by`, `records`: one of each request. May repeat."""
    timed = replace(source, plans=tuple(timed_plans(source)))
    return sums.rows(timed, asked, lambda plan: counted(plan, kinds))
