"""Backups and heartbeats as pages show them: each way that tells of one, how old it is, and whether it is late."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.backups import Backup, backups
from lib.errors import SourceError
from lib.heartbeats.expected import Standing
from lib.heartbeats.log import HeartbeatLog
from lib.ui import cache, runtime, text
from lib.ui.clock import now
from lib.ui.severity import look

COLUMNS = ["name", "at", "age_s", "status", "said"]
STATUS = {Standing.ON_TIME: "ok", Standing.DUE: "info", Standing.LATE: "critical", Standing.NEVER: "no data"}
_TTL_S = 15


@st.cache_data(ttl=_TTL_S, max_entries=2, show_spinner=False)
def told() -> pd.DataFrame:
    """Every way to know of a backup, and every heartbeat that is expected: `name`, `at` (UTC; NaT = never), `age_s`,
    `status` (shape and word), `said` (foreign text). None is set up: no rows."""
    here, moment = runtime.current(), now()
    log = HeartbeatLog(here.state) if here.state is not None else None
    found = list(backups(here.settings, here.stores.metrics, log, moment))
    rows = [(one.name, one.at, one.age_s(moment), _status(one), one.problem or one.said) for one in found]
    names = {one.name for one in found}
    try:
        others = log.standing(here.settings.expected_heartbeats, moment) if log is not None else ()
    except SourceError:
        others = ()  # the backups among them say so already
    rows += [
        (one.expected.name, one.last_at, one.age_s(moment), _word(one.standing), one.message)
        for one in others if one.expected.name not in names
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=COLUMNS).astype(
        {"name": "str", "status": "str", "said": "str", "age_s": "float64"}
    )
    frame["at"] = pd.DatetimeIndex(pd.to_datetime(frame["at"], utc=True)).as_unit("ns")
    return frame.assign(age=[text.span(seconds) for seconds in frame["age_s"]])


cache.others.append(told.clear)


def _status(one: Backup) -> str:
    if one.heartbeat is not None:
        return _word(one.heartbeat.standing)
    return look("no data").label if one.at is None else look("info").glyph + " Known"


def _word(standing: Standing) -> str:
    return f"{look(STATUS[standing]).glyph} {standing.value.capitalize()}"
