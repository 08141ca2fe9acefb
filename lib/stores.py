"""The stores that questions are asked of, as one value to pass along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib.alerts.rules import Rule
    from lib.logs.base import LogStore
    from lib.metrics.base import MetricStore
    from lib.state.health import HealthLog


@dataclass(frozen=True, slots=True)
class Stores:
    """Where answers come from: log records, metric samples, the history of /health, and the alert rules' expressions."""

    logs: LogStore
    metrics: MetricStore
    health: HealthLog
    rules: Sequence[Rule] = ()
