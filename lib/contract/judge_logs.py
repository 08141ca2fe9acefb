"""Judges each expected record and field by what a log store holds, whichever store it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import pandas as pd

from lib.contract.base import Doubt, Finding, Verdict, judged
from lib.contract.logs import COMMON, COMPLETED, HTTP_REQUEST, LEVELS, SHAPES, Field, Shape
from lib.contract.uses import Uses
from lib.errors import SourceError
from lib.logs.base import MEASURES, LogQuery, LogStore, Match
from lib.window import DAY, Window

SAMPLE = 300
"""Records that are looked at, the newest of their kind."""
LOOK_BACK = 30 * DAY
TWICE = 0.2
"""From this share of repeated records on they are repeated on purpose: two equal ones in a millisecond may be chance."""
FEW = 0.02
ENOUGH = 20
"""Fewer requests than this say nothing about their unit."""
FACTOR = 50.0

_SAME = ["message", "request_id", "lead_id", "source", "url", "status", "duration_ms", "error", "operation"]
_SHIPPERS = {
    "@version",
    "agent",
    "container",
    "ecs",
    "host",
    "input",
    "kubernetes",
    "log",
    "offset",
    "stream",
    "tag",
    "tags",
}
"""What shippers add to a record, each in its own way."""


@dataclass(frozen=True, slots=True)
class Logs:
    """What is judged: a store over a window, which `span` names. `mean_s` is the mean response time by the metrics (None:
    unknown), which tells whether the log's is in ms. `lower_case` levels were seen before a store made them upper case."""

    store: LogStore
    window: Window
    uses: Uses
    mean_s: float | None = None
    lower_case: int = 0
    span: str = "in the last 24 h"

    def findings(self) -> list[Finding]:
        """One finding per kind of record and per field of one that is there; "not checked" where the store does not
        answer. Never raises SourceError."""
        try:
            return [*self._common(), *(found for shape in SHAPES for found in self._shape(shape))]
        except SourceError as error:
            items = [f"every record: {field.name}" for field in COMMON] + [shape.message for shape in SHAPES]
            return [Finding(item, "log", Verdict.UNKNOWN, str(error), "See the Setup page.") for item in items]

    def _common(self) -> Iterator[Finding]:
        newest = self.store.newest()
        levels = self.store.totals(LogQuery(self.window), ("level",))
        total = int(levels["records"].sum())
        if not total:
            said, hint = f"no record {self.span}", "Look at the log files on the Setup page."
            for field in COMMON:
                yield self._line(field, Verdict.MISSING, said, hint, newest)
            return
        sample = self.store.search(LogQuery(self.window), SAMPLE)
        yield self._judged(COMMON[0], [*_stamps(sample)], newest, total)
        yield self._judged(COMMON[1], [*_levels(levels), *self._case(sample)], newest, total)
        yield self._judged(COMMON[2], [*_twice(sample, self._errors()), *_unread(levels)], newest, total)
        for field in COMMON[3:]:
            yield self._judged(field, [*self._lacking(field.column, total)], newest, total)

    def _errors(self) -> pd.DataFrame:
        return self.store.search(LogQuery(self.window, (Match("level", ("ERROR",)),)), SAMPLE)

    def _case(self, sample: pd.DataFrame) -> Iterator[Doubt]:
        lower = int((sample["level"] != sample["level"].str.upper()).sum()) + self.lower_case
        if lower:
            yield Doubt(
                f"{lower} records with a level in lower case", "Write level in upper case (ERROR), as one shipper does."
            )

    def _lacking(self, column: str, total: int) -> Iterator[Doubt]:
        without = self.store.totals(LogQuery(self.window, (Match(column, ("",)),)))
        count = int(without["records"].sum())
        if count > FEW * total:
            yield Doubt(f"{count:,} of {total:,} records without it", f"Set {column} in the logger's default fields.")

    def _judged(self, field: Field, doubts: list[Doubt], newest: datetime | None, total: int) -> Finding:
        return judged(
            f"every record: {field.name}", "log", doubts, fine=f"{total:,} records {self.span}", last_seen=newest, count=total,
            dead=self.uses.of_records("", field.read_as),
        )  # fmt: skip

    def _line(self, field: Field, verdict: Verdict, said: str, hint: str, seen: datetime | None) -> Finding:
        dead = self.uses.of_records("", field.read_as)
        return Finding(f"every record: {field.name}", "log", verdict, said, hint, seen, 0, dead)

    def _shape(self, shape: Shape) -> list[Finding]:
        sample = self._sample(shape, self.window)
        read = [column for field in shape.fields for column in field.read_as]
        dead = self.uses.of_event(shape.event) if shape.event else self.uses.of_records("", read)
        if sample.empty:
            return [self._never(shape, dead)]
        count = self._count(shape, len(sample))
        doubts = [*self._doubts(shape, sample)]
        fine = f"{count:,} {self.span}" if shape.event else f"seen {self.span}"
        if shape.message == COMPLETED:
            fine += "; beside HTTP Request for the same request, which is normal: latency counts one of them"
        seen = sample["ts"].iloc[0].to_pydatetime()
        first = judged(shape.message, "log", doubts, fine=fine, last_seen=seen, count=count, dead=dead)
        return [first, *(self._field(shape, field, sample, seen) for field in shape.fields)]

    def _sample(self, shape: Shape, window: Window) -> pd.DataFrame:
        if shape.event:
            return self.store.search(LogQuery(window, (Match("event", (shape.event,)),)), SAMPLE)
        found = self.store.search(LogQuery(window, text=shape.message), SAMPLE)
        return found[found["message"] == shape.message]

    def _count(self, shape: Shape, sampled: int) -> int | None:
        if shape.event:
            found = self.store.totals(LogQuery(self.window, (Match("event", (shape.event,)),)))
            return int(found["records"].sum())
        return sampled if sampled < SAMPLE else None

    def _never(self, shape: Shape, dead: tuple[str, ...]) -> Finding:
        seen = self._seen_before(shape)
        said = f"none {self.span}" if seen else "never seen"
        names = ", ".join(field.name for field in shape.fields if not field.optional)
        known = f" with event {shape.event}" if shape.event else ""
        hint = f"Log “{shape.message}”{known} and {names}." if not seen else "Is there no traffic, or was it taken out?"
        return Finding(shape.message, "log", Verdict.MISSING, said, hint, seen, 0, dead)

    def _seen_before(self, shape: Shape) -> datetime | None:
        """When it was last seen within 30 days."""
        long = Window(self.window.end - LOOK_BACK, self.window.end)
        if shape.event:
            found = self.store.search(LogQuery(long, (Match("event", (shape.event,)),)), 1)
            return None if found.empty else found["ts"].iloc[0].to_pydatetime()
        patterns = self.store.patterns(LogQuery(long), 2000)
        mine = patterns[patterns["pattern"] == shape.message]
        return None if mine.empty else mine["last_seen"].iloc[0].to_pydatetime()

    def _doubts(self, shape: Shape, sample: pd.DataFrame) -> Iterator[Doubt]:
        share = _repeated(sample)
        if share >= TWICE and len(sample) >= ENOUGH:
            yield Doubt(
                f"{share:.0%} of them are there twice",
                "Let one shipper send each file once; follow combined*.log only.",
            )

    def _field(self, shape: Shape, field: Field, sample: pd.DataFrame, seen: datetime) -> Finding:
        there = self._share(field, sample)
        item = f"{shape.message}: {field.name}"
        dead = self.uses.of_records(shape.event, field.read_as)
        if not there:
            if field.optional:
                return Finding(item, "log", Verdict.OK, "not sent, which is fine", last_seen=None, dead=dead)
            hint = f"Log {field.name} with “{shape.message}”{f', in {field.unit}' if field.unit else ''}."
            return Finding(item, "log", Verdict.MISSING, "in none of the records", hint, None, 0, dead)
        doubts = [*self._unit(shape, field, sample)]
        if there < 1 - FEW and not field.optional:
            doubts.append(Doubt(f"only in {there:.0%} of the records", f"Log {field.name} with every one of them."))
        return judged(item, "log", doubts, fine=f"{field.unit}".strip() or "there", last_seen=seen, dead=dead)

    def _share(self, field: Field, sample: pd.DataFrame) -> float:
        """The share of the sampled records that have it (of a measure: 1 where it was ever seen)."""
        if field.column in sample:
            values = sample[field.column]
            return float((values.notna() & values.ne("")).mean())
        if field.column in MEASURES:
            return float(self.store.ever_seen(field.column))
        return float(sum(_has(fields, field.name) for fields in sample["fields"])) / len(sample)

    def _unit(self, shape: Shape, field: Field, sample: pd.DataFrame) -> Iterator[Doubt]:
        """Whether a duration is in seconds: a thousandth of what the metrics say, or none that a request could take."""
        if field.column != "duration_ms" or shape.message not in (HTTP_REQUEST, COMPLETED):
            return
        durations = sample["duration_ms"].dropna()
        if len(durations) < ENOUGH:
            return
        mean = float(durations.mean())
        if self.mean_s:
            wrong = mean > 0 and self.mean_s * 1000 / mean > FACTOR
        else:
            fractions = bool((durations % 1 != 0).any())
            wrong = fractions and float(durations.quantile(0.95)) < 1 and float(durations.max()) < 30
        if wrong:
            yield Doubt(f"its mean is {mean:.3g} ms", "These look like seconds: log duration in ms.")


