"""What the page on retention and capacity asks: shared by everybody who looks, and the deed that applies the retention."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st

from lib.capacity.lines import retention_lines
from lib.collect.disks import disks, places
from lib.collect.watch import files
from lib.errors import SourceUnavailable
from lib.identity.roles import Action
from lib.state.audit import Deed
from lib.status import Retained, WatchStatus
from lib.ui import cache, runtime, text
from lib.ui.clock import now
from lib.ui.severity import look

TTL_S = 60
VERDICTS = {"ok": "ok", "look": "warning", "bad": "critical", "no data": "no data"}
WORDS = {"ok": "OK", "look": "Look at it", "bad": "Bad", "no data": "No data"}


def badge(verdict: str) -> str:
    """Shape and word of a verdict, for a table cell."""
    return f"{look(VERDICTS.get(verdict, 'no data')).glyph} {WORDS.get(verdict, verdict)}"


def lines() -> pd.DataFrame:
    """The declared retention against what is there, the worst first: `verdict` and the fields of `Line`."""
    rows, told = _lines()
    cache.tell("retention", told)
    found = pd.DataFrame(rows).rename(columns={"bytes": "size"})
    order = {"bad": 0, "look": 1, "no data": 2, "ok": 3}
    found = found.assign(order=found["verdict"].map(order)).sort_values("order", kind="stable", ignore_index=True)
    found["oldest"] = pd.DatetimeIndex(pd.to_datetime(found["oldest"], utc=True)).as_unit("ns")
    return found.drop(columns="order").astype({"size": "float64", "records": "float64", "declared_days": "float64"})


@st.cache_data(ttl=TTL_S, max_entries=4, show_spinner=False, refresh_mode="background")
def _lines() -> tuple[list[dict[str, Any]], cache.Told]:
    here = runtime.current()
    found, told = cache.asking(lambda: retention_lines(here.settings, here.stores, here.state, here.status(), now()))
    return [asdict(line) for line in found], told


cache.others.append(_lines.clear)


def watched() -> WatchStatus:
    """Disks, files and the last retention: as the worker saw them, or looked at now where none runs here."""
    here = runtime.current()
    status = here.status()
    if status is not None and status.watch.disks:
        return status.watch
    found = WatchStatus() if status is None else status.watch
    return WatchStatus(
        disks(places(here.settings)), files(here.settings), retained=found.retained, retained_at=found.retained_at
    )


def can_apply() -> bool:
    """Whether a collection runs in this process, which is the one that may change the embedded stores."""
    return runtime.current().apply_retention is not None


def applying() -> Deed:
    """Drops what is older than declared from the stores of this process; told in the audit first, then done."""
    settings = runtime.current().settings
    kept = {
        "logs_days": settings.retention_logs_days, "metrics_days": settings.retention_metrics_days,
        "health_days": settings.retention_health_days,
    }  # fmt: skip
    return Deed(Action.APPLY_RETENTION, "embedded stores", details=kept, then=_apply)


def _apply() -> None:
    """Runs the retention; what it did is on the page after. Raises SourceUnavailable where no collection runs here."""
    apply = runtime.current().apply_retention
    if apply is None:
        raise SourceUnavailable("no collection runs in this process", "retention")
    apply()
    _lines.clear()


def done_rows(done: tuple[Retained, ...]) -> pd.DataFrame:
    """What retention last did, a row per store: `store`, `days`, `dropped`, `said`."""
    rows = [(one.store, one.days, one.dropped, one.error or "done") for one in done]
    return pd.DataFrame(rows, columns=["store", "days", "dropped", "said"])


def forecast_rows(found: pd.DataFrame) -> pd.DataFrame:
    """`capacity_forecast` in words: `what`, `now`, `limit`, `per_day`, `surely`, `days`, `said`, `seen_days`."""
    rows = [_forecast_row(*one) for one in found.drop(columns=["seen_days"]).itertuples(index=False)]
    told = pd.DataFrame(rows, columns=["what", "now", "limit", "per_day", "surely", "days", "said"])
    return told.assign(seen_days=found["seen_days"].to_numpy())


def _forecast_row(  # noqa: PLR0917 - the columns of the signal, in their order
    what: str, unit: str, at: float, limit: float, slope: float, low: float, high: float, days: float, soonest: float,
    latest: float, said: str,
) -> tuple[str, ...]:  # fmt: skip
    show = text.size if unit == "bytes" else text.number
    now_words = show(at) if unit == "bytes" else f"{show(at)} {unit}"
    most = text.NONE if math.isnan(limit) else show(limit) if limit else "none left"
    surely = text.NONE if math.isnan(low) else f"{_signed(show, low)} … {_signed(show, high)}"
    return what, now_words, most, _signed(show, slope), surely, _ahead(days, soonest, latest), said


def _signed(show: Callable[[float], str], value: float) -> str:
    """A change a day, with its sign; 0 has none."""
    if math.isnan(value):
        return text.NONE
    return f"{'+' if value > 0 else '-' if value < 0 else ''}{show(abs(value))}"


def _ahead(days: float, soonest: float, latest: float) -> str:
    """Days to a limit with their uncertainty."""
    if math.isnan(days):
        return text.NONE
    return f"{days:.0f} ({soonest:.0f} to {'∞' if math.isinf(latest) else f'{latest:.0f}'})" if days else "now"
