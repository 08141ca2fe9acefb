"""Sample series with resets, gaps, stale markers and odd values, written to a store and as promtool input alike."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from lib.metrics.ingest import STALE, Samples
from lib.metrics.promql.values import LabelSet, described

INTERVAL_MS = 15_000
Points = list[float | str | None]
"""One entry per interval: a number, "stale", or None for no sample."""


@dataclass(frozen=True, slots=True)
class World:
    """Series that all start at time 0, one point per INTERVAL_MS."""

    series: list[tuple[LabelSet, Points]]

    @property
    def end_ms(self) -> int:
        """The time after the last point."""
        return max(len(points) for _, points in self.series) * INTERVAL_MS

    def samples(self) -> Samples:
        """The whole world as one batch."""
        rows = [
            (i, n * INTERVAL_MS, STALE if point == "stale" else np.float64(point))
            for i, (_, points) in enumerate(self.series)
            for n, point in enumerate(points)
            if point is not None
        ]
        number, ts_ms, values = zip(*rows, strict=True)
        return Samples(
            tuple(labels for labels, _ in self.series),
            np.array(number, dtype=np.int32),
            np.array(ts_ms, dtype=np.int64),
            np.array(values, dtype=np.float64),
        )

    def promtool_series(self) -> list[dict[str, str]]:
        """`input_series` of a promtool test file."""
        return [
            {"series": described(labels).replace(", ", ","), "values": " ".join(map(_written, points))}
            for labels, points in self.series
        ]


def _written(point: float | str | None) -> str:
    if point is None:
        return "_"
    if isinstance(point, str):
        return point
    if np.isnan(point):
        return "NaN"
    return ("Inf" if point > 0 else "-Inf") if np.isinf(point) else f"{point:.6f}"


def _counter(dice: random.Random, points: int, *, resets: float = 0.02) -> Points:
    value, out = dice.uniform(0, 500), Points()
    for _ in range(points):
        value = dice.uniform(0, 3) if dice.random() < resets else value + dice.choice((0, 1, 1, 2, 7.5))
        out.append(round(value, 6))
    return out


def _gauge(dice: random.Random, points: int, *, odd: bool = False) -> Points:
    choices: list[float] = [float("nan"), float("inf"), float("-inf")]
    return [
        dice.choice(choices) if odd and dice.random() < 0.05 else round(dice.uniform(-50, 50), 3) for _ in range(points)
    ]


def _gappy(dice: random.Random, points: Points) -> Points:
    out: Points = []
    for point in points:
        roll = dice.random()
        out.append("stale" if roll < 0.05 else None if roll < 0.25 else point)
    return out


def _histogram(
    dice: random.Random, name: str, labels: LabelSet, points: int, bounds: list[str]
) -> list[tuple[LabelSet, Points]]:
    counts, columns = [0.0] * len(bounds), [Points() for _ in bounds]
    for _ in range(points):
        for _ in range(dice.randrange(6)):
            first = dice.randrange(len(bounds))
            counts = [count + (i >= first) for i, count in enumerate(counts)]
        for column, count in zip(columns, counts, strict=True):
            column.append(count)
    return [({"__name__": name, **labels, "le": le}, column) for le, column in zip(bounds, columns, strict=True)]


def make(seed: int, points: int = 160) -> World:
    """Dense counters and histograms of two instances, gauges (odd, gappy, constant, short-lived), one info series."""
    dice = random.Random(seed)
    series: list[tuple[LabelSet, Points]] = []
    for instance in ("a:1", "b:2"):
        for route in ("/x", "/y", "/z"):
            for code in ("200", "500"):
                labels = {"__name__": "req_total", "route": route, "code": code, "instance": instance}
                series.append((labels, _counter(dice, points)))
            bounds = ["0.1", "0.5", "1", "5", "+Inf"] if instance == "a:1" else ["0.1", "1.0", "2.5", "5", "+Inf"]
            series += _histogram(dice, "lat_bucket", {"route": route, "instance": instance}, points, bounds)
        series.append(({"__name__": "info", "instance": instance, "version": f"1.{dice.randrange(9)}"}, [1.0] * points))
        series.append(({"__name__": "temp", "instance": instance, "kind": "plain"}, _gauge(dice, points)))
        series.append(({"__name__": "temp", "instance": instance, "kind": "odd"}, _gauge(dice, points, odd=True)))
    series.append(({"__name__": "temp", "instance": "c:3", "kind": "gappy"}, _gappy(dice, _gauge(dice, points))))
    series.append(({"__name__": "temp", "instance": "d:4", "kind": "flat"}, [4.25] * points))
    series.append(({"__name__": "gone", "instance": "a:1"}, [*_gauge(dice, points // 2), "stale"]))
    series.append(({"__name__": "nolast_bucket", "le": "1"}, _counter(dice, points)))
    series += [
        ({"__name__": "wobbly_bucket", "le": le}, _counter(dice, points)) for le in ("-1", "0", "2", "+Inf", "x")
    ]
    return World(series)
