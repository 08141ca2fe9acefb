"""What Prometheus' refusals mean to us: the one place where its errors become ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lib.errors import OpsError, QueryError, SourceRejected, SourceUnavailable
from lib.metrics.promql import position
from lib.metrics.promql.grammar import parsed
from lib.retry_after import retry_after_s

NAME = "Prometheus"
"""What the store is called on the pages."""

_PLACE = re.compile(r"(?:^|[\s:])(\d+):(\d+): (?:parse error: )?")
_QUESTION_FAULTS, _GAVE_UP = ("bad_data", "execution"), ("timeout", "canceled")
_NO_ENTRY = (401, 403)
_LONGEST_TEXT = 300


class PassingFault(SourceUnavailable):
    """No answer this time, and asking again at once may help; `after_s` is when the server wants to be asked again."""

    def __init__(self, message: str, source: str, after_s: float | None = None) -> None:
        super().__init__(message, source)
        self.after_s = after_s


class GaveUp(SourceUnavailable):
    """The server answers, but this question takes it too long."""


def refusal(status: int, answer: Mapping[str, Any] | None, headers: Mapping[str, str], query: str) -> OpsError:
    """The error that an answer other than success stands for. `answer` is its JSON, None where it has none."""
    told = answer or {}
    kind = str(told.get("errorType", ""))
    text = str(told.get("error", ""))[:_LONGEST_TEXT] if told.get("status") == "error" else ""
    if kind in _GAVE_UP:
        return GaveUp(f"it gave up on the question: {text}", NAME)
    if text and status not in _NO_ENTRY and (status in (400, 422) or kind in _QUESTION_FAULTS):
        return _question(text, query)
    if status in (408, 429) or status >= 500:
        wanted = retry_after_s(headers.get("retry-after", ""))
        return PassingFault(f"HTTP {status}{f': {text}' if text else ''}", NAME, wanted)
    return SourceRejected(_explained(status, text), NAME)


def _explained(status: int, text: str) -> str:
    if status in _NO_ENTRY:
        return f"it does not accept our credentials (HTTP {status})"
    if status == 200:
        return "what answers at PROMETHEUS_URL does not speak Prometheus' API"
    if status == 404:
        return "HTTP 404: there is no Prometheus API at PROMETHEUS_URL (is a path prefix missing?)"
    if 300 <= status < 400:
        return f"HTTP {status}: redirects are not followed, PROMETHEUS_URL must name the place itself"
    return f"HTTP {status}{f': {text}' if text else ''}"


def _question(text: str, query: str) -> QueryError:
    """A question that cannot be asked, with the character where it goes wrong."""
    place = _PLACE.search(text)
    if place:
        return QueryError(text[place.end() :][:_LONGEST_TEXT], _offset(query, int(place[1]), int(place[2])))
    plain = text.removeprefix('invalid parameter "query": ')[:_LONGEST_TEXT]
    return QueryError(plain, _found_by_us(query))


def _offset(query: str, line: int, column: int) -> int:
    """A 1-based line and column as a character of the whole text; Prometheus counts the column in bytes."""
    lines = query.split("\n")
    before = sum(len(one) + 1 for one in lines[: line - 1])
    within = lines[line - 1].encode()[: column - 1] if line <= len(lines) else b""
    return before + len(within.decode(errors="ignore"))


def _found_by_us(query: str) -> int | None:
    """The character where our own parser stumbles, for servers that do not say where."""
    try:
        parsed(query)
    except ValueError as error:
        return position.explained(query, str(error)).position
    return None
