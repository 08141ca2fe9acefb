"""Random queries and records, and a plain reading of the tree that says which records a query means."""

from __future__ import annotations

import fnmatch
import json
import re
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from lib.logs.lucene import BARE, And, Exists, Kind, Node, Not, Or, Phrase, Range, Term, Wildcard, is_number, kind_of
from tests.logs.batches import NOON

WORDS = [
    "a",
    "A",
    "ab",
    "halo push",
    "x_y",
    "50%",
    "~",
    "\\",
    '"',
    "é",
    "5",
    "5.0",
    "-7",
    "1e2",
    "500",
    "*",
    "?",
    "a*b",
    "ERROR",
    "true",
]
FIELDS = [
    "",
    "message",
    "error",
    "url",
    "level",
    "service",
    "request_id",
    "status",
    "duration_ms",
    "n",
    "context.n",
    "odd/~key",
    "flag",
]
TIMES = ["2026-03-10T11:59", "2026-03-10T12:00:00+00:00", "2026-03-10T14:00:00+02:00"]

words = st.sampled_from(WORDS)
JSON_VALUES = st.one_of(words, st.integers(-10, 10), st.sampled_from([5.0, 100.0, 0.5, True, False, None]))
records = st.fixed_dictionaries(
    {
        "ts": st.sampled_from([NOON, NOON.replace(minute=1), NOON.replace(hour=11)]),
        "level": st.sampled_from(["", "ERROR", "WARN", "INFO"]),
        "message": st.lists(words, max_size=3).map(" ".join),
        "error": st.one_of(st.just(""), words),
        "url": st.one_of(st.just(""), words),
        "service": st.one_of(st.just(""), words),
        "request_id": st.one_of(st.just(""), words),
        "status": st.sampled_from([None, 5, 200, 500]),
        "duration_ms": st.sampled_from([None, 0.0, 5.0, 100.5]),
        "fields": st.dictionaries(
            st.sampled_from(["n", "context.n", "context", "odd/~key", "flag"]),
            st.one_of(JSON_VALUES, st.dictionaries(st.just("n"), JSON_VALUES, max_size=1)),
        ).map(json.dumps),
    }
)


def escaped(word: str) -> str:
    """The word with every sign that means something in a query made plain."""
    return re.sub(r"([\s:^~(){}\[\]/\"'+\-\\<>*?!&|])", r"\\\1", word)


@st.composite
def leaves(draw: st.DrawFn) -> str:  # noqa: PLR0911 - one line per shape
    """The text of one condition; a few of them cannot be asked, and are refused by name."""
    field, word = draw(st.sampled_from(FIELDS)), draw(words)
    shape = draw(st.sampled_from(["term", "phrase", "wildcard", "range", "above", "exists", "time", "class"]))
    name = escaped(field) + ":" if field else ""
    if shape == "phrase":
        return name + '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if shape == "wildcard":
        return f"{name}{escaped(word)}{draw(st.sampled_from('*?'))}{escaped(draw(words))}"
    if shape == "range":
        opening, closing = draw(st.sampled_from("[{")), draw(st.sampled_from("]}"))
        low, high = draw(st.one_of(st.just("*"), words.map(escaped))), draw(st.one_of(st.just("*"), words.map(escaped)))
        return f"{name}{opening}{low} TO {high}{closing}"
    if shape == "above":
        return f"{name}{draw(st.sampled_from(['>', '>=', '<', '<=']))}{escaped(word)}"
    if shape == "exists":
        return f"_exists_:{escaped(field or 'n')}"
    if shape == "time":
        return f'ts:["{draw(st.sampled_from(TIMES))}" TO *]'
    return "status:5xx" if shape == "class" else name + escaped(word)


queries = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda p: f"({' OR '.join(p)})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda p: f"({' '.join(p)})"),
        inner.map(lambda p: f"NOT {p}"),
        inner.map(lambda p: f"+{p}"),
    ),
    max_leaves=5,
)


def holds(node: Node, record: dict[str, Any]) -> bool:
    """Whether a record is one that the tree means."""
    if isinstance(node, And):
        return all(holds(part, record) for part in node.parts)
    if isinstance(node, Or):
        return any(holds(part, record) for part in node.parts)
    if isinstance(node, Not):
        return not holds(node.part, record)
    return any(_leaf(node, field, _value(record, field)) for field in ((node.field,) if node.field else BARE))


def _value(record: dict[str, Any], field: str) -> Any:
    if kind_of(field) is not Kind.JSON:
        return record.get(field, "")
    fields = json.loads(record["fields"])
    if fields.get(field) is not None:
        return _as_text(fields[field])
    held: Any = fields
    for key in field.split("."):
        held = held.get(key) if isinstance(held, dict) else None
    return None if held is None else _as_text(held)


class _Number(str):
    """The text of what is a number in the JSON."""


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return _Number(text) if type(value) in (int, float) else text


def _leaf(node: Term | Phrase | Wildcard | Range | Exists, field: str, value: Any) -> bool:  # noqa: PLR0911 - as above
    kind = kind_of(field)
    if value is None:
        return False
    if isinstance(node, Exists):
        return value != ""
    if isinstance(node, Range):
        return _between(node, kind, value)
    if isinstance(node, Wildcard):
        return _like(node.pattern, value, part=kind is Kind.TEXT)
    if kind is Kind.TEXT:
        return node.value.lower() in value.lower()
    if kind is Kind.NUMBER:
        return bool(value == float(node.value))
    same = value == node.value
    if kind is Kind.JSON and is_number(node.value) and isinstance(value, _Number):
        return same or float(value) == float(node.value)
    return bool(same)


def _like(pattern: str, value: str, *, part: bool) -> bool:
    """By fnmatch, whose signs in brackets mean themselves."""
    shape = "".join(_shape(sign) for sign in re.findall(r"\\?.", pattern, re.DOTALL))
    found = re.compile(fnmatch.translate(f"*{shape}*".lower() if part else shape))
    return found.match(value.lower() if part else value) is not None


def _shape(sign: str) -> str:
    if sign in ("*", "?"):
        return sign
    return f"[{sign[-1]}]" if sign[-1] in "*?[" else sign[-1]


def _between(node: Range, kind: Kind, value: Any) -> bool:
    read: Any = str
    if kind is Kind.TIME:
        read = lambda end: datetime.fromisoformat(end).astimezone(UTC)  # noqa: E731
    elif kind is Kind.NUMBER:
        read = float
    elif kind is Kind.JSON and all(is_number(end) for end in (node.low, node.high) if end is not None):
        if not is_number(value):
            return False
        read, value = float, float(value)
    elif isinstance(value, _Number):
        return False  # a number is neither above nor below a word
    if kind is Kind.EXACT and value == "":
        return False
    low = node.low is None or (value >= read(node.low) if node.with_low else value > read(node.low))
    high = node.high is None or (value <= read(node.high) if node.with_high else value < read(node.high))
    return low and high
