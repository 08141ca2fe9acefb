"""The functions that the embedded store knows, each with its argument shapes: one table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lib.metrics.promql import over_time, rates
from lib.metrics.promql.rates import Answer
from lib.metrics.promql.values import Floats, Scalar, Vector, merged, without_name
from lib.metrics.promql.windows import Windows

WINDOWED: dict[str, Callable[[Windows], Answer]] = {
    "rate": rates.rate,
    "increase": rates.increase,
    "delta": rates.delta,
    "irate": rates.irate,
    "idelta": rates.idelta,
    "changes": rates.changes,
    "resets": rates.resets,
    "deriv": over_time.deriv,
    "avg_over_time": over_time.avg_over_time,
    "sum_over_time": over_time.sum_over_time,
    "min_over_time": over_time.min_over_time,
    "max_over_time": over_time.max_over_time,
    "count_over_time": over_time.count_over_time,
    "last_over_time": over_time.last_over_time,
    "present_over_time": over_time.present_over_time,
    "stddev_over_time": over_time.stddev_over_time,
    "stdvar_over_time": over_time.stdvar_over_time,
}
KEEP_NAME = frozenset({"last_over_time"})


def _sgn(values: Floats) -> Floats:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


ELEMENTWISE: dict[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sgn": _sgn,
}
CLAMPS = frozenset({"clamp", "clamp_min", "clamp_max", "round"})
SPECIAL = frozenset(
    {
        "quantile_over_time", "predict_linear", "absent_over_time", "absent", "scalar", "vector", "time", "timestamp",
        "histogram_quantile", "label_replace", "label_join", "sort", "sort_desc",
    }
)  # fmt: skip
SUPPORTED = frozenset({*WINDOWED, *ELEMENTWISE, *CLAMPS, *SPECIAL})


def mapped(vector: Vector, values: Floats) -> Vector:
    """The same series with other values, hence without their metric name."""
    return merged(Vector([without_name(labels) for labels in vector.labels], values, vector.present.copy()))


def _max(floor: Floats, values: Floats) -> Floats:
    """Go's ``math.Max``: +Inf wins over NaN."""
    return np.where(np.isposinf(floor) | np.isposinf(values), np.inf, np.maximum(floor, values))


def _min(ceiling: Floats, values: Floats) -> Floats:
    """Go's ``math.Min``: −Inf wins over NaN."""
    return np.where(np.isneginf(ceiling) | np.isneginf(values), -np.inf, np.minimum(ceiling, values))


def clamped(name: str, vector: Vector, arguments: list[Scalar]) -> Vector:
    """clamp, clamp_min, clamp_max and round; their number arguments are taken per step."""
    numbers = [argument.values for argument in arguments]
    if name == "round":
        inverse = 1.0 / (numbers[0] if numbers else 1.0)
        return mapped(vector, np.floor(vector.values * inverse + 0.5) / inverse)
    if name == "clamp_min":
        return mapped(vector, _max(numbers[0], vector.values))
    if name == "clamp_max":
        return mapped(vector, _min(numbers[0], vector.values))
    answer = mapped(vector, _max(numbers[0], _min(numbers[1], vector.values)))
    answer.present &= ~(numbers[1] < numbers[0])
    return answer


def windowed(name: str, windows: Windows) -> Vector:
    """A range function of one argument."""
    return as_vector(windows, WINDOWED[name](windows), keep_name=name in KEEP_NAME)


def as_vector(windows: Windows, answer: Answer, *, keep_name: bool = False) -> Vector:
    """An answer per (series, step) as a vector."""
    values, present = answer
    labels = windows.labels if keep_name else [without_name(labels) for labels in windows.labels]
    return merged(Vector(list(labels), np.array(values, dtype=np.float64), np.array(present)))
