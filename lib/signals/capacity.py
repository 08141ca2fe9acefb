"""What runs out, and when: disk, log volume, queues and connections, each with how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from lib.logs.base import LogQuery
from lib.signals.base import by_label, empty_if_unknown, tidy, trend
from lib.signals.fit import FEWEST_DAYS, Fit, fit, reach
from lib.signals.rulebook import rule_limit
from lib.stores import Stores
from lib.window import DAY, Window

DISK = "halo_ops_disk_free_bytes"
NODE = 'node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs|ramfs|iso9660|autofs"}'
STORE = "sum(halo_ops_store_bytes)"
QUEUE = "max by (queue_name) (max_over_time(queue_size[{r}]))"
POOL = "max(max_over_time(db_connections_active[{r}]))"
POOL_MAX = "min(db_connections_max)"
COLUMNS = [
    "what", "unit", "now", "limit", "per_day", "per_day_low", "per_day_high", "days", "soonest_days", "latest_days", "seen_days",
    "said",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Quantity:
    """One thing that is looked at: a value a day (`index` ts), and its limit (NaN: it has none)."""

    what: str
    unit: str
    daily: pd.Series[float]
    now: float
    limit: float


def capacity_forecast(stores: Stores, window: Window) -> pd.DataFrame:
    """Where each quantity goes, by its days in the window: `what` (foreign text), `unit`, `now`, `limit` (NaN = none),
    `per_day` and its 95 % interval (NaN = too few days), `days` to the limit and the interval of that (NaN = no end in
    sight), `seen_days`, `said` (trend, no trend, too few days, at its limit, no limit).

    Disks, the stores' files, log records a day, each queue, connections. Never seen: not listed. Raises SourceError.
    """
    rows = [_row(one) for one in _quantities(stores, window)]
    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[2:-1], "float64"))


def _row(one: _Quantity) -> tuple[Any, ...]:
    days = np.asarray(pd.DatetimeIndex(one.daily.index).as_unit("ns").asi8 / 86_400e9)
    found = fit(days, np.asarray(one.daily, dtype="float64"))
    seen = int(one.daily.notna().sum())
    given = one.what, one.unit, one.now, one.limit
    at_limit = _at_limit(one)
    if found is None:
        return (*given, *[np.nan] * 3, *([0.0] * 3 if at_limit else [np.nan] * 3), seen,
                "at its limit" if at_limit else f"too few days ({seen}; {FEWEST_DAYS} are needed)")  # fmt: skip
    slopes = found.slope, found.low, found.high
    if at_limit:
        return (*given, *slopes, 0.0, 0.0, 0.0, seen, "at its limit")
    ahead = None if np.isnan(one.limit) else reach(found, one.now, one.limit)
    ends = (np.nan,) * 3 if ahead is None else (ahead.days, ahead.soonest, ahead.latest)
    return (*given, *slopes, *ends, seen, _said(found, one, leads_there=ahead is not None))


def _at_limit(one: _Quantity) -> bool:
    """A free space is at its limit when there is none; everything else when it is there or over it."""
    if np.isnan(one.limit) or np.isnan(one.now):
        return False
    return one.now <= one.limit if one.limit == 0 else one.now >= one.limit


def _said(found: Fit, one: _Quantity, *, leads_there: bool) -> str:
    if not found.is_trend:
        return "no trend"
    way = "growing" if found.slope > 0 else "falling"
    if np.isnan(one.limit):
        return f"{way}; it has no limit"
    return way if leads_there else f"{way}, away from its limit"


def _quantities(stores: Stores, window: Window) -> Iterator[_Quantity]:
    yield from _series("Free on", "bytes", trend(stores, window, f"min by (mount) ({DISK})", "mount"), 0.0)
    yield from _series(
        "Free on host", "bytes", trend(stores, window, f"min by (mountpoint) ({NODE})", "mountpoint"), 0.0
    )
    yield from _series("Embedded stores", "bytes", trend(stores, window, STORE, ""), np.nan)
    yield from _log_volume(stores, window)
    limit = float(rule_limit(stores, window, "QueueBacklog").get("value", np.nan))
    depths = by_label(stores, window, "max by (queue_name) (queue_size)", "queue_name")
    yield from _series("Queue", "items", trend(stores, window, QUEUE, "queue_name"), limit, depths)
    used = by_label(stores, window, "max(db_connections_active)", "")
    yield from _series("Database connections", "connections", trend(stores, window, POOL), _pool(stores, window), used)


def _series(
    what: str, unit: str, wide: pd.DataFrame, limit: float, now: Mapping[str, float] | None = None
) -> Iterator[_Quantity]:
    """A quantity per column; `now` is how it is at this moment, where the column is something else. Queues and such are as
    full as their fullest moment of a day; free space as it mostly is."""
    for name in wide.columns:
        known = wide[name].dropna()
        if len(known):
            named = f"{what} {name}" if name not in ("", "value") else what
            newest = (now or {}).get("" if name == "value" else name, float(known.iloc[-1]))
            yield _Quantity(named, unit, _daily(known, fullest=limit != 0), newest, limit)


def _pool(stores: Stores, window: Window) -> float:
    """The connections at which the rule fires; NaN where nothing exports how many there may be."""
    share = float(rule_limit(stores, window, "DBConnectionPoolExhausted").get("value", 1.0))
    most = trend(stores, window, POOL_MAX)
    return float(most["value"].dropna().iloc[-1]) * share if len(most) else np.nan


def _daily(known: pd.Series[float], *, fullest: bool) -> pd.Series[float]:
    days = known.resample("1D")
    return days.max() if fullest else days.median()


def daily_log_records(stores: Stores, window: Window) -> pd.DataFrame:
    """Log records per whole day of the zone: index `ts` (UTC start of the day), `records`; days that the log does not
    wholly cover are left out. Nothing kept: no rows. Raises SourceError."""
    oldest, newest = stores.logs.oldest(), stores.logs.newest()
    if oldest is None or newest is None:
        return pd.DataFrame({"records": pd.Series(dtype="float64")}, index=pd.DatetimeIndex([], tz="UTC", name="ts"))
    starts = window.buckets(DAY).as_unit("ns")
    found = stores.logs.totals(LogQuery(window), (), DAY).set_index("ts")["records"].astype("float64")
    counted = found.reindex(starts).fillna(0.0)
    ends = [*starts[1:], starts[-1] + DAY] if len(starts) else []
    last = min(newest + timedelta(minutes=5), window.end)
    first = max(pd.Timestamp(oldest), pd.Timestamp(window.start))
    whole = [s >= first and e <= pd.Timestamp(last) for s, e in zip(starts, ends, strict=True)]
    return empty_if_unknown(tidy(counted[np.array(whole, dtype=bool)].to_frame("records")))


def _log_volume(stores: Stores, window: Window) -> Iterator[_Quantity]:
    daily = daily_log_records(stores, window)["records"]
    if len(daily):
        yield _Quantity("Log records a day", "records", daily, float(daily.iloc[-1]), np.nan)
