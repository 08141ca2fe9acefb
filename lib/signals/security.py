"""Who was refused, and who came that was never there before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import QueryError
from lib.logs.base import LogQuery, Match
from lib.signals.base import covers, reaches
from lib.stores import Stores
from lib.window import Window

REFUSED = Match("status", ("401", "403"))
BURST, TIMES_USUAL = 20, 5
"""Refusals in ten minutes that count as a burst at least, and how many times the usual number."""

TEN_MINUTES = timedelta(minutes=10)
SIGN_IN = ("login", "signin", "sign-in", "logon", "auth", "token", "session")
"""Words of a route at which people or programs sign in."""

AGENT_FIELD, MOST_AGENTS = "userAgent", 500


def refused(stores: Stores, window: Window) -> dict[str, Any]:
    """Requests answered 401 or 403: `refused`, those `in_bursts`, how many `bursts` (ten minutes each), and
    `failed_logins` (401 at a route of signing in). None where there is no log. Raises SourceError."""
    if not covers(stores, window):
        return dict.fromkeys(("refused", "in_bursts", "bursts", "failed_logins"))
    step = max(TEN_MINUTES, window.step(5000))
    found = stores.logs.requests(LogQuery(window, (REFUSED,)), (), step)["requests"].astype("float64")
    usual = _usual(found, int(window.length / step))
    bursts = found[found >= max(BURST, TIMES_USUAL * usual)]
    return {
        "refused": float(found.sum()), "in_bursts": float(bursts.sum()), "bursts": float(len(bursts)),
        "failed_logins": _failed_logins(stores, window),
    }  # fmt: skip


def _usual(found: pd.Series[float], buckets: int) -> float:
    """The median of all buckets, those without a refusal among them."""
    quiet = max(buckets - len(found), 0)
    return float(np.median([*found, *([0.0] * quiet)])) if buckets else 0.0


def _failed_logins(stores: Stores, window: Window) -> float:
    routes = stores.logs.requests(LogQuery(window, (Match("status", ("401",)),)), ("route",))
    at_sign_in = routes["route"].str.lower().str.contains("|".join(SIGN_IN), regex=True)
    return float(routes.loc[at_sign_in, "requests"].sum())


def new_user_agents(stores: Stores, window: Window) -> pd.DataFrame:
    """User agents of the window's records that the period before has not: `agent` (foreign text), `records`, most first.

    `attrs["known"]` says whether there was a period before to compare with; without one there are no rows. Raises SourceError.
    """
    none = pd.DataFrame({"agent": pd.Series(dtype="str"), "records": pd.Series(dtype="int64")})
    none.attrs["known"] = False
    if not reaches(stores, window.previous()):
        return none
    try:
        now = stores.logs.top(LogQuery(window), AGENT_FIELD, MOST_AGENTS)
        before = stores.logs.top(LogQuery(window.previous()), AGENT_FIELD, MOST_AGENTS)
    except QueryError:
        return none  # a store that cannot count this field
    new = now[~now["value"].isin(before["value"]) & (now["value"] != "")]
    found = new[["value", "records"]].rename(columns={"value": "agent"}).reset_index(drop=True)
    found.attrs["known"] = True
    return found
