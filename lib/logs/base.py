"""What can be asked of a log store, whichever engine answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import pandas as pd

from lib.window import Window

FOLLOWED = ("request_id", "lead_id")
"""What `trace` can follow."""

NEAR = ("service", "file")
"""What `around` can stay within; "" is everything."""

GROUP_FIELDS = (
    "level", "service", "version", "event", "source", "operation", "method", "route", "status", "pattern_id",
)  # fmt: skip
"""Fields that `totals` can group by and any question can match on cheaply."""

MEASURES = ("records", "value", "processed", "successful", "failed", "sync_ms", "response_bytes")
"""What `totals` can add up: record counts, opportunity value, sync stats (records), sync run time (ms), bytes."""


@dataclass(frozen=True, slots=True)
class Match:
    """`field` is one of `values` (or, negated, none of them). `status` values are strings, "5xx" a class of them.

    `field` is one of GROUP_FIELDS, or in `search` also `request_id`, `lead_id`. Levels compare without case.
    """

    field: str
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which records: those in the window for which every `where` holds and that `lucene` (lib.logs.lucene) selects and,
    in `search` and `count`, whose text has `text`. A wrong `lucene` is a QueryError with its position.
    """

    window: Window
    where: tuple[Match, ...] = ()
    text: str = ""
    lucene: str = ""


class LogStore(Protocol):
    """Questions about log records. Every method raises SourceError when the store cannot answer.

    Times are UTC (`datetime64[ns, UTC]` columns); an empty answer has the same columns and dtypes.
    Aggregates count whole minutes: the window's start is rounded down to its minute.
    """

    name: str

    def totals(
        self,
        query: LogQuery,
        by: Sequence[str] = (),
        step: timedelta | None = None,
        measures: Sequence[str] = ("records",),
    ) -> pd.DataFrame:
        """Sums per bucket and group: [`ts` if step,] *by, *measures. Only groups and buckets that have records.

        A field that a record lacks is "" in its group column. Without `by` and `step`: exactly one row.
        """

    def durations(self, query: LogQuery, by: Sequence[str] = (), step: timedelta | None = None) -> pd.DataFrame:
        """HTTP latency: [`ts`,] *by, `requests`, `avg_ms`, `max_ms`, `p50_ms`, `p95_ms`, `p99_ms`.

        From `HTTP Request` records, or `API Request Completed` where a minute and service has no `HTTP Request`
        (the two log the same request). Percentiles are within 2 % of exact. `by` of service, method, route, status.
        """

    def requests(self, query: LogQuery, by: Sequence[str] = (), step: timedelta | None = None) -> pd.DataFrame:
        """How many requests were answered: [`ts`,] *by, `requests`. The same records as `durations`, and far cheaper.

        Only groups and buckets that have requests. Without `by` and `step`: exactly one row.
        """

    def duration_histogram(
        self, query: LogQuery, edges_ms: Sequence[float], step: timedelta | None = None
    ) -> pd.DataFrame:
        """Requests per latency band: [`ts`,] `low_ms`, `high_ms` (inf for the last), `requests`; every band is there.

        Bands are [edge, next edge). Same records as `durations`.
        """

    def patterns(self, query: LogQuery, limit: int = 200) -> pd.DataFrame:
        """Normalised texts, most records first: `pattern_id`, `pattern`, `level`, `records`, `first_seen`,
        `last_seen` (both within the window, minute resolution), `first_ever` (in all kept data; NaT where unknown)."""

    def search(
        self, query: LogQuery, limit: int = 200, before: tuple[datetime, str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Records, newest first: `id`, `ts`, `level`, `message`, `service`, `version`, `event`, `request_id`,
        `lead_id`, `source`, `operation`, `method`, `route`, `url`, `status` (Int64), `duration_ms` (float),
        `error`, `stack`, `pattern_id`, `reason` (why a line could not be parsed, else ""), `truncated` (bool), `fields` (JSON object text
        of all other fields). `before` is the (ts, id) of the last row of the page before.

        Fewer `columns` cost less: of those named, `id` and `ts` alone the answer is made, in this order; a name that is
        none of them is a QueryError."""

    def record(self, record_id: str) -> dict[str, Any] | None:
        """One record as `search` returns it, `fields` decoded; None where it is not kept (any more)."""

    def count(self, query: LogQuery) -> int:
        """How many records `search` finds in all, in exactly the window."""

    def top(self, query: LogQuery, field: str, limit: int = 20) -> pd.DataFrame:
        """The most frequent values of any field, those in `fields` among them: `value` (text, "" where a record has
        none), `records`, `share` (0-1 of all records of the query). Exactly the window."""

    def around(self, record_id: str, before: int = 10, after: int = 10, same: str = "service") -> pd.DataFrame:
        """The record with those nearest to it in the order of `search`, within a day: columns of `search`, newest first.

        `before` counts older ones, `after` newer ones; `same` is one of NEAR or "". Empty where the record is gone.
        """

    def trace(self, field: str, value: str, limit: int = 1000) -> pd.DataFrame:
        """Every kept record of one request or lead (`field` of FOLLOWED), the first `limit`: columns of `search`, oldest first."""

    def newest(self) -> datetime | None:
        """The time of the newest record; None for an empty store."""

    def oldest(self) -> datetime | None:
        """The time of the oldest record kept; None for an empty store."""

    def ever_seen(self, field: str) -> bool:
        """Whether any kept record has a non-empty value in this one of GROUP_FIELDS, `duration_ms` or MEASURES."""

    def gaps(self, window: Window) -> pd.DataFrame:
        """What was lost, skipped or kept unread, newest first: `ts`, `file`, `kind` (lost, unparsed, truncated,
        future, refused), `records` (0 where unknown), `bytes`, `reason`."""
