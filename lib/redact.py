"""Takes credentials out of everything that is about to be stored, shown or logged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lib.redact_named import KEYS, REDACTED, is_secret_name, redact_named

__all__ = ["MAX_DEPTH", "REDACTED", "is_secret_name", "redact", "redact_text", "suspects"]

MAX_DEPTH = 32
"""Deeper values are replaced by a note: no real record is this deep."""

_NOT_YET = r"(?!\[REDACTED)"
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_HEX = re.compile(r"[0-9a-fA-F]+")
_COMMON = ("pass", "token", "secret", "authorization", "cookie", "key")
_NAME_HINTS = (*_COMMON, "pwd", "credential", "sig")
_PREFIX_HINTS = ("xox", "xapp-", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "akia", "asia", "sk-",
                 "k_live_", "k_test_", "aiza", "whsec_", "npm_", "ya29.", "sg.")  # fmt: skip
_HOOK_HINTS = ("hooks.slack", "webhook")
_ENCODED_HINTS = ("%3a", "%3d", "%40", "%2f%2f")
_HINTS = (*_NAME_HINTS, *_PREFIX_HINTS, *_HOOK_HINTS, *_ENCODED_HINTS, "@", "eyj", "bearer", "basic", "private key")
_LONG = 32


def _any_of(hints: Iterable[str]) -> str:
    return "(?i:" + "|".join(map(re.escape, hints)) + ")"


# For RE2: what `_redacted` looks for before it tries any rule. A UUID is a long run, too, but no rule takes it. In one pattern
# the words and the run would multiply RE2's states, most of which are then made anew for every text.
_SUSPECT = "|".join((_any_of(_HINTS), r"\\u00|\x00"))
_LONG_RUN = f"[A-Za-z0-9+/_-]{{{_LONG}}}"
_KNOWN = r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"
_SHORT = 64

_SLASH = r"(?:\\{0,8}/|%2F)"
_SLASHES = rf":{_SLASH}{_SLASH}"
_PORT = r"\d{1,5}(?:[/?#\s]|$)"

# Every repetition is bounded, or a match of it takes all that it read: the time is linear in the text. A rule is tried
# only where the lower case text holds one of its hints, and most texts hold none.
_RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = tuple(
    (hints, re.compile(pattern, re.IGNORECASE | re.DOTALL), replacement)
    for hints, pattern, replacement in (
        (("private key",), r"-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY.*?(?:-----END[A-Z0-9 ]{0,40}KEY-----|\Z)", REDACTED),
        (
            _HOOK_HINTS,
            r"(hooks\.slack(?:-gov)?\.com|discord(?:app)?\.com/api/webhooks|webhook\.office\.com)"
            rf"({_SLASH})[\w/+%@\\-]{{1,400}}",
            rf"\1\2{REDACTED}",
        ),
        # Up to the last @ that can end the user information, which in practice holds what it must not hold unescaped.
        (
            ("@",),
            rf"({_SLASHES}){_NOT_YET}(?:[^\s/?#\"'<>]{{1,256}}|[^\s/?#:@\"'<>]{{0,64}}:(?!{_PORT})[^\s\"'<>@]{{1,192}})@",
            rf"\1{REDACTED}@",
        ),
        (("eyj",), r"(?<![\w-])eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?", REDACTED),
        (
            ("bearer", "basic"),
            rf"\b(bearer|basic)(\s{{1,3}}+|%20){_NOT_YET}(?!auth|token\b|realm)[\w.~+/=-]{{4,}}",
            rf"\1\2{REDACTED}",
        ),
        (
            _NAME_HINTS,
            rf"(--[\w-]{{0,32}}(?:{KEYS})[\w-]{{0,32}}[ \t]{{1,3}}+){_NOT_YET}(?!-)[^\s\"']+",
            rf"\1{REDACTED}",
        ),
        (
            _NAME_HINTS,
            rf"(<[\w:-]{{0,32}}(?:{KEYS})[\w:-]{{0,32}}>)(?!<|\s*\[REDACTED)[^<]{{1,4096}}+",
            rf"\1{REDACTED}",
        ),
        (
            _PREFIX_HINTS,
            r"(?<![A-Z0-9])(?:xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}"
            r"|(?:AKIA|ASIA)[A-Z0-9]{12,}|sk-[\w-]{16,}|[srp]k_(?:live|test)_\w{8,}|AIza[\w-]{30,}|whsec_\w{16,}"
            r"|npm_[a-z0-9]{30,}|ya29\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,})",
            REDACTED,
        ),
    )
)
_CANDIDATE = re.compile(r"(?<![\w+/-])[A-Za-z0-9+/_-]{32,}={0,2}")
_ESCAPED = re.compile(r"\\{1,8}u00([2-7][0-9a-fA-F])")


def suspects(texts: pa.Array[Any]) -> npt.NDArray[np.bool_]:
    """Which of the texts, or values written as JSON, `redact` has to read: it leaves the others as they are, unless they
    are deeper than MAX_DEPTH. This is quick."""
    word, run, known = (pc.match_substring_regex(texts, pattern) for pattern in (_SUSPECT, _LONG_RUN, _KNOWN))
    found = pc.and_not(pc.or_(word, run), known)
    mask: npt.NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
    return mask


def redact_text(text: str) -> tuple[str, int]:
    """The text without credentials, and how many were taken out."""
    return _short(text) if len(text) <= _SHORT else _redacted(text)


def _redacted(text: str) -> tuple[str, int]:
    lowered = text.lower()
    if not any(map(lowered.__contains__, _HINTS)) and "\\u00" not in text:
        return _without_long(text, 0) if len(text) >= _LONG else (text, 0)
    found = _by_rules(text)
    for plain in _plainer(text, lowered):
        shown, count = _by_rules(plain)
        if count > found[1]:  # only in plain writing does it show what it is
            found = shown, count
    return found


def _plainer(text: str, lowered: str) -> list[str]:
    """The text without escapes that could hide a name or an address, where it has such."""
    found = []
    if "\\u00" in text:
        found.append(_ESCAPED.sub(lambda match: chr(int(match[1], 16)), text))
    if any(map(lowered.__contains__, _ENCODED_HINTS)):
        found.append(unquote(text))
    return found


def _by_rules(text: str) -> tuple[str, int]:
    lowered, count = text.lower(), 0
    for hints, pattern, replacement in _RULES:
        if any(map(lowered.__contains__, hints)):
            text, found = pattern.subn(replacement, text)
            count += found
    if any(map(lowered.__contains__, _NAME_HINTS)):
        text, found = redact_named(text)
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
def name_of(name: str) -> tuple[str, int, bool]:
    """A field's name without credentials, how many were in it, and whether its value is one."""
    return *redact_text(name.replace("\x00", "␀")), is_secret_name(name)


