"""What the simulated integration is made of: endpoints, upstreams, mishaps. The live run and the past both follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SERVICE = "halopsa-integration"
JOB = "halopsa-integration"
VERSIONS = ("2.3.1", "2.4.0", "2.5.0")
"""The one before the last deploy, the one that runs, the one that fault `new_version` rolls out."""

SOURCES = ("apollo", "zoominfo")
QUEUES = ("lead_sync", "enrichment", "webhooks")
PEAK_REQUESTS_PER_S = 0.5
"""Of both instances together in the busiest hour, at pace 1."""

SYNC_EVERY_S = 40.0
LEADS_PER_SYNC = (6, 14)
NEW_LEAD_SHARE = 0.03
CONVERSION_RATE = 0.18
POOL_SIZE, POOL_OVERFLOW = 8, 2
VALUE_RANGES = (("0-25k", 0.44), ("25k-50k", 0.26), ("50k-100k", 0.17), ("100k-250k", 0.10), ("250k+", 0.03))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route: its `share` of the traffic, the median `work_ms` of its own work, the upstream it waits for.

    `odds` are the shares of its requests that end in another status than `status`.
    """

    method: str
    route: str
    share: float
    work_ms: float
    status: int = 200
    upstream: str = ""
    queries: tuple[str, ...] = ("select",)
    odds: Mapping[int, float] = field(default_factory=dict)


ENDPOINTS = (
    Endpoint("GET", "/api/leads", 30, 55),
    Endpoint("GET", "/api/leads/{lead_id}", 22, 22, odds={404: 0.012}),
    Endpoint("POST", "/api/leads", 6, 38, 201, queries=("select", "insert"), odds={422: 0.03}),
    Endpoint("POST", "/api/leads/{lead_id}/convert", 2, 30, 201, "halopsa", ("select", "update", "insert"),
             {409: 0.03, 502: 0.008}),
    Endpoint("GET", "/api/prospects/{prospect_id}", 12, 15, 200, "halopsa", ("select",), {404: 0.006, 502: 0.006}),
    Endpoint("GET", "/api/opportunities", 9, 45),
    Endpoint("POST", "/api/opportunities", 1.3, 35, 201, "halopsa", ("select", "insert"), {422: 0.03, 502: 0.008}),
    Endpoint("POST", "/api/sync/{source}", 0.5, 12, 202),
    Endpoint("GET", "/api/reports/pipeline", 3, 620, odds={500: 0.02}),
    Endpoint("POST", "/webhooks/halopsa", 14, 9, 202, queries=("insert",), odds={401: 0.006}),
)  # fmt: skip

SPREAD = 0.55
"""Sigma of every log-normal duration."""

UPSTREAM_MS: Mapping[str, float] = {"halopsa": 95.0, "apollo": 180.0, "zoominfo": 240.0}
"""Median answer time of the fake upstreams."""


PING_SHARE = 0.4
"""A ping of an upstream takes this share of the time of real work."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """One kind of operation error: `text` has {fields}; `per_day` counts it in the past, at pace 1.

    `endpoint` and `status` tie it to the request that fails with it; a mishap of background work has neither.
    """

    name: str
    operation: str
    raised: str
    text: str
    per_day: float = 0.0
    route: str = ""
    status: int = 0


MISHAPS: Mapping[str, Mishap] = {
    m.name: m
    for m in (
        Mishap("no_mapping", "report.render", "FileNotFoundError",
               "[Errno 2] No such file or directory: '/srv/halopsa/mappings/pipeline-{number}.json'",
               route="/api/reports/pipeline", status=500),
        Mishap("halopsa_flaw", "halopsa.request", "UpstreamError",
               'HaloPSA answered 502 to {method} {path}: "upstream connect error" (request {request})',
               route="*", status=502),
        Mishap("halopsa_slow", "halopsa.request", "UpstreamTimeoutError",
               "HaloPSA gave no answer to {method} {path} within {number} ms", route="*", status=504),
        Mishap("bad_schema", "halopsa.request", "UpstreamError",
               'HaloPSA answer to {method} {path} has no field "{key}" (request {request})', route="*", status=500),
        Mishap("rate_limited", "apollo.sync", "UpstreamError",
               "Apollo answered 429 to POST /v1/people/search?page={number}: rate limit of key ending '{key}' reached",
               per_day=22),
        Mishap("html_answer", "zoominfo.sync", "UpstreamError",
               'ZoomInfo answered text instead of JSON to GET /lookup/contacts/{number}: "<!DOCTYPE html>"', per_day=16),
        Mishap("refused", "{source}.sync", "UpstreamError",
               "No connection to {title} at {address}: all attempts failed after {number} ms"),
        Mishap("rejected_lead", "halopsa.push_lead", "UpstreamError",
               'HaloPSA rejected lead {lead}: custom field "CFLeadScore" must be a number, got "{key}"', per_day=60),
        Mishap("push_failed", "halopsa.push_lead", "UpstreamError",
               'HaloPSA answered 502 to {method} {path}: "upstream connect error" (request {request})', per_day=24),
        Mishap("no_match", "enrich.company", "OperationError",
               'ZoomInfo knows no company for domain "{domain}" (lead {lead})', per_day=48),
        Mishap("bad_token", "token.refresh", "UpstreamError",
               "Token refresh failed: invalid_client (correlation id {request})", per_day=3),
        Mishap("no_score", "lead.score", "OperationError", "'employee_count' is missing in the profile of lead {lead}",
               per_day=14),
        Mishap("unmapped", "webhook.apply", "OperationError",
               'Webhook {request} names client {number}, which is not mapped (event "{key}")', per_day=20),
        Mishap("bad_date", "opportunity.create", "ValueError",
               "time data '{date}' does not match format '%Y-%m-%d'", route="/api/opportunities", status=422),
        Mishap("pool", "database.checkout", "TimeoutError",
               "QueuePool limit of size {number} overflow {number} reached, connection timed out, timeout 2.00",
               route="*", status=503),
    )
}  # fmt: skip

COMPANIES = (
    "Acme", "Globex", "Initech", "Umbrella", "Stark", "Wayne", "Hooli", "Vehement", "Massive Dynamic", "Soylent",
    "Cyberdyne", "Tyrell", "Wonka", "Gringotts", "Oscorp", "Nakatomi", "Pied Piper", "Aperture", "Bluth", "Dunder",
)  # fmt: skip
SUFFIXES = ("GmbH", "Ltd", "Inc", "AG", "LLC", "BV", "SAS", "Group")
PEOPLE = (
    "ada", "alan", "grace", "linus", "margaret", "dennis", "barbara", "ken", "katherine", "edsger", "radia", "tim",
    "hedy", "donald", "annie", "guido", "joan", "vint", "sophie", "niklaus",
)  # fmt: skip
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15",
    "HaloPSA-Webhook/2.188",
    "halo-crm-mobile/5.12 (iOS 18.4)",
)
WEBHOOK_EVENTS = ("Client.Updated", "Ticket.Created", "Opportunity.Won", "Opportunity.Lost", "User.Updated")
