"""A rule's expression as often as a rule looks at it, in the few points that a chart has room for.

One value per step of a day would hide nearly every short crossing: a chart without a peak beside an alert that fired on it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lib.errors import QueryError
from lib.metrics.base import Labels, Result
from lib.signals.base import evenly, metric_step
from lib.stores import Stores
from lib.window import STEPS, Window

MOST_LOOKS, MOST_VALUES = 10_000, 200_000
"""Moments that a store is asked about at once, and values of all series together: some megabytes from a server."""

BUDGET_S = 3.0
"""What all looks may cost a server that others ask, too: judged by how long the few points before took."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Looks:
    """`values` float64[n, m]: of each series (`labels`) and step (`index`, its end) the look that was nearest to firing or
    furthest beyond; NaN where no look of the step had a sample. `look` apart are two looks, `step` two points.

    `order` are the rows with any value, those that came nearest to the limit first.
    """

    labels: tuple[Labels, ...]
    index: pd.DatetimeIndex
    values: Floats
    order: list[int]
    look: timedelta
    step: timedelta
    warnings: tuple[str, ...] = ()


def looks(stores: Stores, window: Window, expression: str, operator: str = "", limit: float = math.nan) -> Looks:
    """The expression over the window, looked at every 15 seconds where the store can bear it, else less often.

    `operator` and `limit` say what is near to firing; without them that is the highest. What can be asked once a step only
    is looked at so often. Raises QueryError, SourceError.
    """
    step, shown = metric_step(window), evenly(window)
    began = time.perf_counter()
    found = stores.metrics.range(expression, shown, step)
    index, per_point_s = found.index, (time.perf_counter() - began) / found.ts_ms.size
    most = MOST_VALUES / max(len(found.labels), 1)
    look = _apart(shown, step, min(most, BUDGET_S / per_point_s) if stores.remote else most)
    try:
        found = stores.metrics.range(expression, shown, look) if look < step else found
    except QueryError:  # too much for the store, or a moment between with an error of its own
        look = step
    seen = _by_step(found, step // look)
    near = nearness(seen, operator, limit)
    best = np.take_along_axis(seen, near.argmax(axis=2)[:, :, None], axis=2)[:, :, 0]
    furthest = near.max(axis=(1, 2), initial=-np.inf)
    known = [row for row in range(len(found.labels)) if not np.isnan(best[row]).all()]
    order = sorted(known, key=lambda row: -furthest[row])
    return Looks(found.labels, index, best, order, look, step, found.warnings)


def _apart(window: Window, step: timedelta, most: float) -> timedelta:
    """The shortest time between at most so many looks that the step is a multiple of."""
    least = window.length / max(min(most, MOST_LOOKS), 1)
    return next((one for one in STEPS if one >= least and one < step and not step % one), step)


def _by_step(found: Result, times: int) -> Floats:
    """float64[n, m, times]: the looks of each step, those after the point before it; before the first one there are none."""
    before = np.full((len(found.labels), times - 1), np.nan)
    values = np.where(found.present, found.values, np.nan)
    return np.concatenate([before, values], axis=1).reshape(
        len(found.labels), values.shape[1] // times + (times > 1), times
    )


def nearness(values: Floats, operator: str, limit: float) -> Floats:
    """How near to firing each value is, or how far beyond: more is worse, -inf where there is none."""
    near: npt.NDArray[Any] = values
    if operator.startswith("<"):
        near = -values
    elif operator in ("==", "!=") and not math.isnan(limit):
        with np.errstate(invalid="ignore"):  # infinite and compared with infinite
            apart = np.where(values == limit, 0.0, np.abs(values - limit))
        near = apart if operator == "!=" else -apart
    return np.where(np.isnan(near), -np.inf, near)
