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
LATE, SOON_S = 5, 600.0
"""A source is late after so many of its usual distances without a success, but not before so many seconds."""

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


def sync_sources(stores: Stores, window: Window) -> pd.DataFrame:
    """Each source over the window, from the log: `source`, `runs`, `processed`, `successful`, `failed` (records),
    `success_ratio` (0-1; NaN = nothing processed), `avg_ms` per run, `last_run` (UTC, minute), `last_success` (UTC:
    the newest run that brought a record in; NaT = none found), `age_s` since then, `usual_s` (the usual distance of two
    runs; NaN = under two), `status` (critical: no success found; warning: none for LATE usual distances; else ok).

    The last four look at the window and the day before its end. No run: no rows. Raises SourceError.
    """
    measures = ("records", "processed", "successful", "failed", "sync_ms")
    found, seen = stores.at_once(
        lambda: stores.logs.totals(LogQuery(window, (SYNC,)), ("source",), measures=measures),
        lambda: _last_runs(stores, window),
    )
    names = sorted({*found["source"], *seen["source"]})
    found = found.rename(columns={"records": "runs"}).set_index("source").reindex(names).rename_axis("source")
    seen = seen.set_index("source").reindex(names)
    found[["last_run", "last_success", "usual_s"]] = seen[["last_run", "last_success", "usual_s"]]
    sums = ["runs", "processed", "successful", "failed"]
    found[sums] = found[sums].fillna(0).astype("int64")
    found["success_ratio"] = found["successful"] / found["processed"].where(found["processed"] > 0)
    found["avg_ms"] = found["sync_ms"] / found["runs"].where(found["runs"] > 0)
    found["age_s"] = (pd.Timestamp(window.end) - found["last_success"]).dt.total_seconds().clip(lower=0)
    late = found["age_s"] > (LATE * found["usual_s"]).clip(lower=SOON_S)
    found["status"] = np.select([found["age_s"].isna(), late], ["critical", "warning"], "ok")
    columns = [*sums, "success_ratio", "avg_ms", "last_run", "last_success", "age_s", "usual_s", "status"]
    return found[columns].reset_index()


def _last_runs(stores: Stores, window: Window) -> pd.DataFrame:
    """`source`, `last_run`, `last_success` to the minute of the sum, and `usual_s`, looked for over at least a day."""
    wide = Window(min(window.start, window.end - DAY), window.end, window.zone)
    step = wide.step(2000, floor=MINUTE)
    found = stores.logs.totals(LogQuery(wide, (SYNC,)), ("source",), step, ("records", "successful"))
    end, ended = pd.Timestamp(window.end), found["ts"] + step
    ended = ended.mask(ended > end, end)
    rows = found.assign(last_run=ended, last_success=ended.where(found["successful"] > 0)).groupby("source")
    seen = rows[["last_run", "last_success"]].max()
    runs = rows["records"].sum()
    # From the first to the last run: the time since then, in which it may be broken, is not usual.
    seen["usual_s"] = (rows["ts"].max() - rows["ts"].min()).dt.total_seconds() / (runs - 1).where(runs > 1)
    return seen.reset_index()
