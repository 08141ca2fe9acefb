"""Where each field of a record is in which index, and how it can be asked: read from field_caps, index by index."""

from __future__ import annotations

import dataclasses
import math
import re
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lib.errors import SourceRejected
from lib.logs.elastic.client import NAME, Connection

_NAMES: dict[str, tuple[str, ...]] = {
    "ts": ("timestamp", "@timestamp"),  # a shipper's @timestamp is when it read the line
    "level": ("level", "severity", "log.level"),
    "service": ("service", "service.name"),
    "version": ("version", "service.version"),
    "status": ("status", "statusCode"),
    "request_id": ("requestId", "request_id"),
    "lead_id": ("leadId", "lead_id", "context.leadId"),
    "error": ("error", "error.message"),
    "stack": ("stack", "error.stack"),
    "duration_ms": ("duration",),
    "sync_ms": ("stats.duration",),
    "processed": ("stats.processed",),
    "successful": ("stats.successful",),
    "failed": ("stats.failed",),
    "response_bytes": ("responseSize",),
    "file": ("log.file.path",),
} | {
    name: (name,)
    for name in (
        "message", "event", "source", "operation", "method", "route", "url", "value", "pattern_id", "pattern", "reason",
        "everything",
    )
}  # fmt: skip
PREFIXES = ("", "fields.", "meta.", "json.")
"""Objects that some shippers put the record's own fields into."""

_SEVERAL = ("status", "lead_id", "error")
"""Fields that different kinds of record carry under different names: the first that a record has counts."""

_NUMBERS = {
    "long": 2.0**63, "integer": 2.0**31, "short": 2.0**15, "byte": 2.0**7, "unsigned_long": 2.0**64,
    "double": math.inf, "float": math.inf, "half_float": math.inf, "scaled_float": 2.0**63,
}  # fmt: skip
"""The types of numbers, and where each ends: the cluster refuses to compare with what is beyond."""

_EXACT = ("keyword", "ip", "version", "constant_keyword", "wildcard")
_DATES = ("date", "date_nanos")
_FREE = re.compile(r'[^\s,*?"_][^\s,*?"]{0,255}')
"""Names of other fields that can be looked up; those that begin with _ are the cluster's own."""

_MOST_SETS = 100
_EMPTY_S = 2.0
"""How long it is believed that there is nothing yet: the first record should show soon."""


@dataclass(frozen=True, slots=True)
class Path:
    """A field to ask by `name`. `base` is what a record that has it has; they differ for `text` with a keyword sub-field.

    `kind`: exact, number, date, boolean, object, or text (which can be searched, but neither compared nor grouped by).
    """

    name: str
    kind: str
    base: str
    most: float = dataclasses.field(default=math.inf, compare=False)
    """What a number of its type is less than; indices that differ in this alone are asked together."""

    @property
    def cut(self) -> bool:
        """Whether long values may be missing under `name`: dynamic mappings ignore what has over 256 characters."""
        return self.name != self.base


@dataclass(frozen=True, slots=True)
class Plan:
    """How to ask the indices that map their fields alike; `indices` is None where all do."""

    fields: tuple[tuple[str, tuple[Path, ...]], ...]
    indices: tuple[str, ...] | None = None

    def paths(self, field: str) -> tuple[Path, ...]:
        """Where the field may be; none where these indices do not have it."""
        return dict(self.fields).get(field, ())

    def exact(self, field: str) -> tuple[Path, ...]:
        """The same, for comparing and grouping. Raises SourceRejected for a field that is text alone."""
        return tuple(self._checked(path, ("exact", "number", "date", "boolean")) for path in self.paths(field))

    def number(self, field: str) -> Path | None:
        """The same, for adding up. Raises SourceRejected for a field that is no number."""
        found = self.paths(field)
        return self._checked(found[0], ("number",)) if found else None

    @property
    def ts(self) -> str:
        """The name of the record's time. Raises SourceRejected where no field is a date."""
        found = self.paths("ts")
        if not found:
            where = f" in {self.indices[0]}" if self.indices else ""
            raise SourceRejected(f"neither timestamp nor @timestamp is mapped as a date{where}", NAME)
        return found[0].name

    def _checked(self, path: Path, kinds: Sequence[str]) -> Path:
        if path.kind in kinds:
            return path
        where = f" in {self.indices[0]}" if self.indices else ""
        wanted = "a number" if kinds == ("number",) else "a keyword"
        raise SourceRejected(
            f"the field “{path.name}”{where} is mapped as {path.kind}, not as {wanted}: install the index template "
            "(deploy/elasticsearch) for new indices, and reindex old ones",
            NAME,
        )


