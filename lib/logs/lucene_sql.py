"""A query's tree as a condition on the records table: every value, and every path into the JSON, is a bound parameter."""

from __future__ import annotations

import re
from datetime import datetime

from lib.logs.conditions import Sql, holds, joined, naive
from lib.logs.lucene import (
    BARE,
    KINDS,
    And,
    Exists,
    Kind,
    Leaf,
    Node,
    Not,
    Or,
    Phrase,
    Range,
    Term,
    Wildcard,
    is_number,
    kind_of,
)
from lib.logs.lucene_parse import parse

_IS_NUMBER = r"-?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,2})?"


def lucene(text: str) -> Sql:
    """The records that a query text selects. Raises QueryError with the position of what is wrong."""
    return condition(parse(text))


def condition(node: Node) -> Sql:
    """True or false for every record, never NULL."""
    if isinstance(node, And | Or):
        word, nothing = ("AND", "TRUE") if isinstance(node, And) else ("OR", "FALSE")
        return Sql("(") + joined(word, (Sql(nothing), *map(condition, node.parts))) + ")"
    if isinstance(node, Not):
        return Sql("(NOT") + condition(node.part) + ")"
    if node.field:
        return _leaf(node, node.field)
    return Sql("(") + joined("OR", (_leaf(node, field) for field in BARE)) + ")"


def value(field: str) -> Sql:
    """A field's value as text, NULL where the record lacks it: a column, or what the JSON has under the name."""
    if field in KINDS:
        return Sql(f"CAST({_column(field)} AS VARCHAR)")
    whole, nested = (_pointer([field]), _pointer(field.split(".")))
    return Sql("coalesce(json_extract_string(fields, ?), json_extract_string(fields, ?))", (whole, nested))


def _is_numeric(field: str) -> Sql:
    """Whether what the JSON has under the name is a number, not a text that looks like one."""
    whole, nested = (_pointer([field]), _pointer(field.split(".")))
    return Sql(
        "(coalesce(nullif(json_type(fields, ?), 'NULL'), json_type(fields, ?), '') "
        "IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE'))",
        (whole, nested),
    )


def _column(field: str) -> str:
    return field  # only asked for names in KINDS: nobody's words


def _pointer(keys: list[str]) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def _leaf(node: Leaf, field: str) -> Sql:
    kind = kind_of(field)
    if isinstance(node, Exists):
        return Sql("coalesce(") + value(field) + "<> '', FALSE)"
    if isinstance(node, Range):
        return _range(node, field, kind)
    if isinstance(node, Wildcard):
        return _like(node.pattern, field, kind)
    return _equal(node, field, kind)


def _equal(node: Term | Phrase, field: str, kind: Kind) -> Sql:
    if kind is Kind.TEXT:
        return holds(_column(field), node.value)
    if kind is Kind.NUMBER:
        return Sql(f"coalesce({_column(field)} = CAST(? AS DOUBLE), FALSE)", (node.value,))
    if kind is Kind.EXACT:
        return Sql(f"({_column(field)} = ?)", (node.value,))
    same = Sql("coalesce(") + value(field) + Sql("= ?, FALSE)", (node.value,))
    if not is_number(node.value):
        return same
    number = Sql("coalesce(") + _as_number(field) + Sql("= CAST(? AS DOUBLE), FALSE)", (node.value,))
    # a text is compared as a text, however much it looks like a number; a number has no other spelling to be
    return Sql("(") + same + "OR (" + _is_numeric(field) + "AND " + number + "))"


def _as_number(field: str) -> Sql:
    """What the JSON has under the name, where it is a number or looks like one."""
    return (
        Sql("CASE WHEN regexp_full_match(") + value(field) + Sql(", ?)", (_IS_NUMBER,))
        + "THEN TRY_CAST(" + value(field) + "AS DOUBLE) END"
    )  # fmt: skip


def _like(pattern: str, field: str, kind: Kind) -> Sql:
    shape = re.sub(r"\\?.", _like_part, pattern, flags=re.DOTALL)
    if kind is Kind.TEXT:
        return Sql(f"(lower({_column(field)}) LIKE lower(?) ESCAPE '~')", (f"%{shape}%",))
    return Sql("coalesce(") + value(field) + Sql("LIKE ? ESCAPE '~', FALSE)", (shape,))


def _like_part(found: re.Match[str]) -> str:
    if found[0] in ("*", "?"):
        return {"*": "%", "?": "_"}[found[0]]
    literal = found[0][-1]
    return f"~{literal}" if literal in "%_~" else literal


def _range(node: Range, field: str, kind: Kind) -> Sql:
    ends = [(node.low, ">=" if node.with_low else ">"), (node.high, "<=" if node.with_high else "<")]
    given = [(end, sign) for end, sign in ends if end is not None]
    if kind is Kind.EXACT and node.low is None:
        given.append(("", ">"))  # a record without the field is not below its values
    return Sql("coalesce(") + joined("AND", (_end(field, kind, end, sign, given) for end, sign in given)) + ", FALSE)"


def _end(field: str, kind: Kind, end: str, sign: str, given: list[tuple[str, str]]) -> Sql:
    if kind is Kind.TIME:
        return Sql(f"{_column(field)} {sign} ?", (naive(datetime.fromisoformat(end)),))
    if kind is Kind.NUMBER:
        return Sql(f"{_column(field)} {sign} CAST(? AS DOUBLE)", (end,))
    if kind is Kind.JSON and all(is_number(other) for other, _ in given):
        return _as_number(field) + Sql(f"{sign} CAST(? AS DOUBLE)", (end,))
    if kind is Kind.JSON:  # a number is neither above nor below a word
        return Sql("(NOT ") + _is_numeric(field) + "AND " + value(field) + Sql(f"{sign} ?)", (end,))
    return value(field) + Sql(f"{sign} ?", (end,))
