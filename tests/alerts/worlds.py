"""A bad night as the tables of alerting hold it: what pages are tried on, in tests and by eye."""

from __future__ import annotations

from datetime import datetime, timedelta

from lib.alerts.tables import AlertRow
from lib.state.database import State
from tests.alerts.seeded import MINUTE, alert, channel, ended, line, pending, put, rule, told

HOUR = timedelta(hours=1)


def bad_night(state: State, now: datetime) -> dict[str, AlertRow]:
    """Two rules fire, one is pending, one recovers, one was pushed, one rule is broken and one metric was never seen."""
    rows = {
        "errors": alert("HighErrorRate", now - 14 * MINUTE, value=0.123, annotations={
            "summary": "12.3% of requests fail", "runbook_url": "https://wiki.example.com/high-error-rate",
            "description": "12.3% of all HTTP requests of the last 5 minutes were answered with a 5xx status; the limit is 5%."}),
        "leads": alert("QueueBacklog", now - 50 * MINUTE, severity="warning", value=2412.0,
                       labels={"queue_name": "leads", "instance": "a:3000"},
                       acked_at=now - 30 * MINUTE, acked_by="anna@example.com", ack_note="scaling the workers"),
        "mail": alert("QueueBacklog", now - 20 * MINUTE, severity="warning", value=1100.0,
                      labels={"queue_name": "mail", "instance": "a:3000"}, keep_since=now - 2 * MINUTE),
        "slow": pending("SlowResponseTime", now - 2 * MINUTE, severity="warning", value=6.2),
        "pushed": alert("NightlyExportFailed", now - 3 * HOUR, severity="info", origin="api", value=None, rule="api/export",
                        labels={"job": "export"}, annotations={"summary": "Export 17 ended with exit code 1"}),
        "before": ended("HighErrorRate", now - 5 * HOUR, 12 * MINUTE, value=0.08, acked_by="anna@example.com",
                        acked_at=now - 5 * HOUR + 4 * MINUTE, noise="useful"),
    }  # fmt: skip
    ids = put(state, rows.values())
    for row, alert_id in zip(rows.values(), ids, strict=True):
        row.id = alert_id
    put(state, [rule("HighErrorRate", now), rule("QueueBacklog", now), rule("SlowResponseTime", now),
                rule("DBConnectionPoolExhausted", now, "no-data", "", ever_seen=False),
                rule("LeadSyncFailures", now, "error", "Prometheus does not answer: timed out after 10 s")])  # fmt: skip
    _stories(state, now, rows)
    return rows


def _stories(state: State, now: datetime, rows: dict[str, AlertRow]) -> None:
    errors = rows["errors"]
    put(state, [
        line(errors, now - 14 * MINUTE, "pending", "pending: 12.3 % is over 5 %, for 2 min now"),
        line(errors, now - 12 * MINUTE, "firing", "firing: the condition held for 2 min"),
        line(errors, now - 12 * MINUTE, "sent", "answered 200 ok after 81 ms", "slack"),
        line(errors, now - 11 * MINUTE, "failed", "no such recipient: 550 5.1.1 unknown user", "email"),
        line(errors, now - 7 * MINUTE, "cooldown", "held back: told 5 min ago, next not before 02:19", "slack"),
        told(errors, "slack", now - 12 * MINUTE),
        channel("slack", last_success_at=now - 12 * MINUTE),
        channel("email", broken_since=now - 11 * MINUTE, broken_why="550 5.1.1 unknown user"),
    ])  # fmt: skip
