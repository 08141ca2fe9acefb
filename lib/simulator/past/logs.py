"""The events as log lines, by the service's own logger so that their shape is the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from lib.simulator import catalogue as c
from lib.simulator.past.events import LEAD_SOURCES, Events, chosen
from lib.simulator.past.story import Floats, Span
from lib.simulator.past.words import Words
from lib.telemetry.logger import Logger

Line = tuple[float, bytes]


def lines(events: Events, span: Span, loggers: dict[str, Logger], seed: int) -> list[bytes]:
    """Every line of the span, by time. `loggers` has one per version."""
    writer = _Writer(events, span, loggers, Words(np.random.default_rng([seed, int(span.start)])))
    found = [*writer.requests(), *writer.leads(), *writer.syncs(), *writer.mishaps(), *writer.operations()]
    found.sort(key=lambda line: line[0])
    return [line for _, line in found]


class _Request(NamedTuple):
    row: int
    at: float
    instance: int
    endpoint: c.Endpoint
    status: int
    duration_s: float


class _Writer:
    """Turns the rows of one span into lines."""

    def __init__(self, events: Events, span: Span, loggers: dict[str, Logger], words: Words) -> None:
        self._events, self._span, self._loggers, self._words = events, span, loggers, words

    def _line(self, at: float, instance: int, level: str, message: str, fields: dict[str, Any]) -> Line:
        logger = self._loggers[self._events.story.version(instance, at, c.VERSIONS)]
        return at, logger.line(datetime.fromtimestamp(at, UTC), level, message, fields)

    def _error(self, at: float, instance: int, mishap: c.Mishap, context: dict[str, Any], *where: str) -> Line:
        operation, error, stack = self._words.mishap(mishap, *where)
        head = {"event": "operation.error", "operation": operation, "error": error, "stack": stack}
        return self._line(at, instance, "ERROR", "Operation Failed", {**head, **context})

    def _rows(self, at: Floats) -> list[int]:
        first, last = np.searchsorted(at, [self._span.start, self._span.end])
        return list(range(int(first), int(last)))

    def requests(self) -> Iterator[Line]:
        """Three records per request, and the error behind every 5xx."""
        all_of = self._events.requests
        rows = self._rows(all_of.at)
        columns = (all_of.at, all_of.instance, all_of.endpoint, all_of.status, all_of.duration_s)
        picked = [column[rows].tolist() for column in columns]
        for row, at, instance, index, status, duration_s in zip(rows, *picked, strict=True):
            yield from self._request(_Request(row, at, instance, c.ENDPOINTS[index], status, duration_s))

    def _request(self, request: _Request) -> Iterator[Line]:
        row, at, instance, endpoint, status, duration_s = request
        words, method = self._words, endpoint.method
        identity, url, agent = words.request_id(), words.url(endpoint.route), words.agent()
        body, size = self._body(row, endpoint), 120 + words.number(4000)
        headers = {"host": "integration", "accept": "*/*", "user-agent": agent, "authorization": "Bearer x"}
        head = {"requestId": identity, "method": method, "url": url}
        started = {**head, "headers": headers, "body": body, "ip": "127.0.0.1"}
        yield self._line(at - duration_s, instance, "INFO", "API Request Started", started)
        if status >= 500:
            yield self._failure(request, identity, url if endpoint.upstream else endpoint.route)
        took = round(duration_s * 1000, 1)
        done = {"requestId": identity, "statusCode": status, "duration": took, "responseSize": size}
        yield self._line(at, instance, "INFO", "API Request Completed", done)
        told = {"method": method, "url": url, "status": status, "duration": took, "ip": "127.0.0.1", "userAgent": agent}
        yield self._line(at, instance, "INFO", "HTTP Request", {**told, "requestId": identity})

    def _failure(self, request: _Request, identity: str, path: str) -> Line:
        name = {500: "no_mapping", 502: "halopsa_flaw", 503: "pool"}[request.status]
        context = {"requestId": identity}
        return self._error(request.at, request.instance, c.MISHAPS[name], context, request.endpoint.method, path)

    def _body(self, row: int, endpoint: c.Endpoint) -> dict[str, Any] | None:
        words = self._words
        if endpoint.route == "/webhooks/halopsa":
            return {"events": [{"event": c.WEBHOOK_EVENTS[words.number(5)], "client": words.number(5000)}]}
        if endpoint.method == "POST" and endpoint.route == "/api/opportunities":
            return {"prospect": "pros_" + words.hex(10), "value": self._events.value_of.get(row, 0)}
        if endpoint.method == "POST" and endpoint.route == "/api/leads":
            return {"company": words.company()[0], "password": words.hex(6)}
        return None

    def leads(self) -> Iterator[Line]:
        """Created, converted, opportunity."""
        words, requests, created = self._words, self._events.requests, self._events.created
        for row in self._rows(created.at):
            company, domain = words.company()
            email = f"{c.PEOPLE[words.number(len(c.PEOPLE))]}.{words.number(900)}@{domain}"
            fields = {"event": "lead.created", "leadId": words.lead_id(), "source": LEAD_SOURCES[created.source[row]],
                      "company": company, "email": email}  # fmt: skip
            yield self._line(float(created.at[row]), int(created.instance[row]), "INFO", "Lead Created", fields)
        rows = self._rows(requests.at)
        converted = chosen(requests, "POST", "/api/leads/{lead_id}/convert", 201)
        for row in (row for row in rows if converted[row]):
            fields = {"event": "lead.converted", "leadId": words.lead_id(), "prospectId": "pros_" + words.hex(10)}
            at, instance = float(requests.at[row]) - 0.002, int(requests.instance[row])
            yield self._line(at, instance, "INFO", "Lead Converted to Prospect", fields)
        for row in (row for row in rows if row in self._events.value_of):
            yield self._opportunity(row)

    def _opportunity(self, row: int) -> Line:
        words, requests = self._words, self._events.requests
        at = float(requests.at[row]) - 0.002
        close = datetime.fromtimestamp(at + 86_400 * (20 + words.number(100)), UTC).date().isoformat()
        fields = {
            "event": "opportunity.created", "opportunityId": "opp_" + words.hex(10),
            "value": self._events.value_of[row], "probability": (1 + words.number(9)) * 10, "expectedCloseDate": close,
        }  # fmt: skip
        return self._line(at, int(requests.instance[row]), "INFO", "Opportunity Created", fields)

    def syncs(self) -> Iterator[Line]:
        """One record per sync run, and the error of a run that failed as a whole or of single leads."""
        syncs, outage = self._events.syncs, self._events.story.apollo_outage
        for row in self._rows(syncs.at):
            at, instance, source = float(syncs.at[row]), int(syncs.instance[row]), c.SOURCES[int(syncs.source[row])]
            processed, failed = int(syncs.processed[row]), int(syncs.failed[row])
            took = round(float(syncs.duration_s[row]) * 1000, 1)
            stats = {"processed": processed, "successful": processed - failed, "failed": failed, "duration": took}
            fields = {"event": "sync.completed", "source": source, "stats": stats}
            yield self._line(at, instance, "INFO", "Data Synchronization Completed", fields)
            if source == "apollo" and outage.start <= at < outage.end:
                yield self._error(at - 0.01, instance, c.MISHAPS["refused"], {"source": source})

    def mishaps(self) -> Iterator[Line]:
        """Errors of background work."""
        for name, (at, instance) in self._events.mishaps.items():
            for row in self._rows(at):
                yield self._error(float(at[row]), int(instance[row]), c.MISHAPS[name], {})

    def operations(self) -> Iterator[Line]:
        """Starts of a process, backups, queues that grew."""
        for instance, deployed in enumerate(self._events.story.deploys):
            if self._inside(deployed):
                yield self._line(deployed - 1, instance, "INFO", "Service stopping", {"signal": "SIGTERM"})
                yield self._line(deployed + 20, instance, "INFO", "Service started", {"instance": instance})
        for at in np.arange(self._events.story.start // 86_400 * 86_400 + 2 * 3600 + 41, self._span.end, 86_400):
            if self._inside(float(at)):
                yield self._line(float(at), 0, "INFO", "Backup completed", {"event": "backup.completed"})
        for at in np.arange(self._span.start // 300 * 300, self._span.end, 300):
            waiting = float(self._events.story.backlog("lead_sync", np.array([at]))[0])
            if waiting > 300 and self._inside(float(at)):
                fields = {"queue": "lead_sync", "waiting": int(waiting)}
                yield self._line(float(at), 0, "WARN", "Queue is growing", fields)

    def _inside(self, at: float) -> bool:
        return self._span.start <= at < self._span.end