def redact(value: Any, depth: int = 0) -> tuple[Any, int]:
    """A copy of a JSON value without credentials at any depth, and how many were taken out.

    What stands under a secret's name becomes "[REDACTED]" (null and "" stay); NUL characters become "␀".
    """
    kind = type(value)
    if kind is str:
        return redact_text(value.replace("\x00", "␀") if "\x00" in value else value)
    if kind is not dict and kind is not list:
        return value, 0
    if depth >= MAX_DEPTH:
        return "[TOO DEEP]", 0
    return _in_list(value, depth) if kind is list else _in_object(value, depth)


def _in_list(values: list[Any], depth: int) -> tuple[list[Any], int]:
    """A list may be names and values in turn, as Node's rawHeaders is."""
    kept, count, named = [], 0, False
    for value in values:
        clean, found = (REDACTED, 1) if named and isinstance(value, str) else redact(value, depth + 1)
        named = not named and isinstance(value, str) and _HEADER.fullmatch(value) is not None
        kept.append(clean)
        count += found
    return kept, count


_HEADER = re.compile(r"(?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-[\w-]{0,20}token", re.IGNORECASE)
NAMERS = frozenset({"name", "key", "header"})
"""Fields that say what the field `value` beside them is."""


def _in_object(values: dict[str, Any], depth: int) -> tuple[dict[str, Any], int]:
    kept, count = {}, 0
    pair = named_by_another(values)
    for key, value in ((str(key), value) for key, value in values.items()):
        name, in_name, secret = name_of(key)
        if secret or (pair and key == "value"):
            kept[name], found = hidden(value)
        else:
            kept[name], found = redact(value, depth + 1)
        count += found + in_name
    return kept, count


def hidden(value: Any) -> tuple[Any, int]:
    """What to show of a value that stands under a secret's name, and how many credentials that is."""
    return (value, 0) if value in (None, "", REDACTED) or isinstance(value, bool) else (REDACTED, 1)


def named_by_another(values: Mapping[str, Any]) -> bool:
    """Whether the object's `value` is a credential by what the fields beside it say."""
    return "value" in values and any(is_secret_name(str(values.get(namer, ""))) for namer in NAMERS)
