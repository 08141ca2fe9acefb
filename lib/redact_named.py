"""Finds values that stand under a secret's name in running text: a header, a query, JSON within a string."""

from __future__ import annotations

import re
from functools import lru_cache

REDACTED = "[REDACTED]"
KEYS = (
    r"(?<!com)(?<!by)pass(?!ed\b|enger|ive|age\b)|token|secret|authorization|cookie|credential|pwd"
    r"|(?:api|account|access|private|client|encryption|signing)[-_. ]?key"
)
"""What a secret's name has in it, in any case."""

_KEY = re.compile(KEYS, re.IGNORECASE)
_NAMED = re.compile(
    rf"(?:{KEYS}|\bsig(?:nature)?)(?:[\w-]|\[\w{{0,30}}\]|%5[BD]){{0,64}}+"
    r"(?:\\{0,8}[\"'`])?\s{0,3}(?::|=>?|%3A|%3D)\s{0,3}+",
    re.IGNORECASE,
)
_OPENING = re.compile(r"(\\*)([\"'`])")
_BARE = re.compile(r"(?:[^\s&\"'`<>\\]|\\(?![nrt\"'\\]))+")
_LINE = re.compile(r"(?:[^\r\n\\]|\\(?![nr]))+")
_TOKENS = re.compile(r"[\[\]{}]|\\*[\"'`]")
_TRAILING = ".,;:)]}"
_NO_VALUE = re.compile(
    r"\[REDACTED|\d{1,9}[:)]"  # done before; the line and column of a file whose name looks like a secret's
    r"|(?:null|none|undefined|true|false|nil|missing|expired|invalid|required|revoked|unknown|empty|not|is|was|has|must"
    r"|cannot|failed|unset|unexpected|the|an?)(?=[\s,.;)\]}]|$)",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is a credential."""
    return _KEY.search(name) is not None


def redact_named(text: str) -> tuple[str, int]:
    """The text without what stands under secret names, and how many were taken out. Linear in the text."""
    parts, at, count = list[str](), 0, 0
    while found := _NAMED.search(text, at):
        start, end = _value(text, found)
        parts.append(text[at:start])
        if end > start:
            parts.append(REDACTED)
            count += 1
        at = max(end, found.end())
        if end <= start:
            parts.append(text[start:at])
    return ("".join(parts) + text[at:], count) if count else (text, 0)


def _value(text: str, name: re.Match[str]) -> tuple[int, int]:
    """Where the value begins and ends; nothing of it is left out, rather more is taken than is its own."""
    start = name.end()
    opening = _OPENING.match(text, start)
    if opening:
        inner = opening.end()
        return inner, inner if text.startswith(REDACTED, inner) else _closing(text, opening)
    if _NO_VALUE.match(text, start):
        return start, start
    if text[start : start + 1] in ("[", "{"):
        return start, _balanced(text, start)
    lowered = name[0].lower()
    if "authorization" in lowered or "cookie" in lowered:
        return start, _header_end(text, name.start(), start)
    bare = _BARE.match(text, start)
    return start, start + len(bare[0].rstrip(_TRAILING)) if bare else start


def _closing(text: str, opening: re.Match[str]) -> int:
    """Where the quoted text ends that begins here; a quote with more backslashes before it is inside."""
    depth, quote, at = len(opening[1]), opening[2], opening.end()
    while (found := text.find(quote, at)) >= 0:
        before = found
        while before > opening.end() and text[before - 1] == "\\":
            before -= 1
        if found - before <= depth:
            return before
        at = found + 1
    return len(text)


def _balanced(text: str, start: int) -> int:
    depth, at = 0, start
    while token := _TOKENS.search(text, at):
        at = token.end()
        if token[0] in ("[", "{"):
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
            if not depth:
                return at
        else:
            opening = _OPENING.match(text, token.start())
            assert opening is not None
            at = _closing(text, opening) + len(token[0])
    return len(text)


def _header_end(text: str, name_at: int, start: int) -> int:
    """A header's value goes to the end of its line, or of the quotes that the whole header stands in."""
    line = _LINE.match(text, start)
    end = line.end() if line else start
    before = name_at - 1
    while before > name_at - 10 and before >= 0 and (text[before].isalpha() or text[before] == "-"):
        before -= 1  # Proxy-, Set-
    opening = text[before] if before >= 0 else ""
    if opening in ("'", '"', "`"):
        closing = text.find(opening, start, end)
        end = closing if closing >= 0 else end
    return end
