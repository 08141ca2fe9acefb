"""A document of an index as the record that the embedded store would have kept of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from lib.logs.elastic.client import Connection
from lib.logs.elastic.fields import PREFIXES, Plan
from lib.logs.elastic.filters import level_of
from lib.logs.elastic.routes import Routes
from lib.logs.patterns import normalise, route_of
from lib.logs.rollup import pattern_id

Clean = Callable[[Any], Any]
"""Takes credentials out of a JSON value: others may have written it."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """What a question is asked of: the cluster, its ways of mapping, and what cleans the texts that come from there."""

    connection: Connection
    plans: tuple[Plan, ...]
    clean: Clean
    routes: Routes


_OWN = ("@timestamp", "timestamp", "pattern", "pattern_id", "severity")


def row_of(hit: Mapping[str, Any], plan: Plan, clean: Clean) -> Row:
    """One row with the columns of `LogStore.search`, the numbers that can be added up, and `pattern`."""
    record = _flat(clean(hit.get("_source") or {}))
    own = None if plan.ts.rpartition(".")[2] == "timestamp" else record.get("timestamp")
    moment = _moment(hit, record, plan)
    level = level_of(_text(_take(record, "level", "severity")))
    error, stack = _error(record)
    found = {
        "id": str(hit.get("_id", "")), "ts": moment, "level": level,
        **{name: _text(record.pop(name, "")) for name in ("message", "version", "event", "source", "operation", "method")},
        "service": _text(record.pop("service", "")), "error": error, "stack": stack,
        "request_id": _text(_take(record, "requestId", "request_id")),
        "lead_id": _text(_take(record, "leadId", "lead_id")) or _lead_of(record),
        "url": _text(record.pop("url", "")), "route": _text(record.pop("route", "")),
        "status": _status(record), "duration_ms": _number(record, "duration"), "value": _number(record, "value"),
        "response_bytes": _number(record, "responseSize"), **_stats(record),
        "file": _file(record), "reason": _text(record.pop("reason", "")), "truncated": record.pop("truncated", False) is True,
    }  # fmt: skip
    found["route"] = found["route"] or route_of(found["url"])
    pattern = _text(record.pop("pattern", "")) or normalise(error or found["message"])
    found |= {"pattern": pattern, "pattern_id": _text(record.pop("pattern_id", "")) or pattern_id(pattern)}
    rest = {name: value for name, value in record.items() if name not in _OWN}
    if own is not None:  # not every record has one, so none is placed by it
        rest["timestamp"] = own
    return found | {"fields": orjson.dumps(rest, default=str).decode() if rest else "{}"}


def _flat(source: Mapping[str, Any]) -> Row:
    """The record's own fields at the top, wherever the shipper has put them."""
    record = dict(source)
    for prefix in PREFIXES[1:]:
        inner = record.get(prefix.removesuffix("."))
        if isinstance(inner, Mapping):
            del record[prefix.removesuffix(".")]
            record = {**inner, **record}
    return record


def _moment(hit: Mapping[str, Any], record: Row, plan: Plan) -> datetime:
    """From the doc values where they were asked for: `_source` has it in whatever form it was sent."""
    held = (hit.get("fields") or {}).get(plan.ts) or hit.get("sort") or ()
    record.pop("timestamp", None)
    record.pop("@timestamp", None)
    millis = float(held[0]) if held else 0.0
    return datetime.fromtimestamp(round(millis) / 1000, UTC)


def _take(record: Row, *names: str) -> Any:
    values = [record.pop(name, None) for name in names]
    return next((value for value in values if value is not None), "")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value, default=str).decode()


def _error(record: Row) -> tuple[str, str]:
    error, stack = record.pop("error", ""), _text(record.pop("stack", ""))
    if isinstance(error, Mapping):
        return _text(error.get("message")) or _text(dict(error)), stack or _text(error.get("stack"))
    return _text(error), stack


def _file(record: Row) -> str:
    """Where a shipper read the line; our own says no more than that."""
    log = record.get("log")
    path = (
        log.get("file", {}).get("path", "") if isinstance(log, Mapping) and isinstance(log.get("file"), Mapping) else ""
    )
    if log == {"file": {"path": path}}:
        del record["log"]
    return _text(path)


def _lead_of(record: Row) -> str:
    context = record.get("context")
    return _text(context.get("leadId")) if isinstance(context, Mapping) else ""


def _status(record: Row) -> int | None:
    for name in ("status", "statusCode"):
        value = record.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 5:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 32768:
            del record[name]
            return value
    return None


def _number(record: Row, name: str) -> float | None:
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None  # what is no number stays among the other fields
    del record[name]
    return float(value)


def _stats(record: Row) -> Row:
    stats = record.get("stats")
    if not isinstance(stats, Mapping):
        return dict.fromkeys(("processed", "successful", "failed", "sync_ms"))
    rest = dict(stats)
    found = {name: _number(rest, name) for name in ("processed", "successful", "failed")}
    found["sync_ms"] = _number(rest, "duration")
    if rest:
        record["stats"] = rest
    else:
        del record["stats"]
    return found
