"""What the stores say about an item, for the person who looks at it: to add one, write its function and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from lib.checklists.evidence import daily, monthly, weekly
from lib.checklists.evidence.base import Around, Ask, Asked, clipped, unknown, whole_days
from lib.checklists.evidence_keys import EVIDENCE
from lib.checklists.model import Evidence, Previous
from lib.errors import OpsError
from lib.settings import Settings
from lib.stores import Stores
from lib.window import Window

__all__ = ["OF_THE_DEPLOYMENT", "TABLE", "Around", "Asked", "around_nobody", "collect"]

TABLE: Mapping[str, Ask] = {
    "new_error_patterns": daily.new_error_patterns,
    "resources": daily.resources,
    "backup": daily.backup,
    "queue_depths": daily.queue_depths,
    "performance": daily.performance_now,
    "top_errors": weekly.top_errors,
    "performance_trend": weekly.performance_trend,
    "retention": weekly.retention,
    "thresholds": weekly.thresholds,
    "security_events": weekly.security_events,
    "log_analysis": monthly.log_analysis,
    "benchmark": monthly.benchmark,
    "security": monthly.security,
    "compliance": monthly.compliance,
    "capacity": monthly.capacity,
}


OF_THE_DEPLOYMENT = frozenset({"retention", "security", "compliance"})
"""These look at settings, files and what people did, and not at what the service sends."""


def around_nobody(now: datetime) -> Around:
    """What is around where nothing was set and nobody did anything: to find out what an evidence asks its stores."""
    return Around(settings=Settings.model_construct(), now=now)


def collect(
    key: str, stores: Stores, run_window: Window, previous: Previous | None, limits: Mapping[str, float],
    *, around: Around | None = None,
) -> Evidence:  # fmt: skip
    """The evidence named `key` (a key of `evidence_keys`) over the run's period up to now; `limits` override its usual
    parameters, `around` is what there is besides the stores.

    Never raises for a source that is down: that is no data, with the reason. Raises KeyError for an unknown key.
    """
    around = around or Around()
    window, given = clipped(run_window, around.now), {**EVIDENCE[key], **limits}
    asked = Asked(stores, window, previous, given, around, whole_days(run_window.length))
    try:
        return TABLE[key](asked)
    except OpsError as error:
        source = getattr(error, "source", "")
        return unknown(f"{source}: {error}" if source and source not in str(error) else str(error))
