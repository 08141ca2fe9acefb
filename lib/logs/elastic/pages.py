"""Single records: a search page by page in an order that never changes, one record by its id, those beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lib.errors import SourceError
from lib.logs.base import LogQuery, Match
from lib.logs.conditions import SEARCHED_TEXT
from lib.logs.elastic import filters
from lib.logs.elastic.client import NAME, Body, Connection
from lib.logs.elastic.fields import Plan
from lib.logs.elastic.records import Row, Source, row_of
from lib.notes import say
from lib.window import DAY

PAGE = 500
MOST_READ = 21
"""Pages that one question reads at most: what the cluster cannot judge exactly is judged here."""

_MS = timedelta(milliseconds=1)
Place = tuple[datetime, str]
"""Time and id of a record."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Up to `limit` records: for each plan what the cluster filters by, and what each row must hold."""

    of_plan: Callable[[Plan], tuple[Sequence[Body], Callable[[Row], bool]]]
    limit: int
    ascending: bool = False


def newest(source: Source, query: LogQuery, limit: int, before: Place | None) -> list[Row]:
    """The newest `limit` records, by time and id. Ids of one moment are put in order here: the cluster does not sort by id."""
    end = query.window.end if before is None else min(query.window.end, before[0] + _MS)

    def of_plan(plan: Plan) -> tuple[Sequence[Body], Callable[[Row], bool]]:
        span = filters.between(plan.ts, filters.millis(query.window.start), filters.millis(end))
        kept, later = filters.selected(plan, query)

        def holds(row: Row) -> bool:
            behind = before is None or place(row) < before
            return behind and filters.judged(row, later) and _contains(row, query.text)

        return [span, *kept, *filters.text_clauses(plan, query.text)], holds

    return read(source, Wanted(of_plan, limit))


def beside(source: Source, at: Place, near: Match | None, limit: int, *, newer: bool) -> list[Row]:
    """The `limit` records next to a place, nearest first, within a day; those that `near` holds for."""
    start, end = (at[0], at[0] + DAY) if newer else (at[0] - DAY + _MS, at[0] + _MS)

    def of_plan(plan: Plan) -> tuple[Sequence[Body], Callable[[Row], bool]]:
        held = [] if near is None else [filters.match_of(plan, near)]
        span = filters.between(plan.ts, filters.millis(start), filters.millis(end))
        return [span, *held], lambda row: place(row) > at if newer else place(row) < at

    return read(source, Wanted(of_plan, limit, ascending=newer)) if limit > 0 else []


def trace(source: Source, match: Match, limit: int) -> list[Row]:
    """The first `limit` records of one request or lead, oldest first, whenever they were."""
    wanted = Wanted(lambda plan: ([filters.match_of(plan, match)], lambda _: True), limit, ascending=True)
    return read(source, wanted)


def by_id(source: Source, record_id: str) -> Row | None:
    """The record of that id."""
    if not record_id or len(record_id.encode()) > 512:
        return None
    searches = [(plan.indices, _body(plan, [{"ids": {"values": [record_id]}}], 1)) for plan in source.plans]
    for plan, answer in zip(source.plans, source.connection.search(searches), strict=True):
        for hit in answer["hits"]["hits"]:
            return row_of(hit, plan, source.clean)
    return None


def place(row: Row) -> Place:
    """Where a record stands in the order of `search`."""
    return row["ts"], row["id"]


def read(source: Source, wanted: Wanted) -> list[Row]:
    """The records of every plan in one order."""
    found = [row for plan in source.plans for row in _of_plan(source, plan, wanted)]
    return sorted(found, key=place, reverse=not wanted.ascending)[: wanted.limit]


def _of_plan(source: Source, plan: Plan, wanted: Wanted) -> list[Row]:
    clauses, keep = wanted.of_plan(plan)
    found: list[Row] = []
    for hits in _pages(source.connection, plan, wanted, clauses):
        rows = [row_of(hit, plan, source.clean) for hit in hits]
        found += [row for row in rows if keep(row)]
        if len(found) > wanted.limit:
            last = sorted(found, key=place, reverse=not wanted.ascending)[wanted.limit - 1]
            if rows[-1]["ts"] != last["ts"]:  # ids of one moment come in any order
                break
    return found


def _pages(connection: Connection, plan: Plan, wanted: Wanted, clauses: Sequence[Body]) -> Iterator[list[Body]]:
    """Pages of hits in order. The first comes at once; only those who go on need a point in time."""
    size = min(PAGE, wanted.limit + 1)
    (answer,) = connection.search([(plan.indices, _body(plan, clauses, size, ascending=wanted.ascending))])
    hits = answer["hits"]["hits"]
    if hits:
        yield hits
    if len(hits) < size:
        return
    point, after = connection.open_point(plan.indices), None
    try:
        seen = {(hit["_index"], hit["_id"]) for hit in hits}
        for _ in range(MOST_READ):
            body = _body(plan, clauses, PAGE, ascending=wanted.ascending) | {"pit": {"id": point, "keep_alive": "1m"}}
            answer = connection.page(body if after is None else body | {"search_after": after})
            hits = answer["hits"]["hits"]
            point = answer.get("pit_id", point)
            if fresh := [hit for hit in hits if (hit["_index"], hit["_id"]) not in seen]:
                yield fresh
            if len(hits) < PAGE:
                return
            after = hits[-1]["sort"]
        say(NAME, f"only {MOST_READ * PAGE:,} records were looked through: choose a shorter range.")
    finally:
        with suppress(SourceError):  # it ends by itself within a minute
            connection.close_point(point)


def _body(plan: Plan, clauses: Sequence[Body], size: int, *, ascending: bool = False) -> Body:
    order = "asc" if ascending else "desc"
    return {
        "size": size, "track_total_hits": False, "query": {"bool": {"filter": list(clauses)}},
        "sort": [{plan.ts: {"order": order, "format": "epoch_millis", "numeric_type": "date"}}],
        "docvalue_fields": [{"field": plan.ts, "format": "epoch_millis"}],
    }  # fmt: skip


def _contains(row: Row, text: str) -> bool:
    lowered = text.lower().replace("\0", "␀")  # as cleaned records have it
    return not text or any(lowered in str(row[name]).lower().replace("\0", "␀") for name in SEARCHED_TEXT)


def extent_body(plan: Plan, order: str, latest_ms: int) -> Body:
    """The oldest (`asc`) or newest (`desc`) record that is not from the future."""
    sort: Any = [{plan.ts: {"order": order, "format": "epoch_millis", "numeric_type": "date"}}]
    query = {"range": {plan.ts: {"lte": latest_ms, "format": "epoch_millis"}}}
    return {"size": 1, "track_total_hits": False, "_source": False, "query": query, "sort": sort}
