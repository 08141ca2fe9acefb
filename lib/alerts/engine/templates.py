"""The few placeholders of a rule's texts, filled in as Prometheus does; everything else stays as it is written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_LARGE_1024 = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")
_MOST_NS = 2**63 - 1
Piece = Callable[[Mapping[str, str], float], str]


def expand(text: str, labels: Mapping[str, str], value: float) -> str:
    """The text with `{{ $value }}`, `{{ $labels.x }}` ("" for a label that is not there) and the functions of FUNCTIONS
    and a plain `printf` on the value. Anything else between braces is no code here and stays. Never raises."""
    if "{{" not in text:
        return text
    return "".join(piece if isinstance(piece, str) else piece(labels, value) for piece in _pieces(text))


def expand_all(texts: Mapping[str, str], labels: Mapping[str, str], value: float) -> dict[str, str]:
    """Each text of the mapping expanded."""
    return {name: expand(text, labels, value) for name, text in texts.items()}


def broken(text: str) -> str:
    """Why a text is no template for Prometheus either: braces that do not close, or hold nothing; "" where it is one."""
    at = 0
    while (start := text.find("{{", at)) >= 0:
        end = text.find("}}", start + 2)
        if end < 0:
            return "“{{” without “}}”"
        if not text[start + 2 : end].strip(" \t\r\n-"):
            return "nothing between “{{” and “}}”"
        at = end + 2
    return ""


def unknown(text: str) -> list[str]:
    """What stands between braces and is no placeholder here: a notice shows it as it is written."""
    plain = (piece for piece in _pieces(text) if isinstance(piece, str))
    return [found[0] for piece in plain for found in _BRACES.finditer(piece)]


def number(value: float) -> str:
    """As Go prints a float: the shortest digits, with an exponent where it is below -4 or above 5."""
    if not math.isfinite(value):
        return _special(value)
    digits = repr(float(value))
    power = int(f"{value:.17e}".partition("e")[2])
    return _scientific(digits) if value != 0 and not -4 <= power <= MOST_PLAIN else digits.removesuffix(".0")


MOST_PLAIN = 5
"""The largest exponent that is written out."""


def humanize(value: float) -> str:
    """Four digits and a metric prefix."""
    if value == 0 or not math.isfinite(value):
        return _four(value)
    return _scaled(value, _LARGE, 1000)


def humanize_1024(value: float) -> str:
    """Four digits and a binary prefix."""
    if abs(value) <= 1 or not math.isfinite(value):
        return _four(value)
    return _scaled(value, _LARGE_1024, 1024)


def humanize_duration(seconds: float) -> str:
    """Days to seconds, or four digits of seconds or less."""
    if not math.isfinite(seconds):
        return _four(seconds)
    if abs(seconds) < 1:
        return _scaled(seconds, (), 1000) + "s" if seconds else _four(seconds) + "s"
    sign, left = ("-" if seconds < 0 else ""), abs(seconds)
    whole = int(left)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (whole % 60, "s")]
    first = next((place for place, (count, _) in enumerate(parts) if count), 3)
    if first == 3:
        return f"{sign}{_four(left)}s"
    return sign + " ".join(f"{count}{unit}" for count, unit in parts[first:])


def humanize_percentage(ratio: float) -> str:
    """A hundredfold with four digits."""
    return f"{_four(ratio * 100)}%"


def humanize_timestamp(seconds: float) -> str:
    """The moment of a Unix time."""
    if not math.isfinite(seconds):
        return _four(seconds)
    nanos = int(seconds * 1e9)
    if abs(seconds * 1e9) > _MOST_NS:
        return number(seconds)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanos // 1000)
    fraction = f".{nanos % 10**9:09d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


FUNCTIONS: Mapping[str, Callable[[float], str]] = {
    "humanize": humanize,
    "humanize1024": humanize_1024,
    "humanizeDuration": humanize_duration,
    "humanizePercentage": humanize_percentage,
    "humanizeTimestamp": humanize_timestamp,
}
"""What may be applied to the value."""

_BRACES = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_VALUE = r"(?:\$value|\.Value)"
_PRINTF = r'printf\s+"(?P<{}>%(?:[1-9]\d?)?(?:\.\d{{1,2}})?[feg](?:%%)?)"'
_FUNCTION = "|".join(FUNCTIONS)
_PLACEHOLDER = re.compile(
    r"\{\{\s*(?:"
    rf"(?P<value>{_VALUE})"
    r"|(?:\$labels|\.Labels)\.(?P<label>[a-zA-Z_][a-zA-Z0-9_]*)"
    rf"|{_VALUE}\s*\|\s*(?P<after>{_FUNCTION})"
    rf"|(?P<before>{_FUNCTION})\s+{_VALUE}"
    rf"|{_VALUE}\s*\|\s*{_PRINTF.format('after_form')}"
    rf"|{_PRINTF.format('before_form')}\s+{_VALUE}"
    r")\s*\}\}"
)


@lru_cache(maxsize=4096)
def _pieces(text: str) -> tuple[str | Piece, ...]:
    pieces: list[str | Piece] = []
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        pieces += [text[end : found.start()], _piece(found)]
        end = found.end()
    return (*pieces, text[end:])


def _piece(found: re.Match[str]) -> Piece:
    if label := found["label"]:
        return lambda labels, _: labels.get(label, "")
    if name := found["after"] or found["before"]:
        function = FUNCTIONS[name]
        return lambda _, value: function(value)
    if form := found["after_form"] or found["before_form"]:
        return lambda _, value: _printed(form, value)
    return lambda _, value: number(value)


def _printed(form: str, value: float) -> str:
    if not math.isfinite(value):
        return re.sub(r"(?:\.\d+)?[feg]", "s", form) % _special(value)
    if "." not in form and "g" in form:  # without a precision Go prints every digit
        return form.replace("g", "s") % number(value)
    return form % value


def _scaled(value: float, large: tuple[str, ...], step: int) -> str:
    prefix = ""
    if abs(value) >= 1:
        for prefix_here in large:
            if abs(value) < step:
                break
            prefix, value = prefix_here, value / step
    else:
        for prefix_here in _SMALL:
            if abs(value) >= 1:
                break
            prefix, value = prefix_here, value * 1000
    return f"{_four(value)}{prefix}"


def _four(value: float) -> str:
    return _special(value) if not math.isfinite(value) else f"{value:.4g}"


def _special(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _scientific(digits: str) -> str:
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    mantissa, _, exponent = digits.partition("e")
    whole, _, fraction = mantissa.partition(".")
    power = int(exponent or 0) + len(whole) - 1
    figures = (whole + fraction).lstrip("0")
    if whole == "0":
        power = int(exponent or 0) - (len(fraction) - len(fraction.lstrip("0"))) - 1
    figures = figures.rstrip("0") or "0"
    tail = f".{figures[1:]}" if len(figures) > 1 else ""
    return f"{sign}{figures[0]}{tail}e{'-' if power < 0 else '+'}{abs(power):02d}"
