"""Stores that answer nothing and note what they are asked: how it is known what a signal reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from lib.logs import answers
from lib.logs.base import LogQuery
from lib.metrics.base import Result
from lib.metrics.promql.grammar import parsed
from lib.window import DAY, Window

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
Read = tuple[str, str]
"""What was asked of the log: (event that the record must have or "", column or measure or "" for the record itself)."""

_HEALTH = {
    "target": "str", "check": "str", "status": "str", "reason": "str", "since": answers.TS, "until": answers.TS,
    "last_seen": answers.TS, "response_ms": "float64", "version": "str", "uptime_s": "float64", "detail": "str",
}  # fmt: skip
_LATENCY_FIELDS = ("duration_ms",)


def series_in(expression: str) -> set[str]:
    """The names of the series that a PromQL expression reads. Raises ValueError for what is no PromQL."""
    return set(_names(parsed(expression)))


def _names(node: Any) -> Iterator[str]:
    kind = type(node).__name__
    if kind == "MatrixSelector":
        node = node.vector_selector
    if kind in ("VectorSelector", "MatrixSelector"):
        if node.name:
            yield str(node.name)
        return
    for part in ("expr", "param", "lhs", "rhs", "args"):
        child = getattr(node, part, None)
        for one in child if isinstance(child, list) else [child] if child is not None else []:
            yield from _names(one)


class Metrics:
    """A metric store without a sample; `series` are the names that were asked for."""

    name = "metrics"

    def __init__(self) -> None:
        self.series: set[str] = set()

    def instant(self, expression: str, at: datetime) -> Result:
        """No series."""
        return self._nothing(expression)

    def range(self, expression: str, window: Window, step: timedelta) -> Result:
        """No series."""
        return self._nothing(expression)

    def label_values(self, label: str, matcher: str = "") -> list[str]:
        """None."""
        return []

    def newest(self) -> datetime | None:
        """A moment ago, so that askers go on."""
        return MOMENT

    def oldest(self) -> datetime | None:
        """Long ago, so that askers go on."""
        return MOMENT - 90 * DAY

    def _nothing(self, expression: str) -> Result:
        self.series |= series_in(expression)
        ts_ms = np.array([int(MOMENT.timestamp() * 1000)])
        return Result(ts_ms, (), np.empty((0, 1)), np.empty((0, 1), dtype=bool))


class Logs:
    """A log store without a record; `reads` is what was asked for."""

    name = "logs"

    def __init__(self) -> None:
        self.reads: set[Read] = set()

    def totals(
        self, query: LogQuery, by: Sequence[str] = (), step: timedelta | None = None,
        measures: Sequence[str] = ("records",),
    ) -> pd.DataFrame:  # fmt: skip
        """No rows."""
        self._note(query, [*by, *(name for name in measures if name != "records")])
        values = {name: answers.MEASURE_DTYPES[name] for name in measures}
        return _empty(answers.keyed(by, step is not None, values))

    def durations(self, query: LogQuery, by: Sequence[str] = (), step: timedelta | None = None) -> pd.DataFrame:
        """No rows."""
        self._note(query, [*_LATENCY_FIELDS, *by])
        return _empty(answers.keyed(by, step is not None, answers.LATENCY_DTYPES))

    def requests(self, query: LogQuery, by: Sequence[str] = (), step: timedelta | None = None) -> pd.DataFrame:
        """No rows."""
        self._note(query, [*_LATENCY_FIELDS, *by])
        return _empty(answers.keyed(by, step is not None, answers.REQUEST_DTYPES))

    def duration_histogram(
        self, query: LogQuery, edges_ms: Sequence[float], step: timedelta | None = None
    ) -> pd.DataFrame:
        """Every band, without a request."""
        self._note(query, _LATENCY_FIELDS)
        low, high = list(edges_ms), [*edges_ms[1:], np.inf]
        if step is not None:
            return _empty({"ts": answers.TS, "low_ms": "float64", "high_ms": "float64", "requests": "int64"})
        return pd.DataFrame({"low_ms": low, "high_ms": high, "requests": np.zeros(len(low), dtype="int64")})

    def patterns(self, query: LogQuery, limit: int = 200) -> pd.DataFrame:
        """No rows."""
        self._note(query, ["pattern_id"])
        return _empty(answers.PATTERN_DTYPES)

    def search(
        self, query: LogQuery, limit: int = 200, before: tuple[datetime, str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """No rows."""
        self._note(query, ["message"])
        return _empty(answers.search_dtypes(columns))

    def record(self, record_id: str) -> dict[str, Any] | None:
        """None."""
        return None

    def count(self, query: LogQuery) -> int:
        """0; it needs no field."""
        self._note(query, [])
        return 0

    def top(self, query: LogQuery, field: str, limit: int = 20) -> pd.DataFrame:
        """No rows; which field is the viewer's choice."""
        self._note(query, [])
        return _empty(answers.TOP_DTYPES)

    def around(self, record_id: str, before: int = 10, after: int = 10, same: str = "service") -> pd.DataFrame:
        """No rows."""
        return _empty(answers.SEARCH_DTYPES)

    def trace(self, field: str, value: str, limit: int = 1000) -> pd.DataFrame:
        """No rows."""
        self.reads.add(("", field))
        return _empty(answers.SEARCH_DTYPES)

    def newest(self) -> datetime | None:
        """A moment ago, so that askers go on."""
        return MOMENT

    def oldest(self) -> datetime | None:
        """Long ago, so that askers go on."""
        return MOMENT - 90 * DAY

    def ever_seen(self, field: str) -> bool:
        """False."""
        return False

    def gaps(self, window: Window) -> pd.DataFrame:
        """No rows."""
        return _empty(answers.GAP_DTYPES)

    def _note(self, query: LogQuery, columns: Sequence[str]) -> None:
        events = [value for match in query.where if match.field == "event" for value in match.values] or [""]
        matched = [match.field for match in query.where]
        names = {name for name in (*columns, *matched) if name != "event"} or {""}
        self.reads |= {(event, name) for event in events for name in names}


class Health:
    """A history of /health without an episode; `asked` is whether anybody looked."""

    name = "health history"

    def __init__(self) -> None:
        self.asked = False

    def now(self) -> pd.DataFrame:
        """No rows."""
        self.asked = True
        return _empty({name: kind for name, kind in _HEALTH.items() if name != "until"})

    def episodes(self, window: Window) -> pd.DataFrame:
        """No rows."""
        self.asked = True
        return _empty({name: _HEALTH[name] for name in ("target", "check", "status", "reason", "since", "until")})


def _empty(dtypes: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in dtypes.items()})
