"""The contract's findings for the page: asked once for all viewers."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.contract import judge
from lib.contract.base import Finding
from lib.contract.uses import Uses
from lib.ui import cache, runtime
from lib.ui.clock import now

TTL_S = 60
COLUMNS = ("status", "kind", "item", "said", "hint", "needed_by", "alerts", "cards", "checks", "last_seen", "count")


def findings() -> pd.DataFrame:
    """One row per expected item, worst first, with COLUMNS: `status` (missing, doubtful, not checked, ok), `kind`,
    `item`, `said`, `hint`, `needed_by` (list of names), `alerts`, `cards` and `checks` (how many of them), `last_seen` (UTC),
    `count` (series or records). A source that is down is "not checked"."""
    found, told = _ask()
    cache.tell("contract", told)
    return found


@st.cache_data(ttl=TTL_S, max_entries=1, show_spinner=False)
def _ask() -> tuple[pd.DataFrame, cache.Told]:
    """Holds frames and plain values only, as every cache here. Asked as of now, not of the last full minute: a series that
    began since would read as one that ended."""
    found, told = cache.asking(lambda: judge.judge(runtime.current().stores, now(), _uses()))
    return _frame(found), told


cache.others.append(_ask.clear)
_held: dict[int, Uses] = {}


def _uses() -> Uses:
    """Who reads what does not change while the process runs, and takes a second to find out."""
    stores = runtime.current().stores
    key = hash(tuple((rule.name, rule.expression) for rule in stores.rules))
    if key not in _held:
        _held.clear()
        _held[key] = judge.uses_of(stores)
    return _held[key]


def _frame(found: list[Finding]) -> pd.DataFrame:
    rows = [
        (f.verdict.value, f.kind, f.item, f.said, f.hint, list(f.dead), f.dead_rules,
         len(f.dead) - f.dead_rules - f.dead_checks, f.dead_checks, f.last_seen, f.count)
        for f in found
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    seen = pd.to_datetime(frame["last_seen"], utc=True).astype("datetime64[ns, UTC]")
    return frame.assign(last_seen=seen, count=frame["count"].astype("Int64"))
