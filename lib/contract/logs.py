"""The log records that the dashboard expects, and where each of their fields ends up in a log store."""

from __future__ import annotations

from dataclasses import dataclass

HTTP_REQUEST, COMPLETED = "HTTP Request", "API Request Completed"


@dataclass(frozen=True, slots=True)
class Field:
    """One field as the service writes it. `column` is a column of `LogStore.search`, a measure of `LogStore.totals`, or
    "" where it stays under its own name among the other fields. `reads` are the names it is asked for by: its column
    unless told otherwise. `optional`: a record without it is as good."""

    name: str
    column: str = ""
    unit: str = ""
    reads: tuple[str, ...] | None = None
    optional: bool = False

    @property
    def read_as(self) -> tuple[str, ...]:
        """What questions call it."""
        return self.reads if self.reads is not None else (self.column,) if self.column else ()


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of record, known by its `event`, or by its `message` where it has none."""

    message: str
    event: str = ""
    fields: tuple[Field, ...] = ()


SHAPES = (
    Shape(HTTP_REQUEST, "", (
        Field("method", "method"), Field("url", "url", reads=("route",)), Field("status", "status"),
        Field("duration", "duration_ms", "ms"), Field("ip"), Field("userAgent", optional=True),
    )),
    Shape("API Request Started", "", (
        Field("requestId", "request_id", reads=()), Field("method", "method", reads=()), Field("url", "url", reads=()),
    )),
    Shape(COMPLETED, "", (
        Field("requestId", "request_id", reads=()), Field("statusCode", "status", reads=()),
        Field("duration", "duration_ms", "ms", reads=()), Field("responseSize", "response_bytes", "bytes"),
    )),
    Shape("Lead Created", "lead.created", (Field("leadId", "lead_id"), Field("source", "source"))),
    Shape("Lead Converted to Prospect", "lead.converted", (Field("leadId", "lead_id"), Field("prospectId"))),
    Shape("Opportunity Created", "opportunity.created", (Field("opportunityId"), Field("value", "value", "currency"))),
    Shape("Data Synchronization Completed", "sync.completed", (
        Field("source", "source"), Field("stats.processed", "processed", "leads"),
        Field("stats.successful", "successful", "leads"), Field("stats.failed", "failed", "leads"),
        Field("stats.duration", "sync_ms", "ms"),
    )),
    Shape("Operation Failed", "operation.error", (
        Field("operation", "operation"), Field("error", "error", reads=("error", "pattern_id")),
        Field("stack", "stack", optional=True), Field("source", "source", optional=True),
    )),
)  # fmt: skip
"""`email`, `company`, `headers` and `body` may come too and are not asked for: personal data and credentials."""

COMMON = (
    Field("timestamp", "ts"), Field("level", "level"), Field("message", "message"), Field("service", "service"),
    Field("version", "version"),
)  # fmt: skip
"""What every record has."""

LEVELS = frozenset({"ERROR", "WARN", "INFO", "HTTP", "VERBOSE", "DEBUG", "SILLY", "FATAL", "CRITICAL", "TRACE"})
"""Winston's levels, and the worse ones that other loggers know."""
