"""What stays the same when a text or an address is logged again: its pattern, its route."""

from __future__ import annotations

import re
from functools import lru_cache

MAX_PATTERN = 300
"""Characters of a pattern; a longer one is cut between placeholders."""

_MAX_READ = 2000  # of the first line: what comes later cannot tell two errors apart within MAX_PATTERN
_MAX_SEGMENTS = 8
_MAX_ROUTE = 200

_CHANGES = re.compile(r"[\d\"'`/\\@]")

# One alternation, tried from left to right at every character. Every repetition is bounded or over a class that its
# successor cannot match, and most alternatives start only where a word starts, so the time is linear in the text.
_PARTS = re.compile(
    r"""
      (?P<kept><(?:id|num|str|path|url|email|ip|time|dur)>)
    | (?P<url>\b(?:https?|wss?|ftps?|postgres(?:ql)?|mysql|mongodb|redis|rediss|amqps?|smtp|ldap|file)://[^\s"'<>`]{1,2000})
    | (?P<email>(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5})
    | (?P<str>"[^"]{0,500}"|`[^`]{0,500}`|(?<!\w)'[^']{0,500}'(?!\w))
    | (?P<uuid>(?<!\w)[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}(?!\w))
    | (?P<time>(?<!\d)\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)
        |(?<![\d:])\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?(?![\d:]))
    | (?P<ip>(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.])
        |(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{1,4}(?![\w:]))
    | (?P<path>(?<![\w/>.~])(?:~|\.{1,2})?/[\w./@%+~:{}-]{0,1000}[\w/}]|(?<!\w)[A-Za-z]:\\[^\s"'<>|`]{1,500})
    | (?P<dur>(?<![\w.-])\d{1,15}(?:\.\d{1,15})?(?:\s?(?:[mµun]s|secs?|seconds?|mins?|minutes?|hrs?|hours?|days?)|[smhd])(?!\w))
    | (?P<num>(?<![\w.-])[+-]?\d{1,40}(?:[.,]\d{1,40}){0,5}(?:[eE][+-]?\d{1,4})?(?![\w-]))
    | (?P<id>0[xX][0-9a-fA-F]{1,64}(?!\w)
        |(?<=[A-Za-z][-_])(?=[A-Za-z]{0,64}\d)[A-Za-z0-9]{1,200}(?:[-_](?=[A-Za-z]{0,64}\d)[A-Za-z0-9]{1,200}){0,20}
        |(?<![A-Za-z0-9])(?=[A-Za-z]{0,64}\d)(?:[0-9a-fA-F]{8,128}|[A-Za-z]{0,64}\d{1,40}[A-Za-z][A-Za-z0-9]{0,200})(?![A-Za-z0-9]))
    | (?P<digits>\d{1,200})
    """,
    re.VERBOSE,
)
_PLACEHOLDERS = {"uuid": "<id>", "digits": "<num>"} | {
    name: f"<{name}>" for name in ("url", "email", "str", "time", "ip", "path", "dur", "num", "id")
}
_CUT = re.compile(r"<[a-z]{0,5}\Z")

_PLAIN_SEGMENT = re.compile(
    r"(?:[A-Za-z._~-]{1,40}|v\d{1,3}|[A-Za-z]{2,20}\d{1,2}|\{[^/{}]{1,30}\}|:[A-Za-z_]{1,30})\Z"
)
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^/?#]*")


@lru_cache(maxsize=65_536)
def normalise(text: str) -> str:
    """The first line of `text` with what varies replaced by placeholders such as <id>, <num>, <str>, <path>.

    At most MAX_PATTERN characters. Normalising a pattern again changes nothing.
    """
    pattern = text.lstrip()[:_MAX_READ].split("\n", 1)[0].strip()
    while True:  # every round that changes something leaves fewer characters that are not in a placeholder
        shorter = _cut(_PARTS.sub(_placeholder, pattern)) if _CHANGES.search(pattern) else _cut(pattern)
        if shorter == pattern:
            return pattern
        pattern = shorter


@lru_cache(maxsize=65_536)
def route_of(url: str) -> str:
    """The path of a logged address with its ids replaced: ``/api/leads/42?x=1`` gives ``/api/leads/{id}``.

    "" for "". At most eight segments; what is deeper becomes ``*``.
    """
    if not url:
        return ""
    path = _ORIGIN.sub("", url[:_MAX_READ], count=1).split("?", 1)[0].split("#", 1)[0]
    segments = [segment for segment in path.split("/") if segment]
    shown = [segment if _PLAIN_SEGMENT.match(segment) else "{id}" for segment in segments[:_MAX_SEGMENTS]]
    if len(segments) > _MAX_SEGMENTS:
        shown[-1] = "*"
    return ("/" + "/".join(shown))[:_MAX_ROUTE]


def _placeholder(found: re.Match[str]) -> str:
    return _PLACEHOLDERS.get(str(found.lastgroup)) or found[0]


def _cut(pattern: str) -> str:
    if len(pattern) <= MAX_PATTERN:
        return pattern
    return _CUT.sub("", pattern[:MAX_PATTERN]).rstrip()
