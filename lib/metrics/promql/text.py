"""PromQL text built from values: quoting, so that a label value can never become part of the question."""

from __future__ import annotations

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quote(value: str) -> str:
    """A PromQL string literal that stands for exactly `value`."""
    return '"' + "".join(_escaped(character) for character in value) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return f"\\x{ord(character):02x}" if ord(character) < 0x20 or ord(character) == 0x7F else character


def selector(name: str, **labels: str) -> str:
    """``name{label="value", …}``: the series of a metric with these label values (an empty value: label absent)."""
    if not labels:
        return name
    return name + "{" + ", ".join(f"{label}={quote(value)}" for label, value in labels.items()) + "}"


def seconds(value: float) -> str:
    """A PromQL duration of whole milliseconds, such as ``90s`` or ``1500ms``."""
    milliseconds = round(value * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"
