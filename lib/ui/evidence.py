"""The seam between the checklists' pages and their evidence: asked once per refresh, shared by everybody who looks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from lib.checklists.evidence import Around, collect
from lib.checklists.model import Evidence, Previous
from lib.ui import cache, runtime
from lib.ui.clock import now
from lib.window import Window

TTL_S = 30
Limits = tuple[tuple[str, float], ...]
_Key = tuple[str, datetime, datetime, str]


def evidence(key: str, run_window: Window, previous: Previous | None, limits: Mapping[str, float]) -> Evidence:
    """The evidence named `key` over a run's period, at most TTL_S old. A source that is down is no data, with the reason."""
    before = (previous.at, tuple(sorted(previous.evidence.as_json().items()))) if previous is not None else None
    given = tuple(sorted(limits.items()))
    return Evidence.from_json(_ask((key, run_window.start, run_window.end, run_window.zone), before, given))


# The cache holds plain values, as it holds nothing of our own classes.
@st.cache_data(ttl=TTL_S, max_entries=cache.MAX_ANSWERS, show_spinner=False, refresh_mode="background")
def _ask(asked: _Key, before: tuple[datetime, Any] | None, limits: Limits) -> dict[str, Any]:
    key, start, end, zone = asked
    here = runtime.current()
    around = Around(here.settings, here.state, here.status(), now())
    previous = None if before is None else Previous(before[0], Evidence.from_json(dict(before[1])))
    return collect(key, here.stores, Window(start, end, zone), previous, dict(limits), around=around).as_json()


cache.others.append(_ask.clear)
