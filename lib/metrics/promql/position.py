"""Where in a PromQL text something is wrong: the parser tells what, this finds the character."""

from __future__ import annotations

import re

from lib.errors import QueryError
from lib.metrics.promql.grammar import parsed

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    |(?P<word>[A-Za-z_][\w:]*)|(?P<number>[\d.][\w.]*)|(?P<sign>=~|!~|==|!=|<=|>=|.)""",
    re.VERBOSE | re.DOTALL,
)
_FILLERS = ("", "x", "1", "[5m]", "(x)", "x[5m]", '"a"', '="a"', "5m", "bool 1", "(a)", "(a)(x)", "(a) x")
_CLOSER = {"(": ")", "[": "5m]", "{": "}"}
_SEARCHED = 120


def tokens(text: str) -> list[tuple[int, str, str]]:
    """(start, kind, text) of every token, white space and comments left out."""
    found = ((match.start(), match.lastgroup or "", match[0]) for match in _TOKEN.finditer(text))
    return [token for token in found if token[1] != "space"]


def weight(text: str) -> int:
    """How many operators and brackets there are: a bound for the depth of the syntax tree."""
    return sum(1 for _, kind, word in tokens(text) if kind == "sign" or word.lower() in ("and", "or", "unless"))


def of_word(text: str, word: str) -> int | None:
    """Where a word or sign stands outside strings, None where it does not."""
    return next((start for start, kind, found in tokens(text) if found == word and kind != "string"), None)


def explained(text: str, reason: str) -> QueryError:
    """The parser's refusal as an error with the position of the first token that cannot stand where it is."""
    found = tokens(text)
    if not found:
        return QueryError("the expression is empty", 0)
    if named := re.search(r"'([A-Za-z_]\w*)'", reason):
        return QueryError(reason, of_word(text, named[1]))
    if regex := re.fullmatch(r"illegal regex for (.*)", reason, re.DOTALL):
        return QueryError(f"{regex[1][:100]} is no regular expression of RE2", _of_string(found, regex[1]))
    if _parses(text):  # its form is right, and it means nothing
        return QueryError(_plain(reason), None)
    bad = _first_bad(text, found[:_SEARCHED])
    if bad is None:
        return QueryError(f"{_plain(reason)}: the expression ends too early", len(text))
    start, _, word = bad
    return QueryError(f"{_plain(reason)}: unexpected {word[:40]}", start)


def _of_string(found: list[tuple[int, str, str]], text: str) -> int | None:
    return next((start for start, kind, word in found if kind == "string" and word[1:-1] == text), None)


def _plain(reason: str) -> str:
    return "not valid PromQL" if reason == "invalid promql query" else f"not valid PromQL ({reason})"


def _first_bad(text: str, found: list[tuple[int, str, str]]) -> tuple[int, str, str] | None:
    """The token after the longest prefix that some completion makes valid; None where that is the whole text."""
    for known in range(len(found), 0, -1):
        start, _, word = found[known - 1]
        if _completable(text[: start + len(word)], found[:known]):
            return found[known] if known < len(found) else None
    return found[0]


def _completable(prefix: str, found: list[tuple[int, str, str]]) -> bool:
    closers = ""
    for _, kind, word in found:
        if kind == "sign" and word in _CLOSER:
            closers = _CLOSER[word] + closers
        elif kind == "sign" and word in (")", "]", "}"):
            closers = closers.partition(word)[2]
    tails = {closers, closers.removeprefix("5m"), closers + " x", closers.replace(")", " x)", 1)}
    return any(_parses(f"{prefix} {filler}{tail}") for filler in _FILLERS for tail in tails)


def _parses(text: str) -> bool:
    try:
        parsed(text)
    except ValueError as error:
        return not str(error).startswith(("invalid promql", "unexpected", "unclosed", "unterminated", "bad", "invalid"))
    return True
