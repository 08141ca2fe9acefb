"""Single records: a search page by page in an order that never changes, and one record by its id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from lib.errors import SourceError
from lib.logs.base import LogQuery
from lib.logs.conditions import SEARCHED_TEXT
from lib.logs.elastic import filters
from lib.logs.elastic.client import Body, Connection
from lib.logs.elastic.fields import Plan
from lib.logs.elastic.records import Row, Source, row_of

PAGE = 500
MOST_READ = 20
"""Pages that one question reads at most: what the cluster cannot judge exactly is judged here."""


def newest(source: Source, query: LogQuery, limit: int, before: tuple[datetime, str] | None) -> list[Row]:
    """The newest `limit` records, by time and id. Ids of one moment are put in order here: the cluster does not sort by id."""
    found: list[Row] = []
    for plan in source.plans:
        found += _of_plan(source, plan, query, limit, before)
    return sorted(found, key=_order, reverse=True)[:limit]


def by_id(source: Source, record_id: str) -> Row | None:
    """The record of that id."""
    if not record_id or len(record_id.encode()) > 512:
        return None
    searches = [(plan.indices, _body(plan, [{"ids": {"values": [record_id]}}], 1)) for plan in source.plans]
    for plan, answer in zip(source.plans, source.connection.search(searches), strict=True):
        for hit in answer["hits"]["hits"]:
            return row_of(hit, plan, source.clean)
    return None


def _order(row: Row) -> tuple[datetime, str]:
    return row["ts"], row["id"]


def _of_plan(source: Source, plan: Plan, query: LogQuery, limit: int, before: tuple[datetime, str] | None) -> list[Row]:
    end = query.window.end if before is None else min(query.window.end, before[0])
    last = _millis(end) + (0 if before is None or before[0] > end else 1)
    kept, later = filters.matches(plan, query.where)
    clauses = [
        filters.between(plan.ts, _millis(query.window.start), last),
        *kept,
        *filters.text_clauses(plan, query.text),
    ]
    found: list[Row] = []
    for hits in _pages(source.connection, plan, clauses, min(PAGE, limit + 1)):
        rows = [row_of(hit, plan, source.clean) for hit in hits]
        found += [
            row for row in rows
            if (before is None or _order(row) < before) and filters.judged(row, later) and _contains(row, query.text)
        ]  # fmt: skip
        if len(found) > limit and rows[-1]["ts"] < sorted(found, key=_order, reverse=True)[limit - 1]["ts"]:
            break
    return found


def _pages(connection: Connection, plan: Plan, clauses: Sequence[Body], size: int) -> Iterator[list[Body]]:
    """Pages of hits, newest first. The first comes at once; only those who go on need a point in time."""
    (answer,) = connection.search([(plan.indices, _body(plan, clauses, size))])
    hits = answer["hits"]["hits"]
    if hits:
        yield hits
    if len(hits) < size:
        return
    point, after = connection.open_point(plan.indices), None
    try:
        seen = {(hit["_index"], hit["_id"]) for hit in hits}
        for _ in range(MOST_READ):
            body = _body(plan, clauses, PAGE) | {"pit": {"id": point, "keep_alive": "1m"}}
            answer = connection.page(body if after is None else body | {"search_after": after})
            hits = answer["hits"]["hits"]
            point = answer.get("pit_id", point)
            if fresh := [hit for hit in hits if (hit["_index"], hit["_id"]) not in seen]:
                yield fresh
            if len(hits) < PAGE:
                return
            after = hits[-1]["sort"]
    finally:
        with suppress(SourceError):  # it ends by itself within a minute
            connection.close_point(point)


def _body(plan: Plan, clauses: Sequence[Body], size: int) -> Body:
    return {
        "size": size, "track_total_hits": False, "query": {"bool": {"filter": list(clauses)}},
        "sort": [{plan.ts: {"order": "desc", "format": "epoch_millis", "numeric_type": "date"}}],
        "docvalue_fields": [{"field": plan.ts, "format": "epoch_millis"}],
    }  # fmt: skip


def _contains(row: Row, text: str) -> bool:
    lowered = text.lower().replace("\0", "␀")  # as cleaned records have it
    return not text or any(lowered in str(row[name]).lower().replace("\0", "␀") for name in SEARCHED_TEXT)


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def extent_body(plan: Plan, order: str, latest_ms: int) -> Body:
    """The oldest (`asc`) or newest (`desc`) record that is not from the future."""
    sort: Any = [{plan.ts: {"order": order, "format": "epoch_millis", "numeric_type": "date"}}]
    query = {"range": {plan.ts: {"lte": latest_ms, "format": "epoch_millis"}}}
    return {"size": 1, "track_total_hits": False, "_source": False, "query": query, "sort": sort}
