"""One mapping from a status to its colour, shape and word, for badges, tables and charts.

Colours are Wong's colour-blind-safe set (Nature Methods 8, 441, 2011); the light theme has darker variants of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

BadgeColour = Literal["red", "orange", "blue", "green", "gray", "violet"]


class Status(StrEnum):
    """Everything a thing on a page can be. "No data" is its own status: never green, never zero."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    OK = "ok"
    NO_DATA = "no data"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class Look:
    """`light` and `dark` are fills (3:1 on the page), `*_text` is for words (4.5:1); `badge` is the theme's name for it.

    `glyph` stands in text, `symbol` is Plotly's marker.
    """

    word: str
    glyph: str
    symbol: str
    badge: BadgeColour
    light: str
    dark: str
    light_text: str
    dark_text: str

    @property
    def label(self) -> str:
        """Shape and word, for a table cell or a badge."""
        return f"{self.glyph} {self.word}"


LOOKS = {
    Status.CRITICAL: Look("Critical", "▲", "triangle-up", "red", "#c04a00", "#d55e00", "#a33d00", "#ff9650"),
    Status.WARNING: Look("Warning", "◆", "diamond", "orange", "#a87400", "#e69f00", "#805800", "#f0b840"),
    Status.INFO: Look("Info", "●", "circle", "blue", "#2b85bd", "#56b4e9", "#1a6696", "#7cc6f0"),
    Status.OK: Look("OK", "✓", "square", "green", "#00805c", "#009e73", "#00704f", "#35c79b"),
    Status.NO_DATA: Look("No data", "○", "circle-open", "gray", "#6e7781", "#8b949e", "#57606a", "#a5adb8"),
    Status.MAINTENANCE: Look("Maintenance", "✚", "cross", "violet", "#a8537f", "#cc79a7", "#944570", "#dd9cc0"),
}

_SAME = {
    "error": Status.CRITICAL, "fatal": Status.CRITICAL, "unhealthy": Status.CRITICAL, "down": Status.CRITICAL,
    "degraded": Status.WARNING, "warn": Status.WARNING, "debug": Status.NO_DATA, "verbose": Status.NO_DATA,
    "healthy": Status.OK, "up": Status.OK, "unknown": Status.NO_DATA, "": Status.NO_DATA,
}  # fmt: skip
_BY_WORD = _SAME | {status.value: status for status in Status}


def status_of(word: str) -> Status:
    """The status that a level, a health state or a severity stands for; an unknown word is no data."""
    word = word.lower()
    return _BY_WORD.get(word, Status.NO_DATA)


def look(status: str) -> Look:
    """Colour, shape and word of a status, a log level or a health state."""
    return LOOKS[status_of(status)]
