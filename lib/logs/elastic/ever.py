"""When a pattern was first seen in all kept data."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from lib.logs.elastic import filters
from lib.logs.elastic.client import Body
from lib.logs.elastic.fields import Plan
from lib.logs.elastic.records import Row, Source

MOST_TEXTS = 1_000
"""Raw texts that one question looks up."""

_MOST_REMEMBERED = 10_000
_MINUTE_MS = 60_000


class FirstSeen:
    """Remembers what it found: a first time only moves by records that arrive late."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._lock = threading.Lock()

    def of(self, source: Source, ids: Sequence[str], rows: Iterable[Row], start: datetime) -> dict[str, int]:
        """Unix ms of the first minute; a pattern of which that is not known is left out. Raises SourceError.

        Where indices lack patterns, the texts in `rows` that made them are looked up: a text from before `start` shows
        that its pattern is not new; a later one says nothing of a pattern that other texts may have made before.
        """
        made = [plan for plan in source.plans if filters.derived(plan, "pattern_id")]
        if not made:
            return self._kept(source, ids)
        shown = set(ids)
        texts = {
            str(row["text"]): str(row["pattern_id"]) for row in rows if row.get("text") and row["pattern_id"] in shown
        }
        found = self._kept(source, ids, remember=False)
        constant = {row["pattern_id"] for row in rows if row.get("text") == row["pattern"]}
        for name, minute in _by_text(source, made, dict(list(texts.items())[:MOST_TEXTS])).items():
            found[name] = min(minute, found.get(name, minute))
        return {n: ms for n, ms in found.items() if n in constant or ms < start.timestamp() * 1000}

    def _kept(self, source: Source, ids: Sequence[str], *, remember: bool = True) -> dict[str, int]:
        with self._lock:
            found = {name: self._known[name] for name in ids if remember and name in self._known}
        unknown = [name for name in ids if name not in found]
        own = [plan for plan in source.plans if plan.paths("pattern_id")]
        if not unknown or not own:
            return found
        answers = source.connection.search([(plan.indices, _body_of(plan, unknown)) for plan in own])
        for bucket in (b for answer in answers for b in answer["aggregations"]["texts"]["buckets"]):
            minute = _minute(bucket)
            found[bucket["key"]] = min(minute, found.get(bucket["key"], minute))
        if remember:
            self._remember(found)
        return found

    def _remember(self, found: Mapping[str, int]) -> None:
        with self._lock:
            if len(self._known) > _MOST_REMEMBERED:
                self._known.clear()
            self._known.update(found)


def _by_text(source: Source, plans: Sequence[Plan], texts: Mapping[str, str]) -> dict[str, int]:
    searches = [(plan, body) for plan in plans for body in _bodies_of(plan, list(texts))]
    answers = source.connection.search([(plan.indices, body) for plan, body in searches]) if texts else []
    found: dict[str, int] = {}
    for bucket in (b for answer in answers for b in answer["aggregations"]["texts"]["buckets"]):
        name, minute = texts[bucket["key"]], _minute(bucket)
        found[name] = min(minute, found.get(name, minute))
    return found


def _bodies_of(plan: Plan, texts: Sequence[str]) -> list[Body]:
    """One search per field that a pattern is made of; a later field counts where the earlier ones are lacking."""
    paths = [path for name in filters.DERIVED["pattern_id"] for path in plan.exact(name)]
    return [
        _first_times(plan, path.name, texts, [filters.lacks(before.base) for before in paths[:number]])
        for number, path in enumerate(paths)
    ]


def _body_of(plan: Plan, ids: Sequence[str]) -> Body:
    return _first_times(plan, plan.exact("pattern_id")[0].name, ids, [])


def _first_times(plan: Plan, name: str, values: Sequence[str], more: Sequence[Body]) -> Body:
    terms = {"field": name, "size": len(values), "include": list(values)}
    return {
        "size": 0, "track_total_hits": False, "query": {"bool": {"filter": [{"terms": {name: list(values)}}, *more]}},
        "aggs": {"texts": {"terms": terms, "aggs": {"first": {"min": {"field": plan.ts}}}}},
    }  # fmt: skip


def _minute(bucket: Body) -> int:
    return int(bucket["first"]["value"]) // _MINUTE_MS * _MINUTE_MS
