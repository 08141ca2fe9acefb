"""Judges each expected metric by what a metric store holds, in PromQL, whichever store it is."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from lib.contract.base import Doubt, Finding, Verdict, judged
from lib.contract.metrics import METRICS, Kind, Metric
from lib.contract.uses import Uses
from lib.errors import QueryError, SourceError
from lib.logs.patterns import route_of
from lib.metrics.base import MetricStore, Result
from lib.window import DAY, Window

MANY_VALUES = 200
"""So many values of one label are a label that holds ids."""
LOOK_BACK = 30 * DAY
LAST_DAY_STEP = timedelta(minutes=5)
_ROUTES = frozenset({"route"})
_SUFFIXES = ("_total", "_bucket", "_count", "_sum")
_OTHER_UNITS = (("_seconds", "_milliseconds"), ("_seconds", "_ms"), ("_bytes", "_megabytes"), ("_bytes", "_mb"))


@dataclass(frozen=True, slots=True)
class Metrics:
    """What is judged: a store at a moment. `types` are the types that the exposition declares, where one was read."""

    store: MetricStore
    at: datetime
    uses: Uses
    types: Mapping[str, str] = field(default_factory=dict)
    service_only: bool = False

    def findings(self) -> list[Finding]:
        """One finding per expected metric; all "not checked" where the store does not answer. Never raises SourceError."""
        wanted = [metric for metric in METRICS if not (metric.own and self.service_only)]
        try:
            names = self.store.label_values("__name__")
        except SourceError as error:
            return [self._unknown(metric, error) for metric in wanted]
        known = frozenset(names)
        found = {metric.name: self._judge(metric, known) for metric in wanted}
        return list(_without_spared(found).values())

    def _judge(self, metric: Metric, names: frozenset[str]) -> Finding:
        try:
            if metric.series[0] not in names and metric.name in self.types and metric.labels:
                return self._declared(metric)
            if metric.series[0] not in names:
                return self._missing(metric, *_never(metric, names), None)
            labels = ", ".join(dict.fromkeys((*metric.labels, *(["le"] if metric.kind is Kind.HISTOGRAM else []))))
            counted = self.store.instant(f"count by ({labels}) ({metric.series[0]})", self.at)
            if not counted.labels:
                last = self._last_seen(metric.series[0])
                return self._missing(metric, "none in the last 5 minutes", _look_for(metric), last)
            doubts = [*_labels(metric, counted), *self._type(metric), *self._values(metric)]
            return judged(
                metric.name, "metric", doubts, fine=_fine(metric, counted), last_seen=self._newest(metric.series[0]),
                count=_total(counted), dead=self.uses.of_series(metric.series),
            )  # fmt: skip
        except (SourceError, QueryError) as error:
            return self._unknown(metric, error)

    def _missing(self, metric: Metric, said: str, hint: str, last: datetime | None) -> Finding:
        dead = self.uses.of_series(metric.series)
        if metric.optional and last is None:
            return Finding(metric.name, "metric", Verdict.OK, "not there, which is fine", dead=dead)
        if metric.rare and last is None:
            said, hint = f"{said}: not exported, or it never happened", f"{hint} It shows once it first happens."
        verdict = Verdict.DOUBTFUL if metric.rare else Verdict.MISSING
        return Finding(metric.name, "metric", verdict, said, hint, last, 0, dead)

    def _declared(self, metric: Metric) -> Finding:
        """A metric whose type is told and that has no series yet: clients write one once a label value occurs."""
        said = "declared; no series before it first happens"
        return judged(
            metric.name, "metric", [*self._told(metric)], fine=said, count=0, dead=self.uses.of_series(metric.series)
        )

    def _unknown(self, metric: Metric, error: Exception) -> Finding:
        dead = self.uses.of_series(metric.series)
        return Finding(metric.name, "metric", Verdict.UNKNOWN, str(error), "See the Setup page.", dead=dead)

    def _newest(self, series: str) -> datetime | None:
        newest = self._number(f"max(timestamp({series}))")
        return None if newest is None else datetime.fromtimestamp(newest, UTC)

    def _last_seen(self, series: str) -> datetime | None:
        """When it was last there: to 5 minutes within a day, to the hour within 30 days; None: not then."""
        for length, step in ((DAY, LAST_DAY_STEP), (LOOK_BACK, timedelta(hours=1))):
            found = self.store.range(f"count({series})", Window(self.at - length, self.at), step)
            if found.present.any():
                last = int(found.ts_ms[np.nonzero(found.present.any(axis=0))[0][-1]])
                return datetime.fromtimestamp(last / 1000, UTC)
        return None

    def _number(self, expression: str) -> float | None:
        found = self.store.instant(expression, self.at).scalar()
        return None if found is None or math.isnan(found) else found

    def _told(self, metric: Metric) -> Iterator[Doubt]:
        told = self.types.get(metric.name, "")
        if told and told not in (metric.kind, "untyped", "unknown"):
            yield Doubt(f"declared as {told}", f"Make it a {metric.kind}: rules and charts read it as one.")

    def _type(self, metric: Metric) -> Iterator[Doubt]:
        yield from self._told(metric)
        if metric.kind is Kind.COUNTER:
            fell = self._number(f"max(resets({metric.name}[1h]))") or 0
            restarts = self._number("max(changes(process_start_time_seconds[1h]))") or 0
            if fell > max(restarts + 1, 3):
                yield Doubt(f"fell {fell:.0f} times in an hour", "A counter only rises: do not set or reset it.")

    def _values(self, metric: Metric) -> Iterator[Doubt]:
        if metric.kind is Kind.COUNTER:
            return
        if metric.kind is Kind.HISTOGRAM:
            mean = self._number(f"sum({metric.name}_sum) / sum({metric.name}_count)")
            if mean is not None and mean > metric.high:
                unit = f"Observe {metric.unit}, not ms: every bucket but the last is empty."
                yield Doubt(f"the mean is {mean:,.0f} {metric.unit}", unit)
            return
        for edge, beyond, word in (("min", metric.low, "under"), ("max", metric.high, "over")):
            value = self._number(f"{edge}({metric.name})")
            if value is not None and math.isfinite(beyond) and (value < beyond if edge == "min" else value > beyond):
                unit = f"Export it in {metric.unit}." if metric.unit else "Look at how the service sets it."
                yield Doubt(f"a value of {value:g}, {word} the possible {beyond:g}", unit)


def _without_spared(found: dict[str, Finding]) -> dict[str, Finding]:
    """Leaves out the missing half of a pair of which one is enough; where both are missing, the first stands for both."""
    left = dict(found)
    for metric in METRICS:
        if not metric.instead or metric.name not in left or metric.instead not in left:
            continue
        mine, other = left[metric.name], left[metric.instead]
        if Verdict.MISSING is mine.verdict is not other.verdict:
            del left[metric.name]
        elif mine.verdict is other.verdict is Verdict.MISSING:
            del left[metric.instead]
    return left


def _never(metric: Metric, names: frozenset[str]) -> tuple[str, str]:
    """Why it may be missing: what is there under a name that looks like it."""
    bare = metric.name.removesuffix("_total")
    if metric.kind is Kind.HISTOGRAM and metric.name in names:
        return "exported without buckets", f"Make {metric.name} a histogram with buckets, not a summary or gauge."
    if metric.kind is not Kind.HISTOGRAM and f"{bare}_bucket" in names:
        return "exported as a histogram", f"Make {metric.name} a {metric.kind}."
    others = {bare, f"{bare}_total"} - {metric.name}
    others |= {metric.name.replace(unit, other) for unit, other in _OTHER_UNITS if unit in metric.name}
    there = sorted(name for name in names if _base(name) in {_base(other) for other in others})
    there = there or difflib.get_close_matches(metric.name, sorted(names), 1, 0.85)
    if there:
        return f"never seen; {there[0]} is there", f"Rename {there[0]} to {metric.name}{_in_unit(metric)}."
    return "never seen", f"Export the {metric.kind} {metric.name}{_braces(metric)}{_in_unit(metric)}."


def _look_for(metric: Metric) -> str:
    """What to look at where one went away."""
    if metric.own:
        return "Nothing is scraped or probed any more: see the Setup page."
    asked = "is it still scraped, and what changed in the service?"
    if metric.rare:
        return f"After a restart it is not there until it next happens. Else: {asked}"
    return f"It was there before: {asked}"


def _base(name: str) -> str:
    return next((name.removesuffix(end) for end in _SUFFIXES if name.endswith(end)), name)


def _braces(metric: Metric) -> str:
    return "{" + ", ".join(metric.labels) + "}" if metric.labels else ""


def _in_unit(metric: Metric) -> str:
    return f", in {metric.unit}" if metric.unit else ""


def _labels(metric: Metric, counted: Result) -> Iterator[Doubt]:
    """What is wrong with its labels: missing, ids in them, values that nobody knows, buckets that rules do not expect."""
    for label in metric.labels:
        values = {labels.get(label, "") for labels in counted.labels}
        if "" in values:
            share = "no series has" if values == {""} else "some series lack"
            yield Doubt(f"{share} the label {label}", f"Set {label} on every series.")
        yield from _too_many(label, values - {""})
        unknown = sorted(values - {""} - metric.values.get(label, values))
        if unknown:
            known = ", ".join(sorted(metric.values[label]))
            yield Doubt(f"{label} is {_listed(unknown)}", f"{label} must be one of {known}.")
    if metric.kind is Kind.HISTOGRAM:
        yield from _buckets(metric, {labels.get("le", "") for labels in counted.labels})


def _too_many(label: str, values: set[str]) -> Iterator[Doubt]:
    raw = sorted(value for value in values if label in _ROUTES and value.startswith("/") and route_of(value) != value)
    raw = [value for value in raw if value != "/" and not value.endswith("*")]
    if raw:
        said = f"{len(raw)} of {len(values)} values of {label} are addresses, such as {raw[0][:60]}"
        yield Doubt(said, f"Put the route's template into {label} (/api/leads/:id): each address is a series for ever.")
    elif len(values) > MANY_VALUES:
        yield Doubt(f"{label} has {len(values)} values", f"Put no ids into {label}: each value is a series for ever.")


def _buckets(metric: Metric, bounds: set[str]) -> Iterator[Doubt]:
    numbers = {float(bound) for bound in bounds if _is_number(bound)}
    if math.inf not in numbers:
        yield Doubt("without a bucket le=+Inf", "Export every bucket: without the last one no quantile can be told.")
    lacking = [bound for bound in metric.buckets if bound not in numbers]
    if lacking:
        shown = ", ".join(f"{bound:g}" for bound in lacking)
        wanted = ", ".join(f"{bound:g}" for bound in metric.buckets)
        yield Doubt(f"without the buckets {shown} {metric.unit}", f"Use the buckets {wanted} ({metric.unit}).")


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


def _fine(metric: Metric, counted: Result) -> str:
    parts = [f"{_total(counted)} series"]
    for label in metric.labels:
        count = len({labels.get(label, "") for labels in counted.labels})
        parts.append(f"{label} ×{count}")
    return ", ".join(parts)


def _total(counted: Result) -> int:
    return int(counted.values[counted.present].sum())


def _listed(values: Sequence[str]) -> str:
    more = f" and {len(values) - 3} more" if len(values) > 3 else ""
    return ", ".join(value[:40] for value in values[:3]) + more
