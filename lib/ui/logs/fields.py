"""A record's other fields under dotted names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson


def inside(fields: str) -> dict[str, str]:
    """The other fields of a record by their dotted names, values as text."""
    try:
        decoded = orjson.loads(fields)
    except orjson.JSONDecodeError:
        return {}
    return flat(decoded) if isinstance(decoded, dict) else {}


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested objects as one level of dotted names; a list is its JSON."""
    found: dict[str, str] = {}
    for name, inner in value.items():
        if isinstance(inner, dict) and inner and prefix.count(".") < 5:
            found |= flat(inner, f"{prefix}{name}.")
        elif inner is not None:
            found[f"{prefix}{name}"] = inner if isinstance(inner, str) else orjson.dumps(inner).decode()
    return found


def names_inside(fields: Iterable[str]) -> list[str]:
    """Every name that some of the records have among their other fields, sorted, at most 200."""
    return sorted({name for one in fields for name in inside(one)})[:200]
