"""What can be asked of a metric store, whichever engine answers: PromQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from lib.errors import QueryError
from lib.window import DAY, LONGEST, Window

Labels = Mapping[str, str]
LOOKBACK = timedelta(minutes=5)
MOST_POINTS = 11_000
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to a PromQL expression: one row of `values` per series, one column per evaluation time.

    `ts_ms` int64[m] (one for an instant query), `labels` n label sets (`__name__` only where PromQL keeps it),
    `values` float64[n, m], `present` bool[n, m]: False where PromQL has no sample (its value there is NaN; a present
    NaN is a real answer). `warnings` are the store's own words about the answer's honesty. No series: n = 0.
    """

    ts_ms: npt.NDArray[np.int64]
    labels: tuple[Labels, ...]
    values: npt.NDArray[np.float64]
    present: npt.NDArray[np.bool_]
    warnings: tuple[str, ...] = ()

    @property
    def index(self) -> pd.DatetimeIndex:
        """The evaluation times in UTC, named `ts`."""
        return pd.DatetimeIndex(
            pd.to_datetime(self.ts_ms, unit="ms", utc=True).astype("datetime64[ns, UTC]"), name="ts"
        )

    def frame(self) -> pd.DataFrame:
        """Long form, present samples only: `ts` UTC, one column per label name ("" where absent), `value`.

        A label that is itself called `ts` or `value`, as count_values makes it, has the column `label ts` or `label value`.
        """
        names = sorted({name for labels in self.labels for name in labels})
        row, column = np.nonzero(self.present)
        frame = pd.DataFrame(
            {"ts": pd.to_datetime(self.ts_ms[column], unit="ms", utc=True).astype("datetime64[ns, UTC]")}
        )
        for name in names:
            column_name = f"label {name}" if name in ("ts", "value") else name
            frame[column_name] = np.array([labels.get(name, "") for labels in self.labels], dtype=object)[row]
        frame["value"] = self.values[row, column]
        return frame

    def wide(self, label: str) -> pd.DataFrame:
        """Index `ts` (every evaluation time), a float column per value of `label`; NaN where there is no sample."""
        shown = np.where(self.present, self.values, np.nan)
        return pd.DataFrame({labels.get(label, ""): shown[i] for i, labels in enumerate(self.labels)}, index=self.index)

    def scalar(self) -> float | None:
        """The newest value of a one-series answer; None where there is none."""
        if len(self.labels) != 1 or not self.present[0].any():
            return None
        return float(self.values[0, np.nonzero(self.present[0])[0][-1]])


class MetricStore(Protocol):
    """PromQL questions. Raises QueryError for an expression that cannot be asked, SourceError when no answer came."""

    name: str

    def instant(self, expression: str, at: datetime) -> Result:
        """The expression's value at one moment."""

    def range(self, expression: str, window: Window, step: timedelta) -> Result:
        """The expression at window.start, start + step, … ≤ window.end (at most 11,000 points)."""

    def label_values(self, label: str, matcher: str = "") -> list[str]:
        """Every value of a label (``__name__``: metric names), sorted; `matcher` is a series selector."""

    def newest(self) -> datetime | None:
        """The time of the newest sample; None for an empty store."""

    def oldest(self) -> datetime | None:
        """The time of the oldest sample kept; None for an empty store."""


def grid(window: Window, step: timedelta) -> npt.NDArray[np.int64]:
    """The moments of a range question, in Unix ms: start, start + step, … ≤ end. Raises QueryError for too many."""
    step_ms = step // _MILLISECOND
    if step_ms <= 0:
        raise QueryError("the step must be at least a millisecond")
    if window.length > LONGEST + DAY:
        raise QueryError(f"the range is longer than {LONGEST.days} days")
    start, end = epoch_ms(window.start), epoch_ms(window.end)
    if (end - start) // step_ms + 1 > MOST_POINTS:
        raise QueryError(f"the range has more than {MOST_POINTS:,} points: choose a longer step")
    return np.arange(start, end + 1, step_ms, dtype=np.int64)


def epoch_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970, rounded down."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MILLISECOND
