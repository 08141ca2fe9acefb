"""Work that waits, and the sources that leads are synced from."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from lib.logs.base import LogQuery, Match
from lib.signals.base import MINUTE, by_label, counts, trend
from lib.signals.rulebook import rule_limit, rule_trend
from lib.stores import Stores
from lib.window import DAY, Window

SYNC = Match("event", ("sync.completed",))
DEPTH = "max by (queue_name) (queue_size)"
GROWTH = "sum by (queue_name) (deriv(queue_size[15m])) * 60"
GROWTH_NOW = "sum by (queue_name) (deriv(queue_size[5m])) * 60"
"""What filled up and was emptied since grew over 15 minutes, and yet will not reach its limit."""


def queue_depth(stores: Stores, window: Window) -> pd.DataFrame:
    """Items waiting, the fullest instance per queue as rule QueueBacklog would fire on: index `ts`, a column per queue.

    NaN = not scraped; no rows without the metric. Raises SourceError.
    """
    return trend(stores, window, DEPTH, "queue_name")


def queue_status(stores: Stores, window: Window) -> pd.DataFrame:
    """Each queue at the window's end: `queue`, `items`, `limit` (rule QueueBacklog; NaN = no rule), `growth_per_min`
    (over 15 min; NaN = unknown), `to_limit_s` (at this growth; 0 = over it, NaN = not growing, or not in the last 5 min),
    `status` (over the limit: the rule's severity; reached within the hour: warning).

    Fullest first; no rows without the metric. Raises SourceError.
    """
    items, growth, growth_now = stores.at_once(
        *(partial(by_label, stores, window, expression, "queue_name") for expression in (DEPTH, GROWTH, GROWTH_NOW))
    )
    rule = rule_limit(stores, window, "QueueBacklog")
    limit, severity = float(rule.get("value", np.nan)), str(rule.get("severity", "warning"))
    rows = []
    for name, depth in items.items():
        grown = growth.get(name, np.nan)
        ahead = _ahead(depth, limit, grown if growth_now.get(name, np.nan) > 0 else np.nan, severity)
        rows.append((name, depth, limit, grown, *ahead))
    columns = ["queue", "items", "limit", "growth_per_min", "to_limit_s", "status"]
    return pd.DataFrame(rows, columns=columns).sort_values("items", ascending=False, ignore_index=True)


def _ahead(depth: float, limit: float, growth_per_min: float, severity: str) -> tuple[float, str]:
    """Seconds until the limit, and what to think of it: an hour's notice is a warning."""
    if depth > limit:
        return 0.0, severity
    to_limit_s = (limit - depth) / growth_per_min * 60 if growth_per_min > 0 else np.nan
    return to_limit_s, "warning" if to_limit_s < 3600 else "ok"


def failed_syncs(stores: Stores, window: Window) -> pd.DataFrame:
    """Failed lead syncs per minute and source, as rule LeadSyncFailures reads them: index `ts`, a column per source."""
    return rule_trend(stores, window, "LeadSyncFailures", "source")


def sync_success_ratio(stores: Stores, window: Window) -> pd.DataFrame:
    """Share of lead syncs that succeed, per source, from the counters: index `ts`, a column per source (0-1).

    NaN while nothing was synced; no rows without the metric. Raises SourceError.
    """
    every = "sum by (source) (rate(lead_sync_total[{r}]))"
    failed = 'sum by (source) (rate(lead_sync_total{status="failed"}[{r}]))'
    # A source that never failed has no failed series: its failures count as zero.
    return trend(stores, window, f"1 - ({failed} or 0 * {every}) / {every}", "source")


def sync_runs(stores: Stores, window: Window) -> pd.DataFrame:
    """Finished sync runs per bucket and source, from the log: index `ts`, a column per source; quiet 0, unknown NaN."""
    return counts(stores, window, (SYNC,), by="source")


def sync_records(stores: Stores, window: Window) -> pd.DataFrame:
    """Records that sync runs processed, per bucket and source, from the log: index `ts`, a column per source."""
    return counts(stores, window, (SYNC,), by="source", measure="processed")


def sync_failed_records(stores: Stores, window: Window) -> pd.DataFrame:
    """Records that failed in sync runs, per bucket and source, from the log: index `ts`, a column per source."""
    return counts(stores, window, (SYNC,), by="source", measure="failed")


def sync_duration(stores: Stores, window: Window) -> pd.DataFrame:
    """Average length of a sync run in ms, per bucket and source, from the log: index `ts`, a column per source.

    NaN where no run ended; no run at all: no rows. Raises SourceError.
    """
    spent, runs = stores.at_once(
        *(partial(counts, stores, window, (SYNC,), by="source", measure=name) for name in ("sync_ms", "records"))
    )
    average = spent / runs.where(runs > 0)
    return average if len(average.columns) else average.iloc[:0]


def sync_sources(stores: Stores, window: Window) -> pd.DataFrame:
    """Each source over the window, from the log: `source`, `runs`, `processed`, `successful`, `failed` (records),
    `success_ratio` (0-1; NaN = nothing processed), `avg_ms` per run, `last_run` (UTC, minute), `last_success` (UTC:
    the newest run that brought a record in; NaT = none found), `age_s` since then.

    `last_success` is looked for in the window and the day before its end. No run: no rows. Raises SourceError.
    """
    measures = ("records", "processed", "successful", "failed", "sync_ms")
    found, seen = stores.at_once(
        lambda: stores.logs.totals(LogQuery(window, (SYNC,)), ("source",), measures=measures),
        lambda: _last_runs(stores, window),
    )
    names = sorted({*found["source"], *seen["source"]})
    found = found.rename(columns={"records": "runs"}).set_index("source").reindex(names).rename_axis("source")
    seen = seen.set_index("source").reindex(names)
    found[["last_run", "last_success"]] = seen[["last_run", "last_success"]]
    sums = ["runs", "processed", "successful", "failed"]
    found[sums] = found[sums].fillna(0).astype("int64")
    found["success_ratio"] = found["successful"] / found["processed"].where(found["processed"] > 0)
    found["avg_ms"] = found["sync_ms"] / found["runs"].where(found["runs"] > 0)
    found["age_s"] = (pd.Timestamp(window.end) - found["last_success"]).dt.total_seconds().clip(lower=0)
    columns = [*sums, "success_ratio", "avg_ms", "last_run", "last_success", "age_s"]
    return found[columns].reset_index()


def _last_runs(stores: Stores, window: Window) -> pd.DataFrame:
    """`source`, `last_run`, `last_success` to the minute of the sum, looked for over at least a day."""
    wide = Window(min(window.start, window.end - DAY), window.end, window.zone)
    step = wide.step(2000, floor=MINUTE)
    found = stores.logs.totals(LogQuery(wide, (SYNC,)), ("source",), step, ("records", "successful"))
    end, ended = pd.Timestamp(window.end), found["ts"] + step
    ended = ended.mask(ended > end, end)
    good = found["successful"] > 0
    return pd.DataFrame(
        {"source": found["source"], "last_run": ended, "last_success": ended.where(good)}
    ).groupby("source", as_index=False).max()  # fmt: skip


def sync_freshness(stores: Stores, window: Window) -> pd.DataFrame:
    """Time since the last successful sync: `source`, `last_success` (UTC; NaT = none in a day), `age_s`, `usual_s` (the
    usual distance of two runs in the window; NaN = under two runs), `status` (late = over 5 times the usual distance)."""
    found = sync_sources(stores, window)[["source", "runs", "last_success", "age_s"]]
    found["usual_s"] = window.length.total_seconds() / found["runs"].where(found["runs"] > 1)
    late = found["age_s"] > (5 * found["usual_s"]).clip(lower=600)
    found["status"] = np.where(found["age_s"].isna(), "critical", np.where(late, "warning", "ok"))
    return found.drop(columns="runs")
