"""Numbers, ages and foreign text as people read them, the same on every page."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import pandas as pd

from lib.window import Window
from lib.words import NONE, age, duration_ms, duration_s, number, ratio, size, span

__all__ = [
    "NONE", "age", "cell", "csv_bytes", "csv_name", "duration_ms", "duration_s", "esc_md", "number", "ratio", "rows", "size", "span",
    "visible",
]  # fmt: skip

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&@/\"'^=])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LINKED = re.compile(r"(?i)(https?|ftp|mailto|xmpp|www|@)(?=[:.\w-])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\x00")


def visible(text: object) -> str:
    """Foreign text for code, plain text or a cell: controls and direction changes stand as ``U+202E``, lines stay."""
    return _CONTROL.sub(lambda found: f"U+{ord(found[0]):04X}", str(text))


def esc_md(text: object) -> str:
    """Foreign text for a label or markdown: nothing in it is a link, an image, an icon or a direction change."""
    return _MARKDOWN.sub(r"\\\1", unlinked(visible(text).replace("\n", " ")))


def unlinked(text: str) -> str:
    """With an unseen joint in every address: markdown makes it a link even where it is escaped."""
    return _LINKED.sub("\\1\u2060", text)


def cell(value: object) -> object:
    """A value as it may stand in a CSV file: text that a spreadsheet would run is made plain; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def rows(count: int) -> str:
    """How many rows a table or a file has: "1 row", "36 312 rows"."""
    return f"{number(count)} {'row' if count == 1 else 'rows'}"


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """The rows as CSV (RFC 4180, UTF-8 with a mark for spreadsheets), formulas made harmless (OWASP ASVS 1.2.10)."""
    safe = pd.DataFrame({cell(str(name)): [cell(v) for v in frame[name]] for name in frame.columns})
    return safe.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")


def csv_name(topic: str, window: Window) -> str:
    """A file name that says what, which range and in which zone: "errors_20260329-0900_20260329-1500_Europe-London.csv"."""
    start, end = (
        moment.astimezone(ZoneInfo(window.zone)).strftime("%Y%m%d-%H%M") for moment in (window.start, window.end)
    )
    return f"{re.sub(r'[^a-z0-9]+', '-', topic.lower()).strip('-')}_{start}_{end}_{window.zone.replace('/', '-')}.csv"
