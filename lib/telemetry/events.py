"""What happened in the business: each event is a log record and its counters, at once."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping
from typing import Any

from lib.telemetry.logger import Logger
from lib.telemetry.metrics import Metrics, value_range


class BusinessEvents:
    """Tells the log and the metrics together, so that the two cannot disagree."""

    def __init__(self, logger: Logger, metrics: Metrics) -> None:
        self._logger = logger
        self._metrics = metrics

    def lead_created(self, lead: Mapping[str, Any], source: str) -> None:
        """A lead came in from `source`. Reads the lead's `id`, `company` and `email`; a missing one is null."""
        self._metrics.leads_created_total.labels(source).inc()
        self._logger.info(
            "Lead Created",
            event="lead.created",
            leadId=lead.get("id"),
            source=source,
            company=lead.get("company"),
            email=lead.get("email"),
        )

    def lead_converted(self, lead_id: str | int, prospect_id: str | int) -> None:
        """A lead became a prospect."""
        self._metrics.prospects_created_total.inc()
        self._logger.info("Lead Converted to Prospect", event="lead.converted", leadId=lead_id, prospectId=prospect_id)

    def opportunity_created(self, opportunity: Mapping[str, Any]) -> None:
        """An opportunity was opened. Reads its `id`, `value`, `probability` and `expected_close_date`."""
        value = opportunity.get("value")
        self._metrics.opportunities_created_total.labels(value_range(_number(value))).inc()
        self._logger.info(
            "Opportunity Created",
            event="opportunity.created",
            opportunityId=opportunity.get("id"),
            value=value,
            probability=opportunity.get("probability"),
            expectedCloseDate=opportunity.get("expected_close_date"),
        )

    def sync_completed(self, source: str, processed: int, successful: int, failed: int, duration_ms: float) -> None:
        """A run that took in leads of `source` ended. The three counts are of leads."""
        self._metrics.lead_sync_total.labels(source, "success").inc(successful)
        self._metrics.lead_sync_total.labels(source, "failed").inc(failed)
        stats = {"processed": processed, "successful": successful, "failed": failed, "duration": duration_ms}
        self._logger.info("Data Synchronization Completed", event="sync.completed", source=source, stats=stats)

    def error_occurred(self, operation: str, error: BaseException | str, /, **context: Any) -> None:
        """An operation failed. `error` tells failures apart; `context` adds fields, but replaces none of the four."""
        fields = {"event": "operation.error", "operation": operation, "error": _text(error), "stack": _stack(error)}
        self._logger.error("Operation Failed", **{**fields, **context, **fields})


def _number(value: Any) -> float:
    """The value as the guide's own comparisons see it: nothing is 0, what is no number is NaN."""
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return math.nan


def _text(error: BaseException | str) -> str:
    return str(error) or type(error).__name__


def _stack(error: BaseException | str) -> str:
    if isinstance(error, str):
        return "".join(traceback.format_stack(limit=12)[:-2])
    return "".join(traceback.format_exception(error)).rstrip()
