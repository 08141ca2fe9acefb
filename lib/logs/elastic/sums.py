"""Sums per bucket and group by composite aggregations: exact, page by page, and bounded.

What other people's indices lack (the route, the pattern) is made here from the raw texts of the groups. Where there are
more groups than MAX_GROUPS, the most frequent texts are counted and the rest is estimated from a random sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from lib.logs.base import LogQuery, Match
from lib.logs.conditions import minute_range
from lib.logs.elastic import filters
from lib.logs.elastic.client import NAME, Body, Connection
from lib.logs.elastic.fields import Path, Plan
from lib.logs.elastic.records import Clean, Row, Source, row_of
from lib.logs.elastic.routes import OTHER
from lib.logs.elastic.values import first, made, pattern_of, text_of
from lib.notes import say
from lib.window import DAY

PAGE = 10_000
MAX_GROUPS = 50_000
TOP_TEXTS = 2_000
SAMPLE = 500


@dataclass(frozen=True, slots=True)
class Question:
    """What is added up: `measures` (sums), per `by` and bucket; `spans` adds the first and last minute of each group.

    Whole minutes are counted, or, `exact`, what is in exactly the window.
    """

    query: LogQuery
    by: tuple[str, ...] = ()
    step: timedelta | None = None
    measures: tuple[str, ...] = ()
    spans: bool = False
    exact: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that tell its groups apart."""
        return (*(("ts",) if self.step is not None else ()), *self.by)

    @property
    def bucket(self) -> Body:
        """The date histogram: minutes are the finest bucket, days are the zone's, and longer ones are whole days."""
        assert self.step is not None
        if self.step >= DAY:
            return {"calendar_interval": "1d", "time_zone": self.query.window.zone}
        return {"fixed_interval": f"{max(int(self.step.total_seconds()), 60)}s"}


