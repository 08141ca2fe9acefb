"""Records of one shape into columns: the quick way for the many that are plain. What is unusual is left to `parse`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lib.logs.ingest import BATCH
from lib.logs.patterns import normalise, route_of

Record = dict[str, Any]

TEXTS = {
    "level": "level", "message": "message", "service": "service", "version": "version", "event": "event", "requestId": "request_id",
    "leadId": "lead_id", "source": "source", "operation": "operation", "method": "method", "route": "route",
    "url": "url", "error": "error", "stack": "stack",
}  # fmt: skip
"""Fields that are texts, with their columns."""

_NUMBERS = {"duration": "duration_ms", "value": "value"}
_STATUS = ("status", "statusCode")
_SIZE = "responseSize"
_SPECIAL = frozenset({"@timestamp", "stats", "context"})
_TEXT: frozenset[Any] = frozenset({str, type(None)})
_NUMBER: frozenset[Any] = frozenset({int, float})
_STRING: frozenset[Any] = frozenset({str})
_WHOLE: frozenset[Any] = frozenset({int})
_FEWEST = 8
"""A smaller group costs more as columns than row by row."""
_STAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
_TS = BATCH.field("ts").type
_INT16, _INT64 = 1 << 15, 1 << 63
_LEVELS = {"WARNING": "WARN"}
_EMPTY = {
    field.name: pa.scalar("" if field.type == pa.string() else False if field.type == pa.bool_() else None, field.type)
    for field in BATCH
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What records with the same names in the same order have in common; `status` is the name that theirs goes by."""

    names: tuple[str, ...]
    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    status: str
    size: str
    rest: tuple[str, ...]

    def kinds(self) -> Iterator[tuple[str, frozenset[Any]]]:
        """The types that plain values have."""
        yield "timestamp", _STRING
        yield from ((name, _TEXT) for name in self.texts)
        yield from ((name, _NUMBER) for name in self.numbers)
        yield from ((name, _WHOLE) for name in (self.status, self.size) if name)


@dataclass(frozen=True, slots=True)
class Span:
    """The times in ms that a record may have, both ends included."""

    earliest_ms: int
    latest_ms: int


@lru_cache(maxsize=1024)
def shape_of(names: tuple[str, ...]) -> Shape | None:
    """The shape of records with these names; None where they need a closer look each."""
    if "timestamp" not in names or not _SPECIAL.isdisjoint(names) or set(_STATUS) <= set(names):
        return None
    texts = tuple(name for name in TEXTS if name in names)
    numbers = tuple(name for name in _NUMBERS if name in names)
    status = next((name for name in _STATUS if name in names), "")
    size = _SIZE if _SIZE in names else ""
    taken = {"timestamp", status, size, *texts, *numbers}
    return Shape(names, texts, numbers, status, size, tuple(name for name in names if name not in taken))


