"""A straight line through noisy days, with how sure it is: the median of all slopes between two days (Theil 1950),
and the interval of Sen (J. Am. Stat. Assoc. 63, 1379, 1968). One wild day in four does not move it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FEWEST_DAYS = 5
"""With fewer the interval would hold every slope that there is."""

_Z = 1.96
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """`now` is the line's value at the last day, `slope` its change a day, surely (95 %) between `low` and `high`."""

    now: float
    slope: float
    low: float
    high: float
    days: int

    @property
    def is_trend(self) -> bool:
        """Whether its direction is known at all."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Reach:
    """Days until a limit, by the line; `soonest` and `latest` by the interval. All ≥ 0."""

    days: float
    soonest: float
    latest: float


def fit(days: Floats, values: Floats) -> Fit | None:
    """The line through a value a day (`days` in days, ascending); None where there are too few. NaN is left out."""
    known = np.isfinite(values)
    x, y = days[known], values[known]
    if len(np.unique(x)) < FEWEST_DAYS:
        return None
    first, second = np.triu_indices(len(x), 1)
    apart = x[second] - x[first]
    slopes = np.sort((y[second] - y[first])[apart > 0] / apart[apart > 0])
    slope = float(np.median(slopes))
    low, high = _interval(slopes, y)
    level = float(np.median(y - slope * x)) + slope * float(x[-1])
    return Fit(level, slope, low, high, len(x))


def _interval(slopes: Floats, y: Floats) -> tuple[float, float]:
    count, ties = len(y), np.unique(y, return_counts=True)[1].astype("float64")
    spread = (count * (count - 1) * (2 * count + 5) - float(np.sum(ties * (ties - 1) * (2 * ties + 5)))) / 18
    wide = _Z * np.sqrt(max(spread, 0.0))
    low, high = int((len(slopes) - wide) // 2), int((len(slopes) + wide) // 2) + 1
    return float(slopes[max(low, 0)]), float(slopes[min(high, len(slopes) - 1)])


def reach(found: Fit, now: float, limit: float) -> Reach | None:
    """When a value that is `now` gets to `limit`: at once where it is there; None where the line does not lead there."""
    falling = limit < now if found.slope < 0 else False
    rising = limit > now if found.slope > 0 else False
    if now == limit:
        return Reach(0.0, 0.0, 0.0)
    if not found.is_trend or not (falling or rising):
        return None
    slopes = np.abs([found.slope, found.low, found.high])
    left = abs(limit - now)
    with np.errstate(divide="ignore"):
        middle, *others = (float(left / one) if one else float("inf") for one in slopes)
    return Reach(middle, min(middle, *others), max(middle, *others))
