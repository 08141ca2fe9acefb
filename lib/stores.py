"""The stores that questions are asked of, as one value to pass along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from lib import at_once

if TYPE_CHECKING:
    from lib.alerts.rules import Rule
    from lib.logs.base import LogStore
    from lib.metrics.base import MetricStore
    from lib.state.health import HealthLog

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stores:
    """Where answers come from: log records, metric samples, the history of /health, and the alert rules' expressions.

    `rules` are those about the service, `own_rules` those of the product about itself. `remote` says that a store is on a
    server, so that questions are worth asking at once: embedded ones compute in this process and would only compete.
    """

    logs: LogStore
    metrics: MetricStore
    health: HealthLog
    rules: Sequence[Rule] = ()
    own_rules: Sequence[Rule] = ()
    remote: bool = False

    def at_once(self, *asks: Callable[[], T]) -> list[T]:
        """What independent questions give, in their order; raises the first error."""
        return at_once.at_once(*asks) if self.remote else [ask() for ask in asks]
