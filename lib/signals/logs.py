"""Log records as people look for them: found, counted, followed; personal data is hidden."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pandas as pd

from lib.logs.base import LogQuery, Match
from lib.personal import hide, hide_records, hide_value
from lib.signals.base import filled, log_step, mini_trends
from lib.stores import Stores
from lib.window import Window

MOST_EXPORTED = 10_000
"""Records that one export holds."""

_PAGE = 1000
_ORDER = ("FATAL", "CRITICAL", "ERROR", "WARN", "INFO", "HTTP", "VERBOSE", "DEBUG", "SILLY", "UNPARSED")


def log_records(
    stores: Stores, window: Window, *, lucene: str = "", levels: tuple[str, ...] = (), limit: int = 200,
    before: tuple[datetime, str] | None = None, columns: tuple[str, ...] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """One page of records, newest first: the columns of `LogStore.search`, or of these `columns`, `id` and `ts` alone;
    `before` is the last row of the page before.

    No record: no rows, same columns. Raises SourceError, QueryError.
    """
    return hide_records(stores.logs.search(_query(window, lucene, levels), limit, before, columns))


def log_counts(
    stores: Stores, window: Window, *, lucene: str = "", levels: tuple[str, ...] = ()
) -> dict[str, int | None]:
    """How many records the filter leaves (`found`) of those in the window (`every`); None while the store is empty."""
    queries = [_query(window, lucene, levels)]
    if lucene.strip() or levels:
        queries.append(LogQuery(window))
    counts: list[Callable[[], Any]] = [partial(stores.logs.count, query) for query in queries]
    oldest, *found = stores.at_once(stores.logs.oldest, *counts)
    return {"found": None, "every": None} if oldest is None else {"found": found[0], "every": found[-1]}


def log_levels(stores: Stores, window: Window, *, lucene: str = "", levels: tuple[str, ...] = ()) -> pd.DataFrame:
    """Records per bucket and level: index `ts` (UTC bucket start), a float column per level seen, the worst first.

    Quiet buckets are 0, unknown ones NaN; no record: no rows. Raises SourceError, QueryError.
    """
    found = stores.logs.totals(_query(window, lucene, levels), ("level",), log_step(window))
    if found.empty:
        return pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC", name="ts"))
    wide = filled(stores, window, found.assign(column=found["level"].replace("", "(none)")))
    names = sorted((str(name) for name in wide.columns), key=_rank)
    return wide[names]


def _rank(level: str) -> tuple[int, str]:
    return (_ORDER.index(level) if level in _ORDER else len(_ORDER), level)


def log_top_values(
    stores: Stores, window: Window, *, field: str, lucene: str = "", levels: tuple[str, ...] = (), limit: int = 15
) -> pd.DataFrame:
    """The most frequent values of a field: `value` ("" = none), `records`, `share` (0-1 of the records found)."""
    found = stores.logs.top(_query(window, lucene, levels), field, limit)
    return found.assign(value=[hide_value(field, value) for value in found["value"]])


def log_patterns(
    stores: Stores, window: Window, *, lucene: str = "", levels: tuple[str, ...] = (), limit: int = 30
) -> pd.DataFrame:
    """Normalised texts of the records found, most first: `pattern_id`, `pattern`, `level`, `records`, `share` (0-1),
    `last_seen` (UTC), `trend` (list of counts, even buckets). None: no rows, same columns."""
    query = _query(window, lucene, levels)
    found, counted = stores.at_once(lambda: stores.logs.patterns(query, limit), lambda: stores.logs.totals(query))
    total = float(counted["records"].sum())
    found["share"] = found["records"] / total if total else found["records"].astype("float64")
    found["trend"] = mini_trends(stores, query, found["pattern_id"])
    return found[["pattern_id", "pattern", "level", "records", "share", "last_seen", "trend"]]


def log_record(stores: Stores, window: Window, *, record_id: str) -> dict[str, Any]:
    """`record`: one as `LogStore.record` gives it; empty where it is not kept (any more). The window does not matter."""
    found = stores.logs.record(record_id)
    return {"record": {} if found is None else {name: hide(value, name) for name, value in found.items()}}


def log_around(
    stores: Stores, window: Window, *, record_id: str, same: str = "service", count: int = 10
) -> pd.DataFrame:
    """The record between its `count` older and newer neighbours, newest first; empty where it is gone."""
    return hide_records(stores.logs.around(record_id, count, count, same))


def log_trace(stores: Stores, window: Window, *, field: str, value: str, limit: int = 1000) -> pd.DataFrame:
    """Everything of one request or lead that is kept, oldest first: the columns of `LogStore.search`."""
    return hide_records(stores.logs.trace(field, value, limit))


def log_export(
    stores: Stores, window: Window, *, lucene: str = "", levels: tuple[str, ...] = (), most: int = MOST_EXPORTED
) -> pd.DataFrame:
    """The newest `most` records found, newest first, read page by page."""
    pages: list[pd.DataFrame] = []
    before, left = None, most
    while left > 0:
        page = log_records(stores, window, lucene=lucene, levels=levels, limit=min(_PAGE, left), before=before)
        pages.append(page)
        left -= len(page)
        if len(page) < _PAGE:
            break
        before = (page["ts"].iloc[-1].to_pydatetime(), str(page["id"].iloc[-1]))
    return pd.concat(pages, ignore_index=True)


def _query(window: Window, lucene: str, levels: tuple[str, ...]) -> LogQuery:
    return LogQuery(window, (Match("level", levels),) if levels else (), lucene=lucene)
