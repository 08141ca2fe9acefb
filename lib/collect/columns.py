"""Records of one shape into columns: the quick way for the many that are plain. What is unusual is left to `parse`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lib.collect.cells import Texts, clean_json, clean_texts
from lib.logs.ingest import BATCH
from lib.logs.patterns import normalise, route_of
from lib.redact import NAMERS, is_secret_name, name_of

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
_FEWEST = 64
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
    if any(name_of(name)[0] != name for name in names) or ("value" in names and not NAMERS.isdisjoint(names)):
        return None
    texts = tuple(name for name in TEXTS if name in names)
    numbers = tuple(name for name in _NUMBERS if name in names)
    status = next((name for name in _STATUS if name in names), "")
    size = _SIZE if _SIZE in names else ""
    taken = {"timestamp", status, size, *texts, *numbers}
    return Shape(names, texts, numbers, status, size, tuple(name for name in names if name not in taken))


class _OddRows(Exception):  # noqa: N818 - which they are, so read where it is caught
    """Rows with a value of an unusual kind or out of range."""

    def __init__(self, odd: set[int]) -> None:
        super().__init__(odd)
        self.odd = odd


class Groups:
    """The records of a batch by file and shape. `odd`: the places of those that need a closer look each, `redacted` how
    many credentials were taken out of the others."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._groups: dict[tuple[str, ...], dict[int, Record]] = {}
        self.odd: dict[int, Record | None] = {}
        self.redacted = 0

    def add(self, place: int, file: str, record: Record) -> None:
        """One record and its place in the batch."""
        self._groups.setdefault((file, *record), {})[place] = record

    def tables(self, ids: Sequence[str]) -> tuple[list[pa.Table], list[int]]:
        """The plain records without credentials, as tables of schema BATCH, and their places in that order; the others are
        in `odd` then. `ids` are the records' by their places."""
        tables, order = list[pa.Table](), list[int]()
        for (file, *names), rows in self._groups.items():
            shape = shape_of(tuple(names)) if len(rows) >= _FEWEST else None
            while shape is not None and rows:
                try:
                    table, redacted = _table(
                        shape, tuple(rows.values()), self._span, [ids[place] for place in rows], file
                    )
                except _OddRows as found:
                    for place in [place for at, place in enumerate(rows) if at in found.odd]:
                        self.odd[place] = rows.pop(place)
                except (TypeError, ValueError, OverflowError):  # a value that cannot be written like this
                    break
                else:
                    tables.append(table)
                    order += rows
                    self.redacted += redacted
                    rows.clear()
            self.odd |= rows
        return tables, order


def _table(shape: Shape, records: Sequence[Record], span: Span, ids: Sequence[str], file: str) -> tuple[pa.Table, int]:
    """These records with schema BATCH, and how many credentials were taken out. Raises _OddRows; all others are plain."""
    found = dict(zip(shape.names, zip(*(record.values() for record in records), strict=True), strict=True))
    _leave_out(_of_other_kinds(shape, found))
    numbers = {name: _floats(found[name]) for name in shape.numbers}
    ts = _times(found["timestamp"], span)
    _leave_out(_out_of_range(shape, found, numbers) | set(np.flatnonzero(ts.is_null()).tolist()))

    cleaned = {name: clean_texts(found[name]) for name in shape.texts}
    written = [clean_json(found[name], secret=is_secret_name(name)) for name in shape.rest]
    texts = {TEXTS[name]: column for name, (column, _) in cleaned.items()}
    columns = {name: column.plain() for name, column in texts.items() if name != "level"}
    columns |= {_NUMBERS[name]: pa.array(values) for name, values in numbers.items()}
    columns |= {"ts": ts, "id": pa.array(ids, pa.string()), "file": pa.repeat(pa.scalar(file), len(ids))}
    columns["fields"] = _objects(shape.rest, [column for column, _ in written], len(ids))
    columns |= _derived(texts, columns)
    if shape.status:
        columns["status"] = pa.array(found[shape.status], pa.int16())
    if shape.size:
        columns["response_bytes"] = pa.array(found[shape.size], pa.int64())
    arrays = [columns[name] if name in columns else pa.repeat(_EMPTY[name], len(ids)) for name in BATCH.names]
    return pa.Table.from_arrays(arrays, schema=BATCH), sum(count for _, count in (*cleaned.values(), *written))


