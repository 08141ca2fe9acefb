"""Takes credentials out of anything that is about to be written down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any

REDACTED = "[REDACTED]"
MAX_DEPTH = 24
"""Deeper values are replaced by a note: no real record is this deep, and orjson ends at 254."""

_KEY = re.compile(r"pass|token|secret|authorization|cookie|(?:api|access|private)[-_]?key|^key$", re.IGNORECASE)

# Each scan is linear in the text: no repeated part can start again inside itself. Its hint, sought first in the lower
# case text, is what any match of it holds: most texts hold none, and a record costs a few microseconds.
_IN_TEXT = (
    ("eyj", re.compile(r"eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), REDACTED),
    ("://", re.compile(r"(://)[^\s/@:]*:[^\s/@]*@"), rf"\1{REDACTED}@"),
    ("basic", re.compile(r"\b(basic\s+)(?=[\w+/]*[=\d])[\w+/]{4,}={0,2}", re.IGNORECASE), rf"\1{REDACTED}"),
    ("bearer", re.compile(r"\b(bearer\s+)(?!token\b)[\w.~+/=-]+", re.IGNORECASE), rf"\1{REDACTED}"),
    *(
        (
            hint,
            re.compile(
                rf"((?:pass|token|secret|authorization|cookie|(?:api|access|private)[-_]?key)[\w-]{{0,32}}{sign}[\"']?)"
                r"(?!\[REDACTED\])[^\s&\"',;<>{}()]+",
                re.IGNORECASE,
            ),
            rf"\1{REDACTED}",
        )
        for hint, sign in (("=", "="), ('"', r"\"\s{0,3}[:=]\s{0,3}"), ("'", r"'\s{0,3}[:=]\s{0,3}"))
    ),
)


def redact(value: Any) -> Any:
    """A copy of `value` of plain JSON types without credentials, at any depth.

    What stands under a name like password, token, secret, authorization, cookie or API key becomes "[REDACTED]" (null
    stays null); texts lose JWTs, bearer tokens, `user:pw@` of URLs and `name=value` of such names. Never raises.
    """
    return _walk(value, ())


def redact_text(text: str) -> str:
    """The text without JWTs, bearer or basic credentials, `user:pw@` and `token=…`."""
    lowered = text.lower()
    for hint, pattern, replacement in _IN_TEXT:
        if hint in lowered:
            text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is a credential."""
    return _KEY.search(name) is not None


def _walk(value: Any, above: tuple[int, ...]) -> Any:
    kind = type(value)
    if kind is str:
        return redact_text(value)
    if kind is int or kind is float or kind is bool or value is None:
        return value
    if not isinstance(value, Mapping | list | tuple | set | frozenset):
        return _plain(value)
    if id(value) in above:
        return "[CIRCULAR]"
    if len(above) >= MAX_DEPTH:
        return "[TOO DEEP]"
    return _inside(value, (*above, id(value)))


def _inside(value: Any, above: tuple[int, ...]) -> Any:
    if not isinstance(value, Mapping):
        return [_walk(item, above) for item in value]
    named = {}
    for key, item in value.items():
        name = key if type(key) is str else str(_plain(key))
        named[name] = REDACTED if item is not None and is_secret_name(name) else _walk(item, above)
    return named


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    try:
        return redact_text(str(value))
    except Exception:  # noqa: BLE001 - a broken __str__ must cost its own text, not the record around it
        return f"<{type(value).__name__}>"
