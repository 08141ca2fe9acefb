"""LogStore on Elasticsearch 8 and 9, over daily indices, an alias or a data stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pandas as pd

from lib.at_once import at_once
from lib.errors import QueryError
from lib.logs import answers
from lib.logs.base import FOLLOWED, GROUP_FIELDS, MEASURES, NEAR, LogQuery, Match
from lib.logs.conditions import minute_range
from lib.logs.elastic import counts, filters, frames, kinds, latency, pages, sums, typed
from lib.logs.elastic.client import NAME, Body, Connection
from lib.logs.elastic.ever import FirstSeen
from lib.logs.elastic.fields import Fields
from lib.logs.elastic.inventory import inventory
from lib.logs.elastic.records import Clean, Source
from lib.logs.elastic.routes import Routes
from lib.logs.inventory import Index
from lib.logs.latency import band_of_bucket, banded, summed
from lib.logs.schema import LATENCY_GROUPS
from lib.shared_answers import Shared
from lib.window import Window

MOST_ROWS = 10_000
"""Records that one search returns at most."""

FUTURE = timedelta(minutes=10)
"""Records dated further ahead than this do not count as the newest: a clock is wrong."""


class ElasticLogs:
    """LogStore; it only asks. `clean` takes credentials out of what others have written.

    `fresh_s` (s) is how long the mapping is taken for known, `extent_s` how long the oldest and newest time, and which
    records count as requests, are.
    """

    name = NAME

    def __init__(
        self, connection: Connection, *, clean: Clean, now: Callable[[], datetime] = lambda: datetime.now(UTC),
        fresh_s: float = 60.0, extent_s: float = 5.0,
    ) -> None:  # fmt: skip
        self._connection = connection
        self._clean = clean
        self._now = now
        self._fields = Fields(connection, fresh_s)
        self._routes = Routes(fresh_s)
        self._extent_s = extent_s
        self._kinds: Shared[kinds.Kinds] = Shared(extent_s)
        self._held: Shared[tuple[int, ...]] = Shared(extent_s)
        self._extent: tuple[float, datetime | None, datetime | None] = (float("-inf"), None, None)
        self._first_seen = FirstSeen()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Closes the sockets."""
        self._connection.close()

    def totals(
        self,
        query: LogQuery,
        by: Sequence[str] = (),
        step: timedelta | None = None,
        measures: Sequence[str] = ("records",),
    ) -> pd.DataFrame:
        """Sums per bucket and group: [`ts` if step,] *by, *measures. Raises QueryError for an unknown name."""
        _allowed(by, GROUP_FIELDS, "grouped by")
        _allowed(measures, MEASURES, "added up as")
        filters.check(query)
        asked = sums.Question(query, tuple(by), step, tuple(name for name in measures if name != "records"))
        return frames.totals(sums.rows(self._source(query), asked), asked, measures)

    def durations(self, query: LogQuery, by: Sequence[str] = (), step: timedelta | None = None) -> pd.DataFrame:
        """HTTP latency per bucket and group; no row where there was no request. Percentiles are the embedded store's."""
        _allowed(by, LATENCY_GROUPS, "grouped by")
        filters.check(query)
        found = summed(self._latencies(query, by, step), (*(("ts",) if step else ()), *by))
        return answers.frame(found, answers.keyed(by, step is not None, answers.LATENCY_DTYPES))

    def requests(self, query: LogQuery, by: Sequence[str] = (), step: timedelta | None = None) -> pd.DataFrame:
        """Requests per bucket and group; without either exactly one row."""
        _allowed(by, LATENCY_GROUPS, "grouped by")
        filters.check(query)
        asked, source = sums.Question(query, tuple(by), step), self._source(query)
        found = frames.totals(kinds.rows(source, asked, self._kinds_in(source, query)), asked, ("records",))
        return found.rename(columns={"records": "requests"})

    def duration_histogram(
        self, query: LogQuery, edges_ms: Sequence[float], step: timedelta | None = None
    ) -> pd.DataFrame:
        """Requests per latency band [edge, next edge): [`ts`,] `low_ms`, `high_ms`, `requests`; every band is there."""
        band_of_bucket(edges_ms)  # wrong edges are refused before the question costs anything
        filters.check(query)
        columns = banded(self._latencies(query, (), step), edges_ms, stepped=step is not None)
        return answers.frame(columns, answers.keyed((), step is not None, answers.HISTOGRAM_DTYPES))

    def patterns(self, query: LogQuery, limit: int = 200) -> pd.DataFrame:
        """Normalised texts, most records first, one row per pattern; `level` is the one that most of them have.

        Where records carry no pattern it is made of their texts, and `first_ever` may be unknown.
        """
        filters.check(query)
        asked = sums.Question(query, ("pattern_id", "level"), spans=True)
        source = self._source(query)
        rows = sums.rows(source, asked)
        found = frames.patterns(rows, limit)
        known = self._first_seen.of(source, found["pattern_id"].tolist(), rows, query.window.start)
        first = pd.to_datetime(found["pattern_id"].map(known).astype("float64"), unit="ms", utc=True)
        return found.assign(first_ever=first.dt.as_unit("ns"))

    def search(
        self, query: LogQuery, limit: int = 200, before: tuple[datetime, str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Records, newest first, at most MOST_ROWS; `before` is the (ts, id) of the last row of the page before."""
        filters.check(query, raw=True)
        limit, dtypes = max(1, min(limit, MOST_ROWS)), answers.search_dtypes(columns)
        return frames.records(pages.newest(self._source(query), query, limit, before))[list(dtypes)]

    def record(self, record_id: str) -> dict[str, Any] | None:
        """One record as `search` returns it, `fields` decoded; None where it is not kept (any more)."""
        found = pages.by_id(self._source(), record_id)
        if found is None:
            return None
        row = {str(name): value for name, value in frames.records([found]).to_dict("records")[0].items()}
        return row | {"fields": orjson.loads(found["fields"])}

    def count(self, query: LogQuery) -> int:
        """How many records `search` finds in all, in exactly the window."""
        filters.check(query, raw=True)
        return counts.count(self._source(query), query)

    def top(self, query: LogQuery, field: str, limit: int = 20) -> pd.DataFrame:
        """The most frequent values of any field: `value` ("" where a record has none), `records`, `share` (0-1)."""
        filters.check(query, raw=True)
        return counts.top(self._source(query, field), query, field, max(1, min(limit, MOST_ROWS)))

    def around(self, record_id: str, before: int = 10, after: int = 10, same: str = "service") -> pd.DataFrame:
        """The record with those nearest to it, newest first; empty where it is gone."""
        _allowed((same,) if same else (), NEAR, "kept within")
        source = self._source()
        found = pages.by_id(source, record_id)
        if found is None:
            return frames.records([])
        near = Match(same, (found[same],)) if same else None
        newer, older = (
            pages.beside(source, pages.place(found), near, min(number, MOST_ROWS), newer=newer)
            for number, newer in ((after, True), (before, False))
        )
        return frames.records([*reversed(newer), found, *older])

    def trace(self, field: str, value: str, limit: int = 1000) -> pd.DataFrame:
        """Every kept record of one request or lead, the first `limit`, oldest first."""
        _allowed((field,), FOLLOWED, "followed by")
        return frames.records(pages.trace(self._source(), Match(field, (value,)), max(1, min(limit, MOST_ROWS))))

    def newest(self) -> datetime | None:
        """The time of the newest record; None for an empty store."""
        return self._ends()[1]

    def oldest(self) -> datetime | None:
        """The time of the oldest record kept; None for an empty store."""
        return self._ends()[0]

    def ever_seen(self, field: str) -> bool:
        """Whether any kept record has a non-empty value in this one of GROUP_FIELDS, `duration_ms` or MEASURES."""
        _allowed((field,), (*GROUP_FIELDS, "duration_ms", *MEASURES), "asked for")
        searches: list[tuple[Sequence[str] | None, Body]] = []
        for plan in self._fields.plans():
            names = filters.DERIVED[field] if filters.derived(plan, field) else (field,)
            paths = [path for name in names for path in plan.paths(name)]
            held = [_filled(path.base if path.kind == "text" else path.name, path.kind) for path in paths]
            query = {"match_all": {}} if field == "records" else filters.either(held)
            searches.append((plan.indices, {"size": 0, "track_total_hits": 1, "terminate_after": 1, "query": query}))
        return any(answer["hits"]["total"]["value"] for answer in self._connection.search(searches))

    def gaps(self, window: Window) -> pd.DataFrame:
        """None: what another shipper lost on its way here cannot be known."""
        nothing = {name: np.array([], dtype="int64") for name in answers.GAP_DTYPES}
        return answers.frame(nothing, answers.GAP_DTYPES)

    def inventory(self) -> tuple[Index, ...]:
        """Each index with what the cluster tells of it. Raises SourceError."""
        return inventory(self._connection)

    def _source(self, query: LogQuery | None = None, *fields: str) -> Source:
        names = typed.free_names(query) if query is not None else set[str]()
        plans = self._fields.plans(names | set(fields))
        return Source(self._connection, plans, self._clean, self._routes)

    def _latencies(self, query: LogQuery, by: Sequence[str], step: timedelta | None) -> frames.Columns:
        asked, source = sums.Question(query, tuple(by), step), self._source(query)
        first: tuple[Callable[[], Any], ...] = (
            lambda: self._kinds_in(source, query),
            lambda: self._held.of(minute_range(query), lambda: latency.held(source, query)),
        )
        return frames.latencies(latency.columns(source, asked, *at_once(*first)), asked)

    def _kinds_in(self, source: Source, query: LogQuery) -> kinds.Kinds:
        """Asked once for the several questions of a page: they share their window."""
        return self._kinds.of(minute_range(query), lambda: kinds.kinds_of(source, query))

    def _ends(self) -> tuple[datetime | None, datetime | None]:
        with self._lock:
            until, oldest, newest = self._extent
        if time.monotonic() < until:
            return oldest, newest
        plans, latest = self._fields.plans(), int((self._now() + FUTURE).timestamp() * 1000)
        orders = [(plan, order) for plan in plans for order in ("asc", "desc")]
        found = self._connection.search([(p.indices, pages.extent_body(p, order, latest)) for p, order in orders])
        moments: dict[str, list[float]] = {"asc": [], "desc": []}
        for (_, order), answer in zip(orders, found, strict=True):
            moments[order] += [float(hit["sort"][0]) for hit in answer["hits"]["hits"]]
        oldest = _moment(min(moments["asc"])) if moments["asc"] else None
        newest = _moment(max(moments["desc"])) if moments["desc"] else None
        with self._lock:
            self._extent = (time.monotonic() + self._extent_s, oldest, newest)
        return oldest, newest


def _filled(name: str, kind: str) -> Body:
    empty = [{"term": {name: ""}}] if kind in ("exact", "text") else []
    return {"bool": {"filter": [filters.has(name)], "must_not": empty}}


def _moment(millis: float) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)


def _allowed(names: Sequence[str], allowed: Sequence[str], what: str) -> None:
    for name in names:
        if name not in allowed:
            raise QueryError(f"records cannot be {what} “{name}”: use one of {', '.join(allowed)}")
