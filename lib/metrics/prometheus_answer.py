"""Prometheus' JSON as numbers: series by evaluation times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lib import notes
from lib.errors import QueryError, SourceRejected
from lib.metrics.base import Result
from lib.metrics.prometheus_refusal import NAME
from lib.metrics.promql.values import Bools, Floats, Ints, LabelSet
from lib.notes import Note

MOST_CELLS = 30_000_000


def instant_result(found: Sequence[Any], at_ms: int) -> Result:
    """The answer of an instant question, in the server's order (`sort()` asks for one). Raises QueryError, SourceRejected."""
    if found and not isinstance(found[0], dict):
        return _single(found, at_ms)
    if any("values" in series for series in found):
        raise QueryError("the expression must give numbers or series, not a string or raw samples", 0)
    return _table([(series, [series["value"]] if "value" in series else []) for series in found], _moment(at_ms))


def range_result(found: Sequence[Any], ts_ms: Ints) -> Result:
    """The answer of a range question on the grid `ts_ms`, in label order. Raises QueryError, SourceRejected."""
    ordered = sorted(found, key=lambda series: sorted(series["metric"].items()))
    return _table([(series, series.get("values", ())) for series in ordered], ts_ms)


def _moment(at_ms: int) -> Ints:
    return np.array([at_ms], dtype=np.int64)


def _single(found: Sequence[Any], at_ms: int) -> Result:
    """A scalar: [time, "number"]."""
    try:
        number = float(found[1])
    except (TypeError, ValueError, IndexError):
        raise QueryError("the expression must give numbers or series, not a string or raw samples", 0) from None
    return Result(_moment(at_ms), ({},), np.array([[number]]), np.ones((1, 1), dtype=bool))


def _table(found: Sequence[tuple[Any, Sequence[Any]]], ts_ms: Ints) -> Result:
    if len(found) * ts_ms.size > MOST_CELLS:
        raise QueryError(
            f"the answer has {len(found)} series at {ts_ms.size} points: narrow it by labels or a longer step"
        )
    _tell_of_histograms(sum(1 for series, _ in found if "histogram" in series or "histograms" in series))
    kept = [(dict(series["metric"]), points) for series, points in found if points]
    values = np.full((len(kept), ts_ms.size), np.nan)
    present = np.zeros(values.shape, dtype=bool)
    for row, (_, points) in enumerate(kept):
        _place(points, ts_ms, values[row], present[row])
    labels: tuple[LabelSet, ...] = tuple(series for series, _ in kept)
    return Result(ts_ms, labels, values, present)


def _place(points: Sequence[Any], ts_ms: Ints, values: Floats, present: Bools) -> None:
    """Writes one series' points into its row. Some servers move times to a grid of their own: the nearest step is meant."""
    try:
        moments = np.array([point[0] for point in points], dtype=np.float64)
        numbers = np.array([float(point[1]) for point in points])
    except (TypeError, ValueError, IndexError):
        raise SourceRejected("its answer has points that are no numbers", NAME) from None
    step_ms = int(ts_ms[1] - ts_ms[0]) if ts_ms.size > 1 else 1
    column = np.rint((moments * 1000 - ts_ms[0]) / step_ms).clip(0, ts_ms.size - 1).astype(np.int64)
    values[column], present[column] = numbers, True


def _tell_of_histograms(count: int) -> None:
    if count:
        notes.add(
            Note(
                NAME,
                f"{count} native histograms are left out: ask for one number of them, as with histogram_quantile()",
            )
        )
