"""Takes credentials out of everything that is about to be stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

REDACTED = "[REDACTED]"
MAX_DEPTH = 32
"""Deeper values are replaced by a note: no real record is this deep."""

_KEYS = r"pass|token|secret|authorization|cookie|api[-_]?key"
_KEY = re.compile(_KEYS, re.IGNORECASE)
_NOT_YET = r"(?!\[REDACTED)"
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_HEX = re.compile(r"[0-9a-fA-F]+")
_COMMON = ("authorization", "cookie", "pass", "token", "secret", "api-key", "api_key", "apikey")
_NAME_HINTS = (*_COMMON, "pwd", "sig")
_PREFIX_HINTS = ("xox", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "akia", "asia", "sk-", "k_live_",
                 "k_test_", "aiza")  # fmt: skip
_HINTS = (*_NAME_HINTS, *_PREFIX_HINTS, "://", "hooks.slack", "eyj", "bearer", "basic", "private key")
_LONG = 32


def _any_of(hints: Iterable[str]) -> str:
    return "(?i:" + "|".join(map(re.escape, hints)) + ")"


# For RE2, over the bytes of a line of JSON. An escape may hide a hint; an address shows a user only with an "@".
_RUN = f"[A-Za-z0-9+/_]{{{_LONG}}}"
_HIDDEN = r"\\[u/]|\x00"
_SELDOM = _any_of(hint for hint in _HINTS if hint not in _COMMON and hint != "://") + "|(?s:://.*@|@.*://)"
_SUSPECT = "|".join((_any_of(_COMMON), _SELDOM, _RUN, _HIDDEN))
_SHORT = 64

# Every repetition is bounded, or a match of it takes all that it read: the time is linear in the text. A rule is tried
# only where the lower case text holds one of its hints, and most texts hold none.
_KEY_TAIL = r"(?:[\w-]|\[\w{0,30}\]|%5[bBdD]){0,32}"
_RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = tuple(
    (hints, re.compile(pattern, re.IGNORECASE | re.DOTALL), replacement)
    for hints, pattern, replacement in (
        (("private key",), r"-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY.*?(?:-----END[A-Z0-9 ]{0,40}KEY-----|\Z)", REDACTED),
        (("hooks.slack",), r"(hooks\.slack(?:-gov)?\.com/)[\w/+%-]{1,400}", rf"\1{REDACTED}"),
        (("://",), rf"(://){_NOT_YET}[^\s/?#\"'<>]{{1,512}}@", rf"\1{REDACTED}@"),
        (("eyj",), r"(?<![\w-])eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?", REDACTED),
        (
            ("authorization", "cookie"),
            rf"\b((?:proxy-)?authorization|(?:set-)?cookie)(\\?[\"']?\s{{0,3}}[:=]\s{{0,3}}+){_NOT_YET}[^\"'\r\n\\]+",
            rf"\1\2{REDACTED}",
        ),
        (
            ("bearer", "basic"),
            rf"\b(bearer|basic)(\s{{1,3}}+){_NOT_YET}(?!auth|token\b|realm)[\w.~+/=-]{{4,}}",
            rf"\1\2{REDACTED}",
        ),
        (
            _NAME_HINTS,
            rf"((?:{_KEYS}|pwd)[\w-]{{0,32}}\\?[\"']?\s{{0,3}}[:=]\s{{0,3}}+\\?[\"']){_NOT_YET}[^\"'\\\r\n]+",
            rf"\1{REDACTED}",
        ),
        (
            _NAME_HINTS,
            rf"((?:{_KEYS}|pwd|\bsig(?:nature)?){_KEY_TAIL}\s{{0,3}}[:=]\s{{0,3}}+)"
            rf"{_NOT_YET}(?!\d{{1,9}}[:)])[^\s&\"'\\,;<>{{}}()]+",
            rf"\1{REDACTED}",
        ),
        (
            _PREFIX_HINTS,
            r"(?<![A-Z0-9])(?:xox[a-z]-[\w-]{8,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}"
            r"|(?:AKIA|ASIA)[A-Z0-9]{12,}|sk-[\w-]{16,}|[srp]k_(?:live|test)_\w{8,}|AIza[\w-]{30,})",
            REDACTED,
        ),
    )
)
_CANDIDATE = re.compile(r"(?<![\w+/-])[A-Za-z0-9+/_-]{32,}={0,2}")


@dataclass(frozen=True, slots=True)
class Look:
    """What a text can hold at all: one of these hints, or (`long`) a long run of letters and digits."""

    hints: tuple[str, ...]
    long: bool


EVERYTHING = Look(_HINTS, True)


def looks(raws: Sequence[bytes]) -> list[Look | None]:
    """What to look for in each line of JSON, by its bytes; None where it holds no credential. This is quick."""
    lines = pa.array(raws, pa.binary())
    suspect = pc.match_substring_regex(lines, _SUSPECT)
    suspects = lines.filter(suspect)
    found = iter(
        zip(*(pc.match_substring_regex(suspects, one).to_pylist() for one in (_HIDDEN, _SELDOM, _RUN)), strict=True)
    )
    return [_look(*next(found)) if one else None for one in suspect.to_pylist()]


@lru_cache
def _look(hidden: bool, seldom: bool, long: bool) -> Look:
    return EVERYTHING if hidden else Look(_HINTS if seldom else _COMMON, long)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is a credential."""
    return _KEY.search(name) is not None


