"""Regular expressions of people, run by DuckDB's RE2: time linear in the text, whatever the pattern."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from lib.errors import QueryError, SourceRejected

Ask = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
_REMEMBERED = 50_000
_GROUPS = 10
_DOLLAR_GROUP = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?!\?)|\(\?P?<")


class Re2:
    """Anchored matching. `ask` runs SQL with bound values and gives rows."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._known: OrderedDict[tuple[str, str], bool] = OrderedDict()
        self._lock = threading.Lock()

    def matches(self, pattern: str, values: list[str]) -> list[bool]:
        """Whether each value matches from end to end. Raises QueryError for a pattern that RE2 does not know."""
        with self._lock:
            missing = [value for value in values if (pattern, value) not in self._known]
        if missing:
            rows = self._run(
                "SELECT v, regexp_full_match(v, $1, 's') FROM (SELECT unnest($2::VARCHAR[]) AS v)", pattern, missing
            )
            self._remember(pattern, {value: bool(hit) for value, hit in rows})
        with self._lock:
            held = [self._known.get((pattern, value)) for value in values]
        return [
            hit if hit is not None else self.matches(pattern, [value])[0]
            for hit, value in zip(held, values, strict=True)
        ]

    def _remember(self, pattern: str, hits: dict[str, bool]) -> None:
        with self._lock:
            for value, hit in hits.items():
                self._known[pattern, value] = hit
            while len(self._known) > max(_REMEMBERED, len(hits)):
                self._known.popitem(last=False)

    def capture(self, pattern: str, values: Sequence[str]) -> list[list[str] | None]:
        """Per value, the groups 0…9 of an anchored match ("" where there is no such group), or None for no match.

        A bad pattern is refused even where there is no value to try it on.
        """
        groups = min(_groups(pattern), _GROUPS - 1)
        columns = ", ".join(f"regexp_extract(v, '^(?s:' || $1 || ')$', {number})" for number in range(groups + 1))
        sql = f"SELECT v, regexp_full_match(v, $1, 's'), {columns} FROM (SELECT unnest($2::VARCHAR[]) AS v)"  # noqa: S608 - digits only
        found = {row[0]: list(row[2:]) if row[1] else None for row in self._run(sql, pattern, sorted({"", *values}))}
        return [found[value] for value in values]

    def _run(self, sql: str, pattern: str, values: list[str]) -> list[tuple[Any, ...]]:
        try:
            return self._ask(sql, [pattern, values])
        except SourceRejected as error:
            raise QueryError(f"“{pattern}” is not a regular expression that RE2 knows: {error}") from error


def _groups(pattern: str) -> int:
    return sum(1 for match in _DOLLAR_GROUP.finditer(pattern) if match[0].startswith("("))