def _leave_out(odd: set[int]) -> None:
    if odd:
        raise _OddRows(odd)


def _of_other_kinds(shape: Shape, found: Mapping[str, Sequence[Any]]) -> set[int]:
    odd: set[int] = set()
    for name, kinds in shape.kinds():
        if not kinds.issuperset(map(type, found[name])):
            odd.update(at for at, value in enumerate(found[name]) if type(value) not in kinds)
    return odd


def _out_of_range(
    shape: Shape, found: Mapping[str, Sequence[Any]], numbers: Mapping[str, npt.NDArray[np.float64]]
) -> set[int]:
    odd = {int(at) for values in numbers.values() for at in np.flatnonzero(~np.isfinite(values))}
    for name, low, high in ((shape.status, 0, _INT16), (shape.size, -_INT64 + 1, _INT64)):
        if name and not low <= min(found[name]) <= max(found[name]) < high:
            odd.update(at for at, value in enumerate(found[name]) if not low <= value < high)
    return odd


def _times(values: Sequence[str], span: Span) -> pa.Array[Any]:
    """The time stamps; null where one has not Winston's form or lies outside the span."""
    stamps = pa.array(values, pa.string())
    good = pc.match_substring_regex(stamps, _STAMP)
    try:
        ts: pa.Array[Any] = pc.if_else(good, stamps, pa.scalar(None, pa.string())).cast(_TS)
    except pa.ArrowInvalid:  # a day that is in no calendar: each is looked at by itself
        ts = pa.nulls(len(values), _TS)
    millis = ts.cast(pa.int64()).fill_null(-1).to_numpy()
    found: pa.Array[Any] = pc.if_else(
        pa.array((millis >= span.earliest_ms) & (millis <= span.latest_ms)), ts, pa.scalar(None, _TS)
    )
    return found


def _derived(texts: Mapping[str, Texts], columns: Mapping[str, pa.Array[Any]]) -> dict[str, pa.Array[Any]]:
    """The columns that are made of others: one spelling of the level, the route of an address, the pattern of what is said."""
    made = {}
    if "level" in texts:
        made["level"] = texts["level"].changed(_level).plain()
    if "url" in texts:
        routes = texts["url"].changed(route_of).plain()
        made["route"] = _first(columns["route"], routes) if "route" in texts else routes
    said = texts.get("error") or texts.get("message")
    if "error" in texts and "message" in texts:
        said = Texts.of(_first(columns["error"], columns["message"]))
    if said is not None:
        made["pattern"] = said.changed(normalise).plain()
    return made


def _first(one: pa.Array[Any], other: pa.Array[Any]) -> pa.Array[Any]:
    """`one` where it says something, else `other`."""
    found: pa.Array[Any] = pc.if_else(pc.equal(one, _EMPTY["message"]), other, one)
    return found


def _floats(values: Sequence[float]) -> npt.NDArray[np.float64]:
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:  # a whole number that no float reaches
        return np.array([value if abs(value) < _INT64 else np.inf for value in values], dtype=np.float64)


def _level(level: str) -> str:
    upper = level.upper()
    return _LEVELS.get(upper, upper)


def _objects(names: Sequence[str], columns: Sequence[pa.Array[Any]], count: int) -> pa.Array[Any]:
    """A JSON object per row, of values that are written already."""
    parts: list[Any] = [pa.repeat(pa.scalar("{"), count)]
    for name, column in zip(names, columns, strict=True):
        parts += ["," if len(parts) > 1 else "", f"{orjson.dumps(name).decode()}:", column]
    found: pa.Array[Any] = pc.binary_join_element_wise(*parts, "}", "")
    return found
