"""What is failing, since when, and what of it is new."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from lib.logs.base import LogQuery, Match
from lib.personal import hide_records
from lib.signals.base import (
    ERROR_LEVELS,
    before,
    counts,
    empty_if_unknown,
    mini_trends,
    reaches,
    share,
    trend,
)
from lib.signals.rulebook import rule_trend
from lib.stores import Stores
from lib.window import Window

HOUR = timedelta(hours=1)
LEVELS = ("ERROR", "WARN")
_SUMMED = ("errors", "records", "error_share", "http_errors_ratio")
REQUESTS = "sum(rate(http_requests_total[{r}]))"


def error_summary(stores: Stores, window: Window) -> dict[str, Any]:
    """Errors in the window and in the one before: `errors`, `records`, `error_share` (0-1 of all records), `*_before`,
    `change` (0.5 = half as many more), and `http_errors_ratio` (5xx of all requests in the log).

    None where the log does not reach that far back. Raises SourceError.
    """
    now, then = stores.at_once(lambda: _summary(stores, window), lambda: _summary_before(stores, window.previous()))
    change = None
    if now["errors"] is not None and then["errors"]:
        change = now["errors"] / then["errors"] - 1
    return now | {f"{name}_before": number for name, number in then.items()} | {"change": change}


def error_last_hour(stores: Stores, window: Window) -> dict[str, Any]:
    """`error_summary` of the hour that ends with the window, against the hour before it."""
    return error_summary(stores, Window(window.end - HOUR, window.end, window.zone))


def _summary_before(stores: Stores, past: Window) -> dict[str, float | None]:
    return _summary(stores, past) if reaches(stores, past) else dict.fromkeys(_SUMMED)


def _summary(stores: Stores, window: Window) -> dict[str, float | None]:
    oldest = stores.logs.oldest()
    if oldest is None or oldest >= window.end:
        return dict.fromkeys(_SUMMED)
    by_level, answered = stores.at_once(
        lambda: stores.logs.totals(LogQuery(window), ("level",)),
        lambda: stores.logs.requests(LogQuery(window), ("status",)),
    )
    failing = by_level["level"].str.upper().isin(ERROR_LEVELS.values)
    errors, records = float(by_level.loc[failing, "records"].sum()), float(by_level["records"].sum())
    failed = answered.loc[answered["status"].str.startswith("5"), "requests"].sum()
    return {
        "errors": errors,
        "records": records,
        "error_share": share(errors, records),
        "http_errors_ratio": share(float(failed), float(answered["requests"].sum())),
    }


def error_trend(stores: Stores, window: Window) -> pd.DataFrame:
    """Log records per bucket: index `ts` (UTC bucket start), columns `ERROR`, `WARN` and any worse level seen.

    Quiet buckets are 0; before the oldest kept record, or with nothing arriving, NaN. No log at all: no rows.
    Raises SourceError.
    """
    where = (Match("level", (*LEVELS, *ERROR_LEVELS.values, "WARNING")),)
    return counts(stores, window, where, by="level", columns=LEVELS)


def http_error_ratio(stores: Stores, window: Window) -> pd.DataFrame:
    """Share of requests answered 5xx, by the metrics, as rule HighErrorRate reads it: index `ts`, `value` (0-1).

    0 where requests were answered before the first 5xx, of which the rule says nothing. NaN where there was no traffic; no
    rows without the metric. Raises SourceError.
    """
    traffic, failed = stores.at_once(
        lambda: trend(stores, window, REQUESTS), lambda: rule_trend(stores, window, "HighErrorRate")
    )
    return empty_if_unknown(failed.combine_first(traffic.where(traffic > 0) * 0.0))


def error_patterns(stores: Stores, window: Window, limit: int = 100) -> pd.DataFrame:
    """Normalised error texts, most records first: `pattern_id`, `pattern`, `level`, `records`, `share` (0-1 of all
    errors), `before` (records in the preceding period of the same length; NaN where the log does not reach so far),
    `is_new` (none before, and never seen earlier), `first_seen`, `last_seen` (UTC), `trend` (list of counts, even buckets).

    No error: no rows, same columns. Raises SourceError.
    """
    errors = LogQuery(window, (ERROR_LEVELS,))
    past = LogQuery(window.previous(), (ERROR_LEVELS,))
    found, earlier, counted = stores.at_once(
        lambda: stores.logs.patterns(errors, limit),
        lambda: stores.logs.totals(past, ("pattern_id",)),
        lambda: stores.logs.totals(errors),
    )
    total = float(counted["records"].sum())
    found["share"] = found["records"] / total if total else np.nan
    found["before"] = before(stores, window, found["pattern_id"].map(earlier.set_index("pattern_id")["records"]))
    found["is_new"] = found["before"].eq(0) & ~(found["first_ever"] < window.start)
    found["trend"] = mini_trends(stores, errors, found["pattern_id"])
    columns = [
        "pattern_id", "pattern", "level", "records", "share", "before", "is_new", "first_seen", "last_seen", "trend"
    ]  # fmt: skip
    return found[columns]


def new_error_patterns(stores: Stores, window: Window) -> pd.DataFrame:
    """Error patterns of the window that no kept record had before it, most records first: `pattern_id`, `pattern`, `level`,
    `records`, `first_seen`, `last_seen` (UTC), and `sure` (bool: False where the store does not know when it came first).

    Only of use where the log reaches back before the window. None: no rows, same columns. Raises SourceError.
    """
    found = stores.logs.patterns(LogQuery(window, (ERROR_LEVELS,)), 1000)
    found["sure"] = found["first_ever"].notna()
    new = found[~(found["first_ever"] < pd.Timestamp(window.start).floor("min"))]
    columns = ["pattern_id", "pattern", "level", "records", "first_seen", "last_seen", "sure"]
    return new[columns].reset_index(drop=True)


def error_samples(
    stores: Stores, window: Window, *, pattern_id: str = "", operation: str = "", route: str = "", limit: int = 20
) -> pd.DataFrame:
    """Newest error records, of one pattern, operation or route where given: the columns of `LogStore.search`,
    personal data hidden.

    No such record: no rows, same columns. Raises SourceError.
    """
    chosen = {"pattern_id": pattern_id, "operation": operation, "route": route}
    where = tuple(Match(field, (text,)) for field, text in chosen.items() if text)
    return hide_records(stores.logs.search(LogQuery(window, (ERROR_LEVELS, *where)), limit))


def errors_by_operation(stores: Stores, window: Window) -> pd.DataFrame:
    """Errors per operation, most first: `operation` ("" = the record names none), `errors`, `before`, `share` (0-1)."""
    now, past = stores.at_once(
        lambda: stores.logs.totals(LogQuery(window, (ERROR_LEVELS,)), ("operation",)),
        lambda: stores.logs.totals(LogQuery(window.previous(), (ERROR_LEVELS,)), ("operation",)),
    )
    return _against(stores, window, now, past, "operation")


def errors_by_version(stores: Stores, window: Window) -> pd.DataFrame:
    """Errors per service version: `version`, `errors`, `records` (all levels), `share` (0-1: errors of its records)."""
    everything, failing = stores.at_once(
        lambda: stores.logs.totals(LogQuery(window), ("version",)),
        lambda: stores.logs.totals(LogQuery(window, (ERROR_LEVELS,)), ("version",)),
    )
    found = everything.merge(failing.rename(columns={"records": "errors"}), on="version", how="left")
    found["errors"] = found["errors"].fillna(0).astype("int64")
    found["share"] = found["errors"] / found["records"]
    return found.sort_values("errors", ascending=False, ignore_index=True)[["version", "errors", "records", "share"]]


def errors_by_route(stores: Stores, window: Window) -> pd.DataFrame:
    """Requests per method and route with failures first: `method`, `route`, `requests`, `server_errors` (5xx),
    `client_errors` (4xx), `server_error_ratio`, `client_error_ratio` (0-1). From the log; no request: no rows."""
    found = stores.logs.requests(LogQuery(window), ("method", "route", "status"))
    for name, digit in (("server_errors", "5"), ("client_errors", "4")):
        found[name] = found["requests"].where(found["status"].str.startswith(digit), 0)
    sums = ["requests", "server_errors", "client_errors"]
    routes = found.groupby(["method", "route"], as_index=False)[sums].sum()
    routes["server_error_ratio"] = routes["server_errors"] / routes["requests"]
    routes["client_error_ratio"] = routes["client_errors"] / routes["requests"]
    return routes.sort_values(["server_errors", "client_errors", "requests"], ascending=False, ignore_index=True)


def _against(stores: Stores, window: Window, now: pd.DataFrame, past: pd.DataFrame, key: str) -> pd.DataFrame:
    now = now.rename(columns={"records": "errors"})
    found = now.merge(past.rename(columns={"records": "before"}), on=key, how="left")
    found["before"] = before(stores, window, found["before"])
    total = found["errors"].sum()
    found["share"] = found["errors"] / total if total else np.nan
    return found.sort_values("errors", ascending=False, ignore_index=True)
