"""How fast the service answers: by its log, and by its histograms. Every latency is in ms."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.logs.base import LogQuery, Match
from lib.signals.base import (
    covers,
    empty_if_unknown,
    evenly,
    log_step,
    metric_step,
    rate_range,
    reaches,
    tidy,
    trend,
)
from lib.signals.rulebook import rule_trend
from lib.stores import Stores
from lib.window import Window

EDGES_MS = (0, 100, 500, 1000, 5000)
"""The guide's latency bands; the last one is open."""

_SUMMED = ("requests", "avg_ms", "max_ms", "p50_ms", "p95_ms", "p99_ms")
PERCENTILES = ("avg_ms", "p50_ms", "p95_ms", "p99_ms")
DURATION = "http_request_duration_seconds"


def latency_summary(stores: Stores, window: Window) -> dict[str, float | None]:
    """Latency of all requests of the window by the log: `requests`, `avg_ms`, `p50_ms`, `p95_ms`, `p99_ms`, `max_ms`,
    and the same with `_before` for the preceding period.

    None where there was no request, or the log does not reach so far back. Raises SourceError.
    """
    now, before = stores.at_once(lambda: _summary(stores, window), lambda: _before(stores, window.previous()))
    return now | {f"{name}_before": number for name, number in before.items()}


def _before(stores: Stores, past: Window) -> dict[str, float | None]:
    return _summary(stores, past) if reaches(stores, past) else dict.fromkeys(_SUMMED)


def _summary(stores: Stores, window: Window) -> dict[str, float | None]:
    found = stores.logs.durations(LogQuery(window))
    return {name: float(found[name].iloc[0]) if len(found) else None for name in _SUMMED}


def latency_trend(stores: Stores, window: Window) -> pd.DataFrame:
    """Latency per bucket by the log: index `ts` (bucket start), `avg_ms`, `p50_ms`, `p95_ms`, `p99_ms`.

    NaN where there was no request; no request at all: no rows. Raises SourceError.
    """
    step = log_step(window)
    found = stores.logs.durations(LogQuery(window), step=step).set_index("ts")[list(PERCENTILES)]
    return empty_if_unknown(tidy(found.reindex(window.buckets(step).as_unit("ns")).astype("float64")))


def p95_by_rule(stores: Stores, window: Window) -> pd.DataFrame:
    """p95 in ms as rule SlowResponseTime reads the histogram, all routes together: index `ts`, column `value`.

    At most 10,000 (the histogram's last bound). NaN without traffic, no rows without the metric. Raises SourceError.
    """
    return rule_trend(stores, window, "SlowResponseTime")


def latency_distribution(stores: Stores, window: Window) -> pd.DataFrame:
    """Requests per band of EDGES_MS by the log: `band` ("100–500 ms"), `low_ms`, `high_ms` (inf = open), `requests`
    (NaN where no log is kept), `share` (0-1; NaN without requests). Every band is there. Raises SourceError."""
    found = stores.logs.duration_histogram(LogQuery(window), EDGES_MS)
    total = found["requests"].sum()
    bounds = zip(found["low_ms"], found["high_ms"], strict=True)
    found["band"] = [f"{low:.0f}–{high:.0f} ms" if np.isfinite(high) else f"≥ {low:.0f} ms" for low, high in bounds]
    found["share"] = found["requests"] / total if total else np.nan
    if not covers(stores, window):
        found["requests"] = np.nan
    return found[["band", "low_ms", "high_ms", "requests", "share"]]


def latency_heatmap(stores: Stores, window: Window) -> pd.DataFrame:
    """Requests per latency band over time, by the histogram: index `ts` (end of the step), a column per band, fastest
    first ("≤ 100 ms", "100–500 ms", …, "> 10000 ms"); NaN without samples, no rows without the metric.

    Counts are of the step before `ts`, or of 5 minutes where that is longer. Raises SourceError.
    """
    window = evenly(window)
    step = max(metric_step(window), window.step(60))
    expression = f"sum by (le) (increase({DURATION}_bucket[{rate_range(step)}]))"
    steps = max(int(window.length / step), 1)
    wide = stores.metrics.range(expression, Window(window.end - steps * step, window.end), step).wide("le")
    bounds = sorted((name for name in wide.columns if name), key=float)
    cumulated = wide[bounds].T.groupby([float(name) for name in bounds]).sum(min_count=1).T
    return empty_if_unknown(tidy(_bands(cumulated)))


