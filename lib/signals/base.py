"""What every signal shares: its line in the table, its steps, and how store answers become frames indexed by time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lib.logs.base import LogQuery, Match
from lib.metrics.base import LOOKBACK
from lib.stores import Stores
from lib.window import DAY, Window

MINUTE = timedelta(minutes=1)
RATE_RANGE = timedelta(minutes=5)
"""The shortest range of a rate: as the rules have it, and long enough for a few missed scrapes."""

ERROR_LEVELS = Match("level", ("ERROR", "FATAL", "CRITICAL"))


@dataclass(frozen=True, slots=True)
class Signal:
    """One line of the table: `ask(stores, window, **plain parameters)` gives a DataFrame or a dict of plain values.

    `ttl_s` is how long an answer may be shared, `help` says what it answers.
    """

    name: str
    ask: Callable[..., Any]
    ttl_s: float
    help: str

    def __call__(self, stores: Stores, window: Window, **params: Any) -> Any:
        """Asks the stores; raises SourceError, or QueryError for what cannot be asked."""
        return self.ask(stores, window, **params)


def log_step(window: Window) -> timedelta:
    """Bucket width for log counts: whole minutes, at most 120 buckets."""
    return window.step(120, floor=MINUTE)


def metric_step(window: Window) -> timedelta:
    """Distance of two evaluations of an expression: at most 240 points, never under a scrape interval."""
    return window.step(240, floor=timedelta(seconds=15))


def rate_range(step: timedelta) -> str:
    """The range of a rate in PromQL: at least 5 minutes, and the step where that is longer, or samples would be skipped."""
    return f"{int(max(step, RATE_RANGE).total_seconds())}s"


def whole(window: Window) -> str:
    """The window's length as a PromQL duration."""
    return f"{max(int(window.length.total_seconds()), 1)}s"


