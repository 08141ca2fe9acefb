"""A hand-over as Markdown that says what the page says; nothing in a foreign text is a link or an image."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from lib.handover.story import KINDS, Story

_SIGNS = re.compile(r"([\\`*_{}\[\]()<>#|~!$])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LINKED = re.compile(r"(?i)(https?|ftp|mailto|xmpp|www)(?=[:.])")


def markdown(told: Story, zone: str) -> str:
    """The whole hand-over, times on the clock of `zone`."""
    window = told.window
    lines = ["# Shift hand-over", "", f"From {_at(window.start, zone)} to {_at(window.end, zone)} ({plain(zone)})", ""]
    if told.silent:
        lines += ["**Not all is here:**", "", *(f"- {plain(words)}" for words in told.silent), ""]
    for kind, title in KINDS.items():
        part = told.events[told.events["kind"] == kind]
        lines += [
            f"## {title}",
            "",
            *(_line(row, zone) for row in part.itertuples()),
            *_remark(kind in told.unknown, len(part)),
            "",
        ]
    return "\n".join(lines)


def _remark(is_unknown: bool, count: int) -> list[str]:
    """What is not known is not none."""
    return ["Not known, or not all: see above."] if is_unknown else [] if count else ["None."]


def _line(row: object, zone: str) -> str:
    at, what, who = (getattr(row, name) for name in ("at", "what", "who"))
    by = f" ({plain(who)})" if who else ""
    return f"- {_at(at, zone)} {plain(what)}{by}"


def plain(words: object) -> str:
    """Foreign text that is only text in Markdown, on one line."""
    shown = _CONTROL.sub(lambda found: f"U+{ord(found[0]):04X}", str(words).replace("\n", " / "))
    return _SIGNS.sub(r"\\\1", _LINKED.sub("\\1\u2060", shown))


def _at(moment: datetime | pd.Timestamp, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
