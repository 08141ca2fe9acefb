"""Each dependency by /health: its state, why, how quickly it answers, and how long it was down."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from lib.signals.base import trend
from lib.stores import Stores
from lib.window import DAY, Window

STATUS = {"healthy": "ok", "unhealthy": "critical", "unknown": "no data"}
PERIODS = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
Seconds = npt.NDArray[np.float64]
FRESH = timedelta(minutes=5)
"""A check that was not heard of for this long has no known state."""


def health_now(stores: Stores, window: Window) -> pd.DataFrame:
    """Each check as it stands, worst first: `target`, `check`, `status` (ok, critical, no data), `said` (the service's
    word), `reason`, `since`, `last_seen` (UTC), `response_ms` (NaN = none or implausible), `version`, `uptime_s`, `detail`.

    A check not heard of for 5 minutes before the window's end is "no data". Never probed: no rows. Raises SourceError.
    """
    found = stores.health.now().rename(columns={"status": "said"})
    silent = found["last_seen"] < pd.Timestamp(window.end - FRESH)
    found["status"] = found["said"].map(STATUS).fillna("no data").mask(silent, "no data")
    found.loc[silent & found["reason"].eq(""), "reason"] = "not probed since"
    order = found["status"].map({"critical": 0, "no data": 1}).fillna(2)
    found = found.assign(order=order).sort_values(["order", "target", "check"], ignore_index=True)
    columns = [
        "target", "check", "status", "said", "reason", "since", "last_seen", "response_ms", "version", "uptime_s", "detail"
    ]  # fmt: skip
    return found[columns]


def response_times(stores: Stores, window: Window) -> pd.DataFrame:
    """How long each check took, in ms, the slowest target: index `ts`, a column per check; NaN = no (plausible) answer.

    No rows without probes. Raises SourceError.
    """
    return trend(stores, window, "max by (check) (health_check_response_seconds)", "check", scale=1000)


def uptime(stores: Stores, window: Window) -> pd.DataFrame:
    """Share of time healthy per target and check, over 24 h, 7 d and 30 d before the window's end: `target`, `check`,
    then per period `uptime_<period>` (0-1 of the time covered; NaN = no time covered) and `covered_<period>` (0-1).

    Time that nobody probed, and state unknown, counts neither way. Never probed: no rows. Raises SourceError.
    """
    longest = max(PERIODS.values())
    episodes = stores.health.episodes(Window(window.end - longest, window.end))
    parts = []
    for name, length in PERIODS.items():
        found = _share_up(episodes, window.end - length, window.end).set_index(["target", "check"])
        parts.append(found.rename(columns={"uptime": f"uptime_{name}", "covered": f"covered_{name}"}))
    return pd.concat(parts, axis=1).reset_index()


def _share_up(episodes: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """`target`, `check`, `uptime`, `covered` (0-1) between two moments; every check of `episodes` is there."""
    spent = _overlap_s(episodes, pd.DatetimeIndex([pd.Timestamp(start)]), pd.DatetimeIndex([pd.Timestamp(end)]))[:, 0]
    said = episodes["status"]
    rows = episodes[["target", "check"]].assign(
        up=np.where(said == "healthy", spent, 0.0), known=np.where(said == "unknown", 0.0, spent)
    )
    found = rows.groupby(["target", "check"], as_index=False)[["up", "known"]].sum()
    found["uptime"] = found["up"] / found["known"].where(found["known"] > 0)
    found["covered"] = (found["known"] / (end - start).total_seconds()).clip(upper=1.0)
    return found[["target", "check", "uptime", "covered"]]


def _overlap_s(episodes: pd.DataFrame, starts: pd.DatetimeIndex, ends: pd.DatetimeIndex) -> Seconds:
    """Seconds that each episode (row) spends between each start and end (column)."""
    low, high = (_seconds(pd.DatetimeIndex(part)) for part in (starts, ends))
    since, until = (_seconds(pd.DatetimeIndex(episodes[name])) for name in ("since", "until"))
    spent = np.minimum(until[:, None], high[None, :]) - np.maximum(since[:, None], low[None, :])
    positive: Seconds = np.maximum(spent, 0.0)
    return positive


def _seconds(moments: pd.DatetimeIndex) -> Seconds:
    return moments.as_unit("ns").asi8 / 1e9


def uptime_bars(stores: Stores, window: Window, period: str = "24h") -> pd.DataFrame:
    """Uptime per bucket: per hour for 24h, per day of the window's zone for 7d and 30d, ending with the window.

    One row per (target, check, bucket): `target`, `check`, `ts` (UTC bucket start), `uptime` (0-1 of the covered time;
    NaN = not covered), `covered` (0-1 of the bucket so far), `status` (ok, warning, critical under 0.99, no data).
    """
    span = Window(window.end - PERIODS[period], window.end, window.zone)
    step = timedelta(hours=1) if period == "24h" else DAY
    starts = span.buckets(step)
    ends = pd.DatetimeIndex([*starts[1:], pd.Timestamp(window.end)])
    episodes = stores.health.episodes(Window(starts[0].to_pydatetime(), window.end))
    spent, said = _overlap_s(episodes, starts, ends), episodes["status"].to_numpy()[:, None]
    up = pd.DataFrame(np.where(said == "healthy", spent, 0.0), columns=starts)
    known = pd.DataFrame(np.where(said == "unknown", 0.0, spent), columns=starts)
    keys = [episodes["target"], episodes["check"]]
    found = _long(up, keys, "up").assign(known=_long(known, keys, "known")["known"])
    found["ts"] = pd.to_datetime(found["ts"], utc=True).astype("datetime64[ns, UTC]")
    lengths = pd.Series((ends - starts).total_seconds(), index=starts.as_unit("ns"))
    found["uptime"] = found["up"] / found["known"].where(found["known"] > 0)
    found["covered"] = (found["known"] / found["ts"].map(lengths)).clip(upper=1.0)
    found["status"] = np.select(
        [found["uptime"].isna(), found["uptime"] < 0.99, found["uptime"] < 1.0],
        ["no data", "critical", "warning"],
        "ok",
    )
    return found[["target", "check", "ts", "uptime", "covered", "status"]]


def _long(wide: pd.DataFrame, keys: list[pd.Series[str]], name: str) -> pd.DataFrame:
    """Sums per `target`, `check` and `ts` (bucket), always in the same order."""
    summed = wide.groupby(keys).sum().rename_axis(["target", "check"]).reset_index()
    return summed.melt(["target", "check"], var_name="ts", value_name=name)


def outages(stores: Stores, window: Window) -> pd.DataFrame:
    """Stretches of unhealthy in the window, newest first: `target`, `check`, `since`, `until` (UTC; unclipped),
    `duration_s`, `ongoing` (bool: still seen unhealthy at the window's end), `reason`. None: no rows."""
    found = stores.health.episodes(window)
    found = found[found["status"] == "unhealthy"].copy()
    found["duration_s"] = (found["until"] - found["since"]).dt.total_seconds()
    found["ongoing"] = found["until"] >= pd.Timestamp(window.end - timedelta(minutes=1))
    columns = ["target", "check", "since", "until", "duration_s", "ongoing", "reason"]
    return found[columns].sort_values("since", ascending=False, ignore_index=True)


def watched(stores: Stores, window: Window) -> dict[str, float]:
    """`covered`: share (0-1) of the window in which the state of the best watched check was known; 0 = nothing was probed."""
    found = _share_up(stores.health.episodes(window), window.start, window.end)
    return {"covered": float(found["covered"].max()) if len(found) else 0.0}