def _bands(cumulated: pd.DataFrame) -> pd.DataFrame:
    """Counts "at most `le`" (columns, in seconds, ascending) as counts per band named in ms; rounding never goes below 0."""
    bounds = [float(bound) * 1000 for bound in cumulated.columns]
    counted = cumulated.diff(axis=1).clip(lower=0)
    if bounds:
        counted.iloc[:, 0] = cumulated.iloc[:, 0]
    names = []
    for position, bound in enumerate(bounds):
        below = bounds[position - 1] if position else 0.0
        names.append(
            f"≤ {bound:.0f} ms" if not position else f"{below:.0f}–{bound:.0f} ms" if np.isfinite(bound) else f"> {below:.0f} ms"
        )  # fmt: skip
    return counted.set_axis(names, axis=1)


def slowest_routes(stores: Stores, window: Window, limit: int = 50) -> pd.DataFrame:
    """Routes by p95, slowest first, from the log: `method`, `route`, `requests`, `avg_ms`, `p50_ms`, `p95_ms`, `p99_ms`,
    `max_ms`, `p95_before_ms` (preceding period; NaN = none), `time_share` (0-1 of all time spent answering).

    No request: no rows, same columns. Raises SourceError.
    """
    key = ["method", "route"]
    found, past = stores.at_once(
        lambda: stores.logs.durations(LogQuery(window), key),
        lambda: stores.logs.durations(LogQuery(window.previous()), key)[[*key, "p95_ms"]],
    )
    found = found.merge(past.rename(columns={"p95_ms": "p95_before_ms"}), on=key, how="left")
    spent = found["requests"] * found["avg_ms"]
    found["time_share"] = spent / spent.sum() if spent.sum() else np.nan
    columns = [*key, "requests", *PERCENTILES, "max_ms", "p95_before_ms", "time_share"]
    return found.sort_values("p95_ms", ascending=False, ignore_index=True).head(limit)[columns]


def route_latency(stores: Stores, window: Window, method: str, route: str) -> pd.DataFrame:
    """p95 per bucket of one method and route: index `ts`, `p50_ms`, `p95_ms`; NaN where it was not asked for."""
    step = log_step(window)
    where = (Match("method", (method,)), Match("route", (route,)))
    found = stores.logs.durations(LogQuery(window, where), step=step).set_index("ts")
    wide = found[["p50_ms", "p95_ms"]].reindex(window.buckets(step).as_unit("ns")).astype("float64")
    return empty_if_unknown(tidy(wide))


def request_rate(stores: Stores, window: Window) -> pd.DataFrame:
    """Requests per second by status class, from the metrics: index `ts`, columns `2xx` … `5xx` that occur.

    No rows without the metric. Raises SourceError.
    """
    classes = 'label_replace(rate(http_requests_total[{r}]), "class", "${1}xx", "status_code", "(.).*")'
    found = trend(stores, window, f"sum by (class) ({classes})", "class")
    return found[sorted(found.columns)]


def active_connections(stores: Stores, window: Window) -> pd.DataFrame:
    """Open connections per instance: index `ts`, a column per instance; NaN = not scraped. Raises SourceError."""
    return trend(stores, window, "sum by (instance) (active_connections)", "instance")


def query_latency(stores: Stores, window: Window) -> pd.DataFrame:
    """p95 of database queries in ms per query type: index `ts`, a column per `query_type`; NaN without queries."""
    buckets = "sum by (query_type, le) (rate(db_query_duration_seconds_bucket[{r}]))"
    return trend(stores, window, f"histogram_quantile(0.95, {buckets})", "query_type", scale=1000)


def query_rate(stores: Stores, window: Window) -> pd.DataFrame:
    """Database queries per second per query type: index `ts`, a column per `query_type`. Raises SourceError."""
    return trend(stores, window, "sum by (query_type) (rate(db_query_duration_seconds_count[{r}]))", "query_type")


def db_errors(stores: Stores, window: Window) -> pd.DataFrame:
    """Database errors per minute per error type: index `ts`, a column per `error_type`; no rows where none ever was."""
    return trend(stores, window, "sum by (error_type) (rate(db_errors_total[{r}])) * 60", "error_type")
