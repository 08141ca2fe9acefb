"""Records of one shape into columns: the quick way for the many that are plain. What is unusual is left to `parse`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    "message": "message", "service": "service", "version": "version", "event": "event", "requestId": "request_id",
    "leadId": "lead_id", "source": "source", "operation": "operation", "method": "method", "route": "route", "url": "url",
    "error": "error", "stack": "stack",
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
_INT16, _INT64 = 1 << 15, 1 << 63
_LEVELS = {"WARNING": "WARN"}
_EMPTY = {
    field.name: pa.scalar("" if field.type == pa.string() else False if field.type == pa.bool_() else None, field.type)
    for field in BATCH
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What records with the same names in the same order have in common; `status` is the name that theirs goes by."""

    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    status: str
    size: bool
    rest: tuple[str, ...]
    kinds: tuple[tuple[str, frozenset[Any]], ...]


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
    size = _SIZE in names
    whole = (*((status,) if status else ()), *((_SIZE,) if size else ()))
    taken = {"timestamp", "level", *texts, *numbers, *whole}
    kinds = (
        ("timestamp", _STRING),
        *((name, _TEXT) for name in (*(("level",) if "level" in names else ()), *texts)),
        *((name, _NUMBER) for name in numbers),
        *((name, _WHOLE) for name in whole),
    )
    return Shape(texts, numbers, status, size, tuple(name for name in names if name not in taken), kinds)


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
            shape, plain = shape_of(names), list[int]()
            if shape is not None and len(records) >= _FEWEST:
                rows, ts = plain_rows(shape, records, self._span)
                chosen = [records[at] for at in rows] if len(rows) < len(records) else records
                try:
                    tables.append(_table(shape, chosen, ts, [id_of(places[at]) for at in rows], file))
                    plain = rows
                except (TypeError, ValueError, OverflowError):  # a value that cannot be written like this
                    pass
            order += [places[at] for at in plain]
            self._look_closer(places, records, set(plain))
        return tables, order

    def _look_closer(self, places: list[int], records: list[Record], plain: set[int]) -> None:
        if len(plain) < len(places):
            self.odd |= {places[at]: record for at, record in enumerate(records) if at not in plain}


def plain_rows(shape: Shape, records: Sequence[Record], span: Span) -> tuple[list[int], pa.Array[Any]]:
    """The places of the records whose values are all of the usual kind, and these records' times."""
    odd: set[int] = set()
    for name, kinds in shape.kinds:
        values = [record[name] for record in records]
        if not kinds.issuperset(map(type, values)):
            odd.update(at for at, value in enumerate(values) if type(value) not in kinds)
    for name in shape.numbers:
        odd.update(np.flatnonzero(~np.isfinite(_floats(_usual(records, odd, name)))).tolist())
    for name, low, high in ((shape.status, 0, _INT16), (_SIZE if shape.size else "", -_INT64 + 1, _INT64)):
        values = _usual(records, odd, name) if name else []
        if values and not low <= min(values) <= max(values) < high:
            odd.update(at for at, value in enumerate(values) if not low <= value < high)
    return _timed([at for at in range(len(records)) if at not in odd], records, span)


def _usual(records: Sequence[Record], odd: set[int], name: str) -> list[Any]:
    """The values of a number, 0 for the odd ones."""
    if not odd:
        return [record[name] for record in records]
    return [0 if at in odd else record[name] for at, record in enumerate(records)]


def _table(shape: Shape, records: Sequence[Record], ts: pa.Array[Any], ids: Sequence[str], file: str) -> pa.Table:
    """These records, all of them plain, with schema BATCH."""
    found: dict[str, pa.Array[Any]] = {"ts": ts, "id": pa.array(ids, pa.string())}
    texts = {name: [record[name] or "" for record in records] for name in shape.texts}
    if records and "level" in records[0]:
        found["level"] = pa.array([_level(record["level"]) for record in records], pa.string())
    found |= {TEXTS[name]: pa.array(values, pa.string()) for name, values in texts.items() if name != "route"}
    found |= {_NUMBERS[name]: pa.array(_floats([record[name] for record in records])) for name in shape.numbers}
    if shape.status:
        found["status"] = pa.array([record[shape.status] for record in records], pa.int16())
    if shape.size:
        found["response_bytes"] = pa.array([record[_SIZE] for record in records], pa.int64())
    count = len(records)
    errors, messages = texts.get("error", [""] * count), texts.get("message", [""] * count)
    found["pattern"] = pa.array(
        [normalise(error or message) for error, message in zip(errors, messages, strict=True)], pa.string()
    )
    routes, urls = texts.get("route", [""] * count), texts.get("url", [""] * count)
    found["route"] = pa.array([route or route_of(url) for route, url in zip(routes, urls, strict=True)], pa.string())
    found["fields"] = pa.array(_fields(shape.rest, records), pa.string())
    found["file"] = pa.repeat(pa.scalar(file), count)
    given = (found.get(name, None) for name in BATCH.names)
    return pa.Table.from_arrays(
        [
            pa.repeat(_EMPTY[name], count) if column is None else column
            for name, column in zip(BATCH.names, given, strict=True)
        ],
        schema=BATCH,
    )


def _timed(rows: list[int], records: Sequence[Record], span: Span) -> tuple[list[int], pa.Array[Any]]:
    """Those of the rows whose time stamp has Winston's form and lies in the span."""
    kind = BATCH.field("ts").type
    stamps = pa.array([records[at]["timestamp"] for at in rows], pa.string())
    try:
        good = pc.match_substring_regex(stamps, _STAMP)
        ts = pc.if_else(good, stamps, pa.scalar(None, pa.string())).cast(kind)
    except pa.ArrowInvalid:  # a day that is in no calendar: each is looked at by itself
        return [], pa.array([], kind)
    millis = ts.cast(pa.int64()).fill_null(-1).to_numpy()
    inside = (millis >= span.earliest_ms) & (millis <= span.latest_ms)
    if inside.all():
        return rows, ts
    return np.array(rows)[inside].tolist(), ts.filter(pa.array(inside))


def _floats(values: Sequence[float]) -> npt.NDArray[np.float64]:
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:  # a whole number that no float reaches
        return np.array([value if abs(value) < _INT64 else np.inf for value in values], dtype=np.float64)


@lru_cache(maxsize=1024)
def _level(level: str | None) -> str:
    upper = (level or "").upper()
    return _LEVELS.get(upper, upper)


def _fields(
    names: Sequence[str], records: Sequence[Record], dumps: Callable[[Any], bytes] = orjson.dumps
) -> list[bytes]:
    if not names:
        return [b"{}"] * len(records)
    return [dumps({name: record[name] for name in names}) for record in records]
