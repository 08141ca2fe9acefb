"""What the cluster tells of each index: how much is in it, since when, and whether its lifecycle goes on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lib.errors import SourceError
from lib.logs.elastic.client import Body, Connection
from lib.logs.inventory import Index

MOST_INDICES = 500
_OLDEST: Body = {
    "size": 0,
    "track_total_hits": False,
    "aggs": {
        "index": {
            "terms": {"field": "_index", "size": MOST_INDICES},
            "aggs": {"oldest": {"min": {"field": "@timestamp"}}},
        }
    },
}


def inventory(connection: Connection) -> tuple[Index, ...]:
    """Every index of the pattern, by name. What the user may not ask for (sizes, lifecycles) is left unknown, with the
    reason. Raises SourceError where the cluster does not answer at all."""
    buckets = connection.search([(None, _OLDEST)])[0].get("aggregations", {}).get("index", {}).get("buckets", [])
    held = {str(bucket["key"]): bucket for bucket in buckets}
    try:
        sizes: Mapping[str, Any] = connection.sizes().get("indices", {})
    except SourceError:
        sizes = {}
    try:
        cycles: Mapping[str, Any] = connection.lifecycles().get("indices", {})
        unknown = "the cluster does not list it"
    except SourceError as error:
        cycles, unknown = {}, str(error)
    names = sorted({*held, *sizes, *cycles})
    return tuple(_index(name, held.get(name), sizes.get(name), cycles.get(name), unknown) for name in names)


def _index(name: str, held: Any, sizes: Any, cycle: Any, unknown: str) -> Index:
    count = None if held is None else float(held["doc_count"])
    moment = None if held is None else (held.get("oldest") or {}).get("value")
    oldest = None if moment is None else datetime.fromtimestamp(float(moment) / 1000, UTC)
    if sizes is not None:
        count = float(sizes.get("primaries", {}).get("docs", {}).get("count", count or 0))
    held_bytes = None if sizes is None else sizes.get("total", {}).get("store", {}).get("size_in_bytes")
    given = Index(name, count, None if held_bytes is None else float(held_bytes), oldest, unknown=unknown)
    return given if cycle is None else _with_cycle(given, cycle)


def _with_cycle(one: Index, cycle: Mapping[str, Any]) -> Index:
    """A step that waits says why under `message`; only an exception, also that of a policy that is not there, has a `reason`."""
    info = cycle.get("step_info") or {}
    stands = str(cycle.get("step") or "").upper() == "ERROR" or "reason" in info
    error = str(info.get("reason") or info.get("message") or "it is in step ERROR")[:300] if stands else ""
    return Index(
        one.name, one.records, one.bytes, one.oldest, bool(cycle.get("managed")), str(cycle.get("phase") or ""),
        str(cycle.get("policy") or ""), error,
    )  # fmt: skip