def _stamps(sample: pd.DataFrame) -> Iterator[Doubt]:
    told = sample["reason"][sample["reason"].str.contains("time stamp|dated", regex=True)]
    if len(told):
        said = f"{len(told)} of the newest {len(sample)} records: {told.iloc[0]}"
        yield Doubt(said, "Write timestamp as ISO 8601 with ms and Z, and set the clock by NTP.")


def _levels(levels: pd.DataFrame) -> Iterator[Doubt]:
    rows = levels[levels["level"] != "UNPARSED"]
    strange = rows[~rows["level"].str.upper().isin(LEVELS)]
    if int(strange["records"].sum()):
        names = ", ".join(sorted(name[:20] or "none" for name in strange["level"])[:3])
        said = f"{int(strange['records'].sum()):,} records with a level that is none: {names}"
        yield Doubt(said, "Use Winston's levels (ERROR, WARN, INFO, …): errors are found by them.")


def _unread(levels: pd.DataFrame) -> Iterator[Doubt]:
    count = int(levels.loc[levels["level"] == "UNPARSED", "records"].sum())
    if count:
        yield Doubt(f"{count:,} lines that are no JSON object", "Let nothing but the JSON logger write to the file.")


def _twice(sample: pd.DataFrame, errors: pd.DataFrame) -> Iterator[Doubt]:
    share, of_errors = _repeated(sample[sample["level"].str.upper() != "ERROR"]), _repeated(errors)
    if share >= TWICE:
        yield Doubt(f"{share:.0%} of the newest records are there twice", "Two shippers send the same files: stop one.")
    elif of_errors >= TWICE and len(errors) >= 3:
        hint = "Follow combined*.log only: error.log holds the same errors again."
        yield Doubt(f"{of_errors:.0%} of the newest errors are there twice, other records once", hint)