@dataclass(slots=True)
class _Part:
    """The question to the indices of one plan, as far as it has got."""

    plan: Plan
    asked: Question
    filters: list[Body]
    later: tuple[Match, ...]
    rows: list[Row] = field(default_factory=list)
    after: Body | None = None
    groups: int = 0
    done: bool = False
    route: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields to group by: those asked for, and those to be judged later."""
        wanted = dict.fromkeys((*self.asked.by, *(match.field for match in self.later)))
        return tuple(name for name in wanted if name != "route" or self.route is None)

    @property
    def raw(self) -> tuple[Path, ...]:
        """The texts that derived fields are made of."""
        names = [name for f in self.fields if filters.derived(self.plan, f) for name in filters.DERIVED[f]]
        return tuple(path for name in names for path in self.plan.exact(name))


Only = Callable[[Plan], Sequence[Body]]
"""Filters beside those of the query, for the indices of a plan."""


def rows(source: Source, asked: Question, only: Only = lambda _: ()) -> list[Row]:
    """One row per group: `ts` (Unix ms, if stepped), `by`, `records`, measures[, `first`, `last`]. Groups may repeat.

    Raises SourceError. Notes what is estimated or left out.
    """
    parts = [part for plan in source.plans for part in _parts(source, plan, asked, only(plan))]
    _sampled(source, [part for part in parts if _cut(part)], _cut_query)
    open_parts = [part for part in parts if not part.done]
    while open_parts:
        answers = source.connection.search([(part.plan.indices, _body(part)) for part in open_parts])
        for part, answer in zip(open_parts, answers, strict=True):
            _take(part, answer, source.clean)
        _bound(source, open_parts)
        open_parts = [part for part in open_parts if not part.done]
    if unknown := sum(row["records"] for part in parts if part.route == OTHER for row in part.rows):
        say(NAME, f"{unknown:,.0f} records are on rare routes, shown together as {OTHER}.", doubtful=False)
    return [
        row if part.route is None else row | {"route": part.route}
        for part in parts
        for row in part.rows
        if row["records"] or part.route is None
    ]


def _parts(source: Source, plan: Plan, asked: Question, only: Sequence[Body]) -> list[_Part]:
    """One for the indices of a plan, or one per route where the cluster has to tell routes from addresses."""
    kept, later = filters.selected(plan, asked.query)
    clauses = [(filters.within if asked.exact else filters.minutes)(plan, asked.query), *kept, *only]
    if "route" not in asked.by or not filters.derived(plan, "route"):
        return [_Part(plan, asked, clauses, later)]
    return [
        _Part(plan, asked, [*clauses, on], later, route=name)
        for name, on in by_route(source, plan, asked.query).items()
    ]


def by_route(source: Source, plan: Plan, query: LogQuery) -> dict[str, Body]:
    """A filter per route of the window, without an address, and on none of these routes."""
    (path,) = plan.exact("url")
    names = source.routes.of(source.connection, plan, filters.minutes(plan, query), minute_range(query))
    found = {name: filters.route_query(path, name) for name in ("", *names)}
    return found | {OTHER: {"bool": {"must_not": list(found.values())}}}


def _body(part: _Part) -> Body:
    """One page of groups, or, without anything to group by, one row."""
    sums = _sums(part)
    query = {"bool": {"filter": [*part.filters, *(({"bool": {"must_not": _cut(part)}},) if _cut(part) else ())]}}
    sources = _sources(part)
    if not sources:
        return {"size": 0, "track_total_hits": True, "query": query, "aggs": sums}
    composite: Body = {"size": PAGE, "sources": sources}
    if part.after is not None:
        composite["after"] = part.after
    inner = {"aggs": sums} if sums else {}
    return {
        "size": 0, "track_total_hits": False, "query": query,
        "aggs": {"groups": {"composite": composite, **inner}},
    }  # fmt: skip


def _sums(part: _Part) -> Body:
    found: Body = {}
    for name in part.asked.measures:
        path = part.plan.number(name)
        if path is not None:
            found[name] = {"sum": {"field": path.name}}
    if part.asked.spans:
        found |= {"first": {"min": {"field": part.plan.ts}}, "last": {"max": {"field": part.plan.ts}}}
    return found


def _sources(part: _Part) -> list[Body]:
    sources: list[Body] = []
    if part.asked.step is not None:
        sources.append({"ts": {"date_histogram": {"field": part.plan.ts, **part.asked.bucket}}})
    names = {path.name for f in part.fields if not filters.derived(part.plan, f) for path in part.plan.exact(f)}
    names |= {path.name for path in part.raw}
    if part.asked.spans:
        names |= {path.name for path in part.plan.exact("pattern")}
    return sources + [{f"f:{name}": {"terms": {"field": name, "missing_bucket": True}}} for name in sorted(names)]


def _take(part: _Part, answer: Body, clean: Clean) -> None:
    if "groups" not in answer.get("aggregations", {}):
        found = answer.get("aggregations", {})
        part.rows.append(_values({"doc_count": answer["hits"]["total"]["value"], **found}, part, {}))
        part.rows[-1] |= dict.fromkeys(part.fields, "")
        part.done = True
        return
    page = answer["aggregations"]["groups"]
    part.groups += len(page["buckets"])
    for bucket in page["buckets"]:
        row = _values(bucket, part, bucket["key"]) | _keys(part, bucket["key"], clean)
        if filters.judged(row, part.later):
            part.rows.append(row)
    part.after = page.get("after_key")
    part.done = len(page["buckets"]) < PAGE or part.after is None


def _values(bucket: Body, part: _Part, key: Body) -> Row:
    row: Row = {"records": bucket["doc_count"]} | ({"ts": key["ts"]} if part.asked.step is not None else {})
    row |= {name: bucket.get(name, {}).get("value") or 0.0 for name in part.asked.measures}
    if part.asked.spans:
        row |= {name: bucket.get(name, {}).get("value") for name in ("first", "last")}
    return row


def _keys(part: _Part, key: Body, clean: Clean) -> Row:
    values = {name.removeprefix("f:"): value for name, value in key.items() if name != "ts"}
    found: Row = {name: made(part.plan, name, values, clean) for name in part.fields}
    if part.asked.spans:
        own = not filters.derived(part.plan, "pattern_id")
        found["pattern"] = first(part.plan, "pattern", values) if own else pattern_of(part.plan, values, clean)
        found["text"] = "" if own else text_of(part.plan, values)
    return found


def _cut(part: _Part) -> list[Body]:
    """Records with a text that was too long for the keyword sub-field: they are not among the groups."""
    return [
        {"bool": {"filter": [filters.has(path.base)], "must_not": [filters.has(path.name)]}}
        for path in part.raw
        if path.cut
    ]


def _cut_query(part: _Part) -> Body:
    return {"bool": {"filter": [*part.filters, filters.either(_cut(part))]}}


def _bound(source: Source, parts: Sequence[_Part]) -> None:
    """Ends the parts that have more groups than are read: by their most frequent texts, or with a note."""
    for part in parts:
        if part.done or part.groups < (PAGE if part.raw else MAX_GROUPS):
            continue
        part.done = True
        if not part.raw:
            say(NAME, f"only the first {MAX_GROUPS:,} groups were read: choose a shorter range or fewer groups.")
            continue
        _by_frequent_texts(source, part)


def _by_frequent_texts(source: Source, part: _Part) -> None:
    known = _known(source.connection, part)
    part.rows.clear()
    counted = _Part(part.plan, part.asked, [*part.filters, known], part.later, route=part.route)
    while not counted.done and counted.groups < MAX_GROUPS:
        _take(counted, source.connection.search([(part.plan.indices, _body(counted))])[0], source.clean)
    if not counted.done:
        say(NAME, f"only the first {MAX_GROUPS:,} groups were read: choose a shorter range.")
    part.rows += counted.rows

    def rest(_: _Part) -> Body:
        return {"bool": {"filter": part.filters, "must_not": [known, *_cut(part)]}}

    _sampled(source, [part], rest)


def _known(connection: Connection, part: _Part) -> Body:
    """Records that have one of the TOP_TEXTS texts of their kind; the ones before it in order are lacking."""
    clauses: list[Body] = []
    for number, path in enumerate(part.raw):
        lacking = [filters.lacks(before.base) for before in part.raw[:number]]
        body: Body = {
            "size": 0, "track_total_hits": False, "query": {"bool": {"filter": [*part.filters, *lacking]}},
            "aggs": {"top": {"terms": {"field": path.name, "size": TOP_TEXTS}}},
        }  # fmt: skip
        (answer,) = connection.search([(part.plan.indices, body)])
        top = [bucket["key"] for bucket in answer["aggregations"]["top"]["buckets"]]
        clauses.append({"bool": {"filter": [*lacking, {"terms": {path.name: top}}]}})
    return filters.either(clauses)


def _sampled(source: Source, parts: Sequence[_Part], query_of: Callable[[_Part], Body]) -> None:
    """Adds the records of `query_of(part)`: all of them where there are few, else estimates from a random sample."""
    asked = [(part.plan, query_of(part)) for part in parts]
    for part, found in zip(parts, sampled(source, asked), strict=True):
        rows = [_weighted(part, row, weight) for row, weight in found]
        part.rows += [row for row in rows if filters.judged(row, part.later)]


def sampled(source: Source, asked: Sequence[tuple[Plan, Body]]) -> list[list[tuple[Row, float]]]:
    """For each query its records, and how many each stands for: 1, or more where they are a random sample of all."""
    answers = source.connection.search([(plan.indices, _sample_body(plan, query)) for plan, query in asked])
    found: list[list[tuple[Row, float]]] = []
    for (plan, _), answer in zip(asked, answers, strict=True):
        total, hits = answer["hits"]["total"]["value"], answer["hits"]["hits"]
        if total > len(hits) > 0:
            read = f"{len(hits):,} of {total:,} records with rare or long texts were read"
            say(NAME, f"{read}; the others are estimated from them.", doubtful=False)
        found.append([(row_of(hit, plan, source.clean), total / len(hits)) for hit in hits])
    return found


def _sample_body(plan: Plan, query: Body) -> Body:
    return {
        "size": SAMPLE, "track_total_hits": True, "docvalue_fields": [{"field": plan.ts, "format": "epoch_millis"}],
        "query": {"function_score": {"query": query, "boost_mode": "replace", "random_score": {"seed": 1, "field": "_seq_no"}}},
    }  # fmt: skip


def _weighted(part: _Part, found: Row, weight: float) -> Row:
    ms = int(found["ts"].timestamp() * 1000)
    row: Row = {"records": weight, "pattern": found["pattern"], "first": ms, "last": ms, "ts": ms}
    row |= {name: (found[name] or 0.0) * weight for name in part.asked.measures}
    status = "" if found["status"] is None else str(found["status"])
    return row | {name: status if name == "status" else found[name] for name in part.fields}