class Fields:
    """The plans of the index pattern, looked up again after `fresh_s`."""

    def __init__(self, connection: Connection, fresh_s: float = 60.0) -> None:
        self._connection = connection
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._known: dict[tuple[str, ...], tuple[float, tuple[Plan, ...]]] = {}

    def plans(self, others: Collection[str] = ()) -> tuple[Plan, ...]:
        """One per way of mapping; none where no index matches or none has a record. Raises SourceError.

        `others` are names of a record's own fields that the plans shall have, too.
        """
        free = tuple(sorted({name for name in others if name not in _NAMES and _FREE.fullmatch(name)}))
        with self._lock:
            until, known = self._known.get(free, (float("-inf"), ()))
            if time.monotonic() < until:
                return known
            found = plans_of(self._connection.field_caps(wanted(free)), free)
            plans, certain = _by_event_time(found, self._connection)
            if len(self._known) > _MOST_SETS:
                self._known.clear()
            fresh_s = self._fresh_s if plans and certain else min(self._fresh_s, _EMPTY_S)
            self._known[free] = (time.monotonic() + fresh_s, plans)
            return plans


def wanted(others: Sequence[str] = ()) -> list[str]:
    """Every name to ask field_caps for."""
    fields = [name for field in _NAMES.values() for name in field] + list(others)
    names = dict.fromkeys(prefix + name for prefix in PREFIXES for name in fields)
    return [part for name in names for part in (name, name + ".keyword")]


def plans_of(caps: Mapping[str, Any], others: Sequence[str] = ()) -> tuple[Plan, ...]:
    """The plans of a field_caps answer that was asked with `include_unmapped`."""
    kinds: dict[str, dict[str, str]] = defaultdict(dict)
    for name, by_type in caps["fields"].items():
        for kind, found in by_type.items():
            for index in found.get("indices", caps["indices"]):
                kinds[index][name] = kind
    groups: dict[tuple[tuple[str, tuple[Path, ...]], ...], list[str]] = defaultdict(list)
    for index in caps["indices"]:
        fields = _fields_of(kinds[index], others)
        if fields:  # an index without a record has none yet
            groups[fields].append(index)
    if len(groups) == 1 and sum(map(len, groups.values())) == len(caps["indices"]):
        return (Plan(next(iter(groups))),)
    return tuple(Plan(fields, tuple(indices)) for fields, indices in groups.items())


def _fields_of(kinds: Mapping[str, str], others: Sequence[str]) -> tuple[tuple[str, tuple[Path, ...]], ...]:
    found = []
    for field, names in (_NAMES | {name: (name,) for name in others}).items():
        candidates = [_path(prefix + name, kinds) for prefix in PREFIXES for name in names]
        paths = tuple(path for path in candidates if path is not None and (path.kind != "object" or field in others))
        if field == "ts":
            paths = tuple(sorted(paths, key=lambda path: path.kind != "date"))
            paths = paths if paths and paths[0].kind == "date" else ()
        if paths:
            found.append((field, paths if field in (*_SEVERAL, "ts") else paths[:1]))
    return tuple(found)


def _path(name: str, kinds: Mapping[str, str]) -> Path | None:
    kind = kinds.get(name, "unmapped")
    if kind in _NUMBERS:
        return Path(name, "number", name, _NUMBERS[kind])
    if kind in _DATES:
        return Path(name, "date", name)
    if kind == "boolean":
        return Path(name, "boolean", name)
    if kind in _EXACT:
        return Path(name, "exact", name)
    if kind == "text":
        inner = f"{name}.keyword"
        return Path(inner, "exact", name) if kinds.get(inner) in _EXACT else Path(name, "text", name)
    return Path(name, "object", name) if kind in ("object", "nested") else None


def _by_event_time(plans: tuple[Plan, ...], connection: Connection) -> tuple[tuple[Plan, ...], bool]:
    """The event's own time where every record has it, else the next date field; and whether there were records to tell by."""
    doubtful = [plan for plan in plans if len(plan.paths("ts")) > 1]
    kinds = ("filter", "must_not")
    searches = [
        (
            plan.indices,
            {"size": 0, "track_total_hits": 1, "terminate_after": 1, "query": {"bool": {kind: [_has(plan.ts)]}}},
        )
        for plan in doubtful
        for kind in kinds
    ]
    found = [bool(answer["hits"]["total"]["value"]) for answer in connection.search(searches)]
    told = dict(zip(doubtful, zip(found[::2], found[1::2], strict=True), strict=True))
    own = {plan for plan, (having, lacking) in told.items() if having and not lacking}
    chosen = tuple(
        _with_ts(plan, plan.paths("ts")[0 if plan in own or plan not in told else 1 :][:1]) for plan in plans
    )
    return chosen, all(any(pair) for pair in told.values())


def _with_ts(plan: Plan, paths: tuple[Path, ...]) -> Plan:
    return replace(plan, fields=tuple((name, paths if name == "ts" else held) for name, held in plan.fields))


def _has(name: str) -> dict[str, Any]:
    return {"exists": {"field": name}}