def _repeated(sample: pd.DataFrame) -> float:
    """The share of records that have a twin: equal to the ms in all that the service wrote, whatever shippers made of it."""
    if sample.empty:
        return 0.0
    told = [_as_written(ts, fields) for ts, fields in zip(sample["ts"], sample["fields"], strict=True)]
    same = sample[_SAME].assign(
        level=sample["level"].str.upper(), moment=[at for at, _ in told], rest=[r for _, r in told]
    )
    return float(same.duplicated(keep=False).mean())


def _as_written(ts: pd.Timestamp, fields: str) -> tuple[pd.Timestamp, bytes]:
    """The record's own time, where a shipper's stands in its place, and its other fields in one order."""
    found = _decoded(fields)
    stamp = found.pop("timestamp", None)
    own = ts if stamp is None else pd.to_datetime(str(stamp), utc=True, errors="coerce", format="ISO8601")
    rest = {name: value for name, value in found.items() if name not in _SHIPPERS}
    return ts if pd.isna(own) else own, orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)


def _decoded(fields: str) -> dict[str, Any]:
    try:
        found: Any = orjson.loads(fields)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _has(fields: str, name: str) -> bool:
    return _decoded(fields).get(name) not in (None, "")


def recent(now: datetime) -> Window:
    """The window that a running dashboard is judged by: the last 24 hours."""
    return Window(now - DAY, now + timedelta(minutes=1))
