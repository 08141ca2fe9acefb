"""Whatever PromQL somebody types, and what helps to type it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lib.metrics.selector import selector, series_names
from lib.signals.base import evenly, metric_step
from lib.stores import Stores
from lib.window import Window

MOST_SERIES = 50
"""Lines of one chart: more cannot be told apart, and slow the browser down."""

MOST_NAMES = 2000


def explore_range(stores: Stores, window: Window, *, expression: str) -> dict[str, Any]:
    """An expression over time: `frame` (index `ts`, a float column per series, NaN = no sample), `series` (how many
    there are; None without any), `step_s` and `warnings`. Of more than MOST_SERIES those with the highest last value are in the frame.

    No sample: a frame without columns. Raises QueryError, SourceError.
    """
    step = metric_step(window)
    found = stores.metrics.range(expression, evenly(window), step)
    values = np.where(found.present, found.values, np.nan)
    order = _highest(values)[:MOST_SERIES]
    names = series_names([found.labels[row] for row in order])
    frame = pd.DataFrame({name: values[row] for name, row in zip(names, order, strict=True)}, index=found.index)
    return {
        "frame": frame, "series": len(found.labels) or None, "step_s": step.total_seconds(), "warnings": found.warnings,
    }  # fmt: skip


def explore_instant(stores: Stores, window: Window, *, expression: str, most: int = 500) -> dict[str, Any]:
    """An expression at the window's end: `frame` with a column per label and `value`, highest first; `series` in all."""
    found = stores.metrics.instant(expression, window.end)
    frame = found.frame().drop(columns="ts").sort_values("value", ascending=False, ignore_index=True, kind="stable")
    return {"frame": frame.head(most), "series": len(frame) or None, "warnings": found.warnings}


def metric_names(stores: Stores, window: Window) -> dict[str, list[str]]:
    """The `names` of all metrics, sorted, at most MOST_NAMES."""
    return {"names": stores.metrics.label_values("__name__")[:MOST_NAMES]}


def metric_labels(stores: Stores, window: Window, *, metric: str) -> dict[str, list[str]]:
    """The `names` of the labels that a metric's series had at the window's end."""
    found = stores.metrics.instant(selector(metric), window.end)
    return {"names": sorted({name for labels in found.labels for name in labels} - {"__name__"})}


def label_values(stores: Stores, window: Window, *, metric: str, label: str) -> dict[str, list[str]]:
    """Every value (`names`) that a label of a metric has had, sorted, at most MOST_NAMES."""
    return {"names": stores.metrics.label_values(label, selector(metric))[:MOST_NAMES]}


def _highest(values: np.ndarray[Any, Any]) -> list[int]:
    """Row numbers, those with the highest last known value first."""
    last = [row[np.isfinite(row)][-1] if np.isfinite(row).any() else -np.inf for row in values]
    return sorted(range(len(last)), key=lambda row: (-last[row], row))
