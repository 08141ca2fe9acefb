"""Every fault that can be switched on: what it does, who does it, and what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lib.simulator import catalogue as c

SLOW_S = 7.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `upstream` gives the commands for the upstreams, `instance`: it is told to an instance.

    `felt`: people see a broken or slow page, and reload it.
    """

    name: str
    effect: str
    upstream: Callable[[bool, str], list[dict[str, Any]]] | None = None
    instance: bool = False
    felt: bool = False
    target: str = ""
    targets: tuple[str, ...] = ()


def _switch(switch: str, value: Any, off: Any) -> Callable[[bool, str], list[dict[str, Any]]]:
    return lambda on, target: [{"upstream": target, "switch": switch, "value": value if on else off}]


def _rejects(on: bool, target: str) -> list[dict[str, Any]]:
    return [{"upstream": "halopsa", "switch": "rejects", "value": target if on else ""}]


_ALL = tuple(c.UPSTREAM_MS)
FAULTS = {
    fault.name: fault
    for fault in (
        Fault("error_burst", "HaloPSA answers in a new form that the integration cannot read: 500s, a new error pattern.",
              _switch("schema", True, False), target="halopsa", targets=("halopsa",), felt=True),
        Fault("slow_upstream", "An upstream takes about seven seconds longer: latency rises, health checks take seconds.",
              _switch("slow_s", SLOW_S, 0.0), target="halopsa", targets=_ALL, felt=True),
        Fault("queue_backlog", "A storm of webhooks, far more than the workers get through: the queue grows."),
        Fault("failing_sync", "HaloPSA refuses the leads of one source: failed syncs, an error for each lead.",
              _rejects, target="zoominfo", targets=c.SOURCES),
        Fault("exhausted_pool", "Jobs keep all database connections: requests wait, then fail with 503.", instance=True, felt=True),
        Fault("dead_dependency", "An upstream does not listen any more: its health check and what needs it fail.",
              _switch("dead", True, False), target="apollo", targets=_ALL),
        Fault("leak", "Memory and file handles grow until it is switched off.", instance=True),
        Fault("new_version", "The next version is rolled out, instance by instance (switched off: rolled back)."),
    )
}  # fmt: skip
