"""A remote metric store together with the samples that only this process has: those of its own /health probe."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from lib.metrics.base import MetricStore, Result
from lib.metrics.promql import position
from lib.window import Window


class RoutedMetrics:
    """MetricStore that asks `own` where an expression names one of `own_metrics` or one that begins with `own_prefix`,
    and `remote` for everything else.

    The probe runs here, so its samples and our own figures lie here even where metrics are asked of Prometheus. An expression that mixes
    both kinds is asked of `own`, which knows only its part.
    """

    def __init__(
        self, remote: MetricStore, own: MetricStore, own_metrics: Collection[str], own_prefix: str = ""
    ) -> None:
        self.name = remote.name
        self._remote = remote
        self._own = own
        self._own_metrics = frozenset(own_metrics)
        self._own_prefix = own_prefix

    def instant(self, expression: str, at: datetime) -> Result:
        """The expression's value at one moment. Raises QueryError, SourceError."""
        return self._for(expression).instant(expression, at)

    def range(self, expression: str, window: Window, step: timedelta) -> Result:
        """The expression at window.start, start + step, … ≤ window.end. Raises QueryError, SourceError."""
        return self._for(expression).range(expression, window, step)

    def label_values(self, label: str, matcher: str = "") -> list[str]:
        """Every value of a label, sorted; of both stores where no selector says which is meant."""
        if matcher:
            return self._for(matcher).label_values(label, matcher)
        return sorted({*self._remote.label_values(label), *self._own.label_values(label)})

    def newest(self) -> datetime | None:
        """The time of the remote store's newest sample."""
        return self._remote.newest()

    def oldest(self) -> datetime | None:
        """The time of the remote store's oldest sample."""
        return self._remote.oldest()

    def _for(self, expression: str) -> MetricStore:
        named = {word.strip("\"'`") for _, kind, word in position.tokens(expression) if kind in ("word", "string")}
        prefixed = self._own_prefix and any(word.startswith(self._own_prefix) for word in named)
        return self._own if prefixed or named & self._own_metrics else self._remote
