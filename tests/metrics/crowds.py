"""Thousands of generated series: many instances with resets, gaps, stale markers, odd values and uneven buckets."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from lib.metrics.promql.values import LabelSet
from tests.metrics.worlds import Points, World

POINTS = 140
ROUTES = tuple(f"/r{n}" for n in range(8))
CODES = ("200", "404", "500")
BOUNDS = ("0.1", "0.5", "1", "2.5", "5", "+Inf")
_ODD = (math.nan, math.inf, -math.inf)


@dataclass(frozen=True, slots=True)
class Family:
    """What may be asked of a metric. `counter`: rate() and its kin; `distinct`: no two values are equal."""

    name: str
    labels: dict[str, tuple[str, ...]]
    counter: bool = False
    distinct: bool = False


def families(instances: int) -> list[Family]:
    """Every metric of the crowd, with the values that its labels take."""
    hosts = {"instance": tuple(f"i{n}:1" for n in range(instances))}
    routes = hosts | {"route": ROUTES}
    return [
        Family("req_total", routes | {"code": CODES}, counter=True),
        Family("late_total", routes, counter=True),
        Family("gap_total", routes, counter=True),
        Family("lat_bucket", routes | {"le": BOUNDS}, counter=True),
        Family("temp", hosts | {"kind": ("plain", "odd", "gappy", "flat", "huge")}),
        Family("size_bytes", hosts | {"disk": ("a", "b", "c")}, distinct=True),
        Family("limit_bytes", hosts | {"disk": ("a", "b", "c", "d")}, distinct=True),
        Family("info", hosts | {"version": ("1.0", "1.1")}),
    ]


def make(seed: int, instances: int, *, free: bool = False) -> World:
    """About 100 series an instance. Unless `free`, counters with gaps stand high and never restart, and new ones begin at 0
    or high: elsewhere Prometheus 2 and 3 extrapolate differently."""
    dice = random.Random(seed)
    series: list[tuple[LabelSet, Points]] = []
    for n in range(instances):
        series += _instance(dice, f"i{n}:1", free=free)
    return World(series)


def _instance(dice: random.Random, instance: str, *, free: bool) -> list[tuple[LabelSet, Points]]:
    host = {"instance": instance}
    series: list[tuple[LabelSet, Points]] = []
    for route in ROUTES:
        at = host | {"route": route}
        series += [({"__name__": "req_total", **at, "code": code}, _counter(dice, 0.03)) for code in CODES]
        series.append(({"__name__": "late_total", **at}, _late(dice, (0.0, 1.0, 8.0) if free else (0.0, 1e5))))
        interrupted = _counter(dice, 0.05) if free else _counter(dice, 0, base=1e6)
        series.append(({"__name__": "gap_total", **at}, _gappy(dice, interrupted)))
        series += _histogram(dice, at)
    for kind in ("plain", "odd", "gappy", "flat", "huge"):
        series.append(({"__name__": "temp", **host, "kind": kind}, _gauge(dice, kind)))
    for disk in "abcd":
        limited = {"__name__": "limit_bytes", **host, "disk": disk}
        series.append((limited, [round(dice.uniform(500, 900), 6) for _ in range(POINTS)]))
        if disk != "d":
            size = {"__name__": "size_bytes", **host, "disk": disk}
            series.append((size, _gappy(dice, [round(dice.uniform(0, 800), 6) for _ in range(POINTS)], 0.02)))
    return series + _versions(dice, host)


def _counter(dice: random.Random, resets: float, base: float = 0.0) -> Points:
    value, out = base + round(dice.uniform(0, 500), 3), Points()
    for _ in range(POINTS):
        again = dice.random() < resets
        value = base + dice.uniform(0, 3) if again else value + dice.choice((0, 1, 1, 2, 7.5))
        value = round(value, 3)
        out.append(value)
    return out


def _late(dice: random.Random, births: tuple[float, ...]) -> Points:
    born = dice.randrange(POINTS)
    value, out = dice.choice(births), Points()
    for _ in range(POINTS - born):
        out.append(value)
        value += dice.choice((0, 1, 2, 3))
    return [None] * born + out


def _gappy(dice: random.Random, points: Points, stale: float = 0.05) -> Points:
    out: Points = []
    while len(out) < len(points):
        roll = dice.random()
        if roll < stale:
            out += ["stale", *[None] * dice.choice((0, 1, 8))]
        elif roll < 4 * stale:
            out += [None] * dice.choice((1, 2, 5, 25))
        else:
            out.append(points[len(out)])
    return out[: len(points)]


def _gauge(dice: random.Random, kind: str) -> Points:
    if kind == "flat":
        return [float(dice.choice((0.0, 4.25, -3.0)))] * POINTS
    scale = 1e12 if kind == "huge" else 50.0
    points: Points = [round(dice.uniform(-scale, scale), 3) for _ in range(POINTS)]
    if kind == "odd":
        return [dice.choice(_ODD) if dice.random() < 0.08 else point for point in points]
    return _gappy(dice, points) if kind == "gappy" else points


def _histogram(dice: random.Random, at: LabelSet) -> list[tuple[LabelSet, Points]]:
    """Buckets of one route: one in eight lacks +Inf, others lack an inner bound, spell one differently or have one more."""
    bounds = list(BOUNDS)
    if dice.random() < 0.12:
        bounds.remove("+Inf")
    if dice.random() < 0.3:
        bounds.remove(dice.choice(("0.1", "1", "5")))
    if dice.random() < 0.2:
        bounds[1] = "0.50"
    if dice.random() < 0.2:
        bounds.insert(1, "0.3")
    counts, columns = [0.0] * len(bounds), [Points() for _ in bounds]
    idle = dice.random() < 0.1
    for _ in range(POINTS):
        for _ in range(0 if idle else dice.randrange(5)):
            first = dice.randrange(len(bounds))
            counts = [count + (i >= first) for i, count in enumerate(counts)]
        if dice.random() < 0.01:
            counts = [0.0] * len(bounds)
        for column, count in zip(columns, counts, strict=True):
            column.append(count)
    return [({"__name__": "lat_bucket", **at, "le": le}, column) for le, column in zip(bounds, columns, strict=True)]


def _versions(dice: random.Random, host: LabelSet) -> list[tuple[LabelSet, Points]]:
    """A release replaces the old series by a new one."""
    change = dice.randrange(10, POINTS - 10)
    old: Points = [*[1.0] * change, "stale"]
    new: Points = [*[None] * change, *[1.0] * (POINTS - change)]
    name = {"__name__": "info", **host}
    return [(name | {"version": "1.0"}, old), (name | {"version": "1.1"}, new)]