def redact_text(text: str) -> tuple[str, int]:
    """The text without credentials, and how many were taken out."""
    return _short(text) if len(text) <= _SHORT else _redacted(text)


def _redacted(text: str) -> tuple[str, int]:
    lowered = text.lower()
    count = 0
    if any(map(lowered.__contains__, _HINTS)):
        for hints, pattern, replacement in _RULES:
            if any(map(lowered.__contains__, hints)):
                text, found = pattern.subn(replacement, text)
                count += found
    return _without_long(text, count) if len(text) >= _LONG else (text, count)


_short = lru_cache(maxsize=16_384)(_redacted)  # names, levels and constant messages come again and again


def _without_long(text: str, count: int) -> tuple[str, int]:
    found_long = 0

    def _judged(match: re.Match[str]) -> str:
        nonlocal found_long
        if not _is_long_secret(match[0]):
            return match[0]
        found_long += 1
        return REDACTED

    return _CANDIDATE.sub(_judged, text), count + found_long


def _is_long_secret(text: str) -> bool:
    """Random-looking, and neither a UUID, a digest-sized id, a path nor a slug."""
    if _UUID.fullmatch(text):
        return False
    if _HEX.fullmatch(text):
        return len(text) >= 40
    longest = max(map(len, re.split(r"[+/_=-]", text)))
    kinds: tuple[Callable[[str], bool], ...] = (str.isupper, str.islower, str.isdigit)
    return longest >= 14 and all(any(map(kind, text)) for kind in kinds) and sum(map(str.isdigit, text)) >= 2


@lru_cache(maxsize=16_384)
def _name(name: str) -> tuple[str, int, bool]:
    """A field's name without credentials, how many were in it, and whether its value is one."""
    return *redact_text(name.replace("\x00", "␀")), is_secret_name(name)


def redact(value: Any, look: Look = EVERYTHING, depth: int = 0) -> tuple[Any, int]:
    """A copy of a JSON value without credentials at any depth, and how many were taken out.

    What stands under a secret's name becomes "[REDACTED]" (null and "" stay); NUL characters become "␀". `look` is
    what its texts can hold at all.
    """
    kind = type(value)
    if kind is str:
        return redact_text(value.replace("\x00", "␀") if "\x00" in value else value)
    if kind is not dict and kind is not list:
        return value, 0
    if depth >= MAX_DEPTH:
        return "[TOO DEEP]", 0
    return _in_list(value, look, depth) if kind is list else _in_object(value, look, depth)


def _in_list(values: list[Any], look: Look, depth: int) -> tuple[list[Any], int]:
    found = [redact(value, look, depth + 1) for value in values]
    return [value for value, _ in found], sum(count for _, count in found)


def _in_object(values: dict[str, Any], look: Look, depth: int) -> tuple[dict[str, Any], int]:
    kept, count = {}, 0
    quiet = not look.long and not _holds(values, look.hints)
    for key, value in values.items():
        name, in_name, secret = _name(key)
        if secret and value not in (None, "", REDACTED) and not isinstance(value, bool):
            kept[name], found = REDACTED, 1
        elif quiet and type(value) is str:
            kept[name], found = value, 0
        else:
            kept[name], found = redact(value, look, depth + 1)
        count += found + in_name
    return kept, count


def _holds(values: Mapping[str, Any], hints: tuple[str, ...]) -> bool:
    """Whether any of the object's texts has one of the hints."""
    texts = "\n".join([value for value in values.values() if type(value) is str]).lower()
    return any(map(texts.__contains__, hints))