class Groups:
    """The records of a batch by file and shape. `odd`: the places of those that need a closer look each."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._groups: dict[tuple[str, tuple[str, ...]], tuple[list[int], list[Record]]] = {}
        self.odd: dict[int, Record | None] = {}

    def add(self, place: int, file: str, record: Record) -> None:
        """One record and its place in the batch."""
        places, records = self._groups.setdefault((file, tuple(record)), ([], []))
        places.append(place)
        records.append(record)

    def tables(self, id_of: Callable[[int], str]) -> tuple[list[pa.Table], list[int]]:
        """The plain records as tables of schema BATCH, and their places in that order; the others are in `odd` then."""
        tables, order = list[pa.Table](), list[int]()
        for (file, names), (places, records) in self._groups.items():
            shape = shape_of(names) if len(records) >= _FEWEST else None
            plain = dict[int, Record]() if shape is None else dict(zip(places, records, strict=True))
            if shape is not None:
                for at in _odd_rows(shape, records, self._span):
                    del plain[places[at]]
            if shape is not None and plain:
                try:
                    tables.append(_table(shape, list(plain.values()), [id_of(place) for place in plain], file))
                    order += plain
                except (TypeError, ValueError, OverflowError):  # a value that cannot be written like this
                    plain = {}
            if len(plain) < len(places):
                self.odd |= {place: one for place, one in zip(places, records, strict=True) if place not in plain}
        return tables, order


def _odd_rows(shape: Shape, records: Sequence[Record], span: Span) -> set[int]:
    """The records with a value of an unusual kind or out of range."""
    found = _by_name(shape, records)
    odd: set[int] = set()
    for name, kinds in shape.kinds():
        if not kinds.issuperset(map(type, found[name])):
            odd.update(at for at, value in enumerate(found[name]) if type(value) not in kinds)
    for name in shape.numbers:
        odd.update(np.flatnonzero(~np.isfinite(_floats(_usual(found[name], odd)))).tolist())
    for name, low, high in ((shape.status, 0, _INT16), (shape.size, -_INT64 + 1, _INT64)):
        values = _usual(found[name], odd) if name else ()
        if values and not low <= min(values) <= max(values) < high:
            odd.update(at for at, value in enumerate(values) if not low <= value < high)
    return odd | _untimed(found["timestamp"], odd, span)


def _by_name(shape: Shape, records: Sequence[Record]) -> dict[str, tuple[Any, ...]]:
    return dict(zip(shape.names, zip(*(record.values() for record in records), strict=True), strict=True))


def _usual(values: tuple[Any, ...], odd: set[int]) -> Sequence[Any]:
    """The values of a number, 0 for the odd ones."""
    return [0 if at in odd else value for at, value in enumerate(values)] if odd else values


def _untimed(values: Sequence[Any], odd: set[int], span: Span) -> set[int]:
    """Where the time stamp has not Winston's form, or lies outside the span."""
    stamps = pa.array(["" if at in odd else value for at, value in enumerate(values)] if odd else values, pa.string())
    good = pc.match_substring_regex(stamps, _STAMP)
    try:
        ts = pc.if_else(good, stamps, pa.scalar(None, pa.string())).cast(_TS)
    except pa.ArrowInvalid:  # a day that is in no calendar: each is looked at by itself
        return set(range(len(values)))
    millis = ts.cast(pa.int64()).fill_null(-1).to_numpy()
    return set(np.flatnonzero((millis < span.earliest_ms) | (millis > span.latest_ms)).tolist())


def _table(shape: Shape, records: Sequence[Record], ids: Sequence[str], file: str) -> pa.Table:
    """These records, all of them plain, with schema BATCH."""
    found, count = _by_name(shape, records), len(records)
    texts = {name: _without_none(found[name]) for name in shape.texts}
    empty = ("",) * count
    said = [
        error or message for error, message in zip(texts.get("error", empty), texts.get("message", empty), strict=True)
    ]
    route_by_url = {url: route_of(url) for url in set(texts.get("url", ("",)))}
    routes = [
        route or route_by_url[url]
        for route, url in zip(texts.pop("route", empty), texts.get("url", empty), strict=True)
    ]
    columns = {TEXTS[name]: _text(values) for name, values in texts.items() if name != "level"}
    columns |= {_NUMBERS[name]: pa.array(_floats(found[name])) for name in shape.numbers}
    columns |= {
        "ts": pa.array(found["timestamp"], pa.string()).cast(_TS), "id": pa.array(ids, pa.string()),
        "level": _mapped(texts.get("level", empty), _level), "pattern": _mapped(said, normalise), "route": _text(routes),
        "fields": pa.array(_fields(shape.rest, found, count), pa.string()), "file": pa.repeat(pa.scalar(file), count),
    }  # fmt: skip
    if shape.status:
        columns["status"] = pa.array(found[shape.status], pa.int16())
    if shape.size:
        columns["response_bytes"] = pa.array(found[shape.size], pa.int64())
    arrays = [columns[name] if name in columns else pa.repeat(_EMPTY[name], count) for name in BATCH.names]
    return pa.Table.from_arrays(arrays, schema=BATCH)


def _floats(values: Sequence[float]) -> npt.NDArray[np.float64]:
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:  # a whole number that no float reaches
        return np.array([value if abs(value) < _INT64 else np.inf for value in values], dtype=np.float64)


def _without_none(values: Sequence[str | None]) -> Sequence[str]:
    return [value or "" for value in values]


def _text(values: Sequence[str]) -> pa.Array[Any]:
    if len(distinct := set(values)) == 1:
        return pa.repeat(pa.scalar(distinct.pop()), len(values))
    return pa.array(values, pa.string())


def _mapped(values: Sequence[str], change: Callable[[str], str]) -> pa.Array[Any]:
    changed = {value: change(value) for value in set(values)}
    return _text([changed[value] for value in values])


def _level(level: str) -> str:
    upper = level.upper()
    return _LEVELS.get(upper, upper)


def _fields(names: Sequence[str], found: Mapping[str, Sequence[Any]], count: int) -> list[bytes]:
    if not names:
        return [b"{}"] * count
    rows = zip(*(found[name] for name in names), strict=True)
    return [orjson.dumps(dict(zip(names, row, strict=True))) for row in rows]