def empty_if_unknown(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame without rows where no value at all is known, so that `.empty` means "no data"."""
    return frame if frame.notna().any(axis=None) else frame.iloc[:0]


def known_buckets(stores: Stores, buckets: pd.DatetimeIndex, step: timedelta) -> npt.NDArray[np.bool_]:
    """Which buckets a missing count means zero in: not before the oldest kept record, not long after the newest."""
    oldest, newest = stores.logs.oldest(), stores.logs.newest()
    if oldest is None or newest is None:
        return np.zeros(len(buckets), dtype=bool)
    ends = buckets + (step if step < DAY else step + timedelta(hours=1))  # a day of 25 hours
    return np.asarray((ends > pd.Timestamp(oldest)) & (buckets <= pd.Timestamp(newest + LOOKBACK)))


def counts(
    stores: Stores, window: Window, where: Sequence[Match] = (), *, by: str = "", columns: Iterable[str] = ()
) -> pd.DataFrame:
    """Log counts: index `ts` (bucket start), a float column per value of `by` (or one named `records`).

    Quiet buckets are 0 where the log is known to have been kept, else NaN; `columns` are there even without records.
    """
    step = log_step(window)
    found = stores.logs.totals(LogQuery(window, tuple(where)), (by,) if by else (), step)
    names = found[by] if by else "records"
    return filled(stores, window, found.assign(column=names), columns if by else ("records",))


def filled(stores: Stores, window: Window, found: pd.DataFrame, columns: Iterable[str] = ()) -> pd.DataFrame:
    """Long counts (`ts`, `column`, `records`) of `log_step` buckets as a wide frame with the quiet buckets filled in."""
    step = log_step(window)
    buckets = window.buckets(step).as_unit("ns")
    names = [*dict.fromkeys([*columns, *sorted(found["column"].unique())])]
    summed, seen = _spread(found, "column", buckets, names)
    known = known_buckets(stores, buckets, step)
    values = np.where(seen | known[:, None], summed, np.nan)
    return empty_if_unknown(tidy(pd.DataFrame(values, index=buckets, columns=names)))


def _spread(
    found: pd.DataFrame, key: str, buckets: pd.DatetimeIndex, names: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Sums of `records` per bucket (row) and name (column), and which had any. Far quicker than a pivot table of pandas."""
    row, column = buckets.get_indexer(pd.Index(found["ts"])), pd.Index(names).get_indexer(pd.Index(found[key]))
    inside = (row >= 0) & (column >= 0)
    at = row[inside], column[inside]
    summed, seen = np.zeros((len(buckets), len(names))), np.zeros((len(buckets), len(names)), dtype=bool)
    np.add.at(summed, at, found["records"].to_numpy("float64")[inside])
    seen[at] = True
    return summed, seen


def mini_trends(stores: Stores, query: LogQuery, ids: pd.Series[str]) -> list[list[float]]:
    """A short list of counts per pattern of the query's records, for a spark line."""
    if ids.empty:
        return []
    window = query.window
    step = window.step(30, floor=timedelta(minutes=1))
    wanted = replace(query, where=(*query.where, Match("pattern_id", tuple(ids))))
    found = stores.logs.totals(wanted, ("pattern_id",), step)
    summed, _ = _spread(found, "pattern_id", window.buckets(step).as_unit("ns"), list(ids))
    trends: list[list[float]] = summed.T.tolist()
    return trends


def tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """The same frame with plain column names and an index named `ts`."""
    return frame.set_axis([str(name) for name in frame.columns], axis=1).rename_axis("ts")


def evenly(window: Window) -> Window:
    """The window whose start is a whole number of steps before its end, so that the newest moment is evaluated."""
    step = metric_step(window)
    steps = max(int(window.length / step), 1)
    return Window(window.end - steps * step, window.end, window.zone)


def trend(stores: Stores, window: Window, expression: str, label: str = "", *, scale: float = 1.0) -> pd.DataFrame:
    """An expression over time: index `ts`, a float column per value of `label` (or one named `value`); NaN = no sample.

    `{r}` in the expression stands for the range of a rate. No sample at all: no rows.
    """
    step = metric_step(window)
    found = stores.metrics.range(expression.replace("{r}", rate_range(step)), evenly(window), step)
    wide = found.wide(label) if label else found.wide("").set_axis(["value"] * min(len(found.labels), 1), axis=1)
    return empty_if_unknown(tidy(wide * scale))


def value(stores: Stores, window: Window, expression: str) -> float | None:
    """A one-series expression at the window's end; None where there is no sample or it is not a number."""
    found = stores.metrics.instant(expression, window.end).scalar()
    return None if found is None or np.isnan(found) else found


def by_label(stores: Stores, window: Window, expression: str, label: str) -> dict[str, float]:
    """An expression at the window's end, per value of `label`; NaN is left out."""
    found = stores.metrics.instant(expression, window.end)
    values = {labels.get(label, ""): float(found.values[i, 0]) for i, labels in enumerate(found.labels)}
    return {name: number for name, number in values.items() if not np.isnan(number)}


def share(part: float | None, whole_value: float | None) -> float | None:
    """A ratio from 0 to 1; None where either is unknown or the whole is 0."""
    return None if part is None or not whole_value else part / whole_value


def covers(stores: Stores, window: Window) -> bool:
    """Whether the log store has records from before the window's end and from its start on."""
    oldest, newest = stores.logs.oldest(), stores.logs.newest()
    return oldest is not None and newest is not None and oldest < window.end and newest >= window.start


def reaches(stores: Stores, window: Window) -> bool:
    """Whether the log goes back to the window's start (give or take a tenth of it), so that its counts may be compared."""
    oldest = stores.logs.oldest()
    return oldest is not None and oldest <= window.start + window.length / 10


def before(stores: Stores, window: Window, counted: pd.Series[Any]) -> pd.Series[float]:
    """Counts of the preceding period: none counted is 0 where the log reaches through all of it, else all are unknown."""
    known = counted.astype("float64").fillna(0.0)
    return known if reaches(stores, window.previous()) else known * np.nan
