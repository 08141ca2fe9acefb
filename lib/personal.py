"""Hides who a record is about: addresses of people, of their machines, and their companies' names."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pandas as pd

HIDDEN = "***"
_EMAIL = re.compile(r"([\w.+-])[\w.+-]{0,63}(@|%40)([\w-]{1,63}(?:\.[\w-]{1,63}){1,5})")
_NAMES = re.compile(
    r"(?:^|[._])(?:e?mail|company(?:name)?|ip(?:address)?|(?:client|remote)(?:ip|address)|phone)$", re.IGNORECASE
)
_TEXTS = ("message", "error", "stack", "url")


def is_personal(field: str) -> bool:
    """Whether what stands under this name is about a person or a company."""
    return _NAMES.search(field) is not None


def hide_text(text: str) -> str:
    """Addresses in running text: ``j***@example.com``. Linear in the text."""
    return _EMAIL.sub(rf"\1{HIDDEN}\2\3", text) if "@" in text or "%40" in text else text


def hide_value(field: str, value: str) -> str:
    """A field's value as it may be shown: what is personal keeps its first sign, an IPv4 address its first half."""
    hidden = hide_text(value)
    if hidden != value or not is_personal(field) or not value:
        return hidden
    parts = value.split(".")
    if len(parts) == 4 and all(part.isdigit() for part in parts):
        return f"{parts[0]}.{parts[1]}.{HIDDEN}"
    return f"{value[0]}{HIDDEN}"


def hide(value: Any, field: str = "") -> Any:
    """The same for a JSON value at any depth."""
    if isinstance(value, dict):
        return {name: hide(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [hide(inner, field) for inner in value]
    return hide_value(field, value) if isinstance(value, str) else value


def hide_records(found: pd.DataFrame) -> pd.DataFrame:
    """Records as `LogStore.search` gives them, with their texts and `fields` made fit to be shown."""
    changed = {name: [hide_text(text) for text in found[name]] for name in _TEXTS if name in found}
    if "fields" in found:
        changed["fields"] = [hide_fields(text) for text in found["fields"]]
    return found.assign(**{name: pd.Series(values, index=found.index, dtype="str") for name, values in changed.items()})


def hide_fields(text: str) -> str:
    """The JSON text of a record's other fields."""
    try:
        return orjson.dumps(hide(orjson.loads(text))).decode() if len(text) > 2 else text
    except (orjson.JSONDecodeError, TypeError):
        return hide_text(text)
