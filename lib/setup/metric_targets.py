"""Checks the /metrics addresses that this process scrapes."""

from __future__ import annotations

from lib.collect.exposition import parse_exposition
from lib.collect.fetch import FetchError, without_secrets
from lib.collect.scrape import ACCEPT, Limits, exposition_of
from lib.contract.metrics import METRICS
from lib.settings import Settings
from lib.setup.base import Check, Grade, Row, off
from lib.setup.web import Answer, asked
from lib.stores import Stores

SERIES = frozenset(series for metric in METRICS if not metric.own for series in metric.series[:1])


def metric_targets(settings: Settings, _stores: Stores) -> Check:
    """A row per target: answer, series, expected metrics, clock."""

    def ask() -> list[Row]:
        if not settings.scrape_targets:
            why = "" if settings.prometheus_url else ", or PROMETHEUS_URL where a Prometheus scrapes the service"
            return off("/metrics", "HALO_OPS_SCRAPE_TARGETS", why)
        rows = asked(settings.scrape_targets, ACCEPT, Limits().body_bytes, _judge)
        if settings.prometheus_url and not settings.scrape_as_well:
            rows.append(Row("all", Grade.WARNING, "not scraped: metrics are asked of Prometheus",
                            "Take HALO_OPS_SCRAPE_TARGETS away, or set HALO_OPS_SCRAPE_AS_WELL."))  # fmt: skip
        return rows

    return Check("metric_targets", "/metrics targets", "What the service exports for scraping.", ask)


def _judge(answer: Answer) -> Row:
    body = exposition_of(answer.fetched)
    try:
        found = parse_exposition(body, extra={}, default_ts_ms=0, max_samples=Limits().samples, cache={})
    except ValueError as error:
        raise FetchError(f"the answer is not in Prometheus' format: {without_secrets(str(error))}") from None
    names = {labels["__name__"] for labels in found.labels}
    expected = len(names & SERIES)
    said = ", ".join([*answer.facts(), f"{len(found.values)} series", f"{expected} of {len(SERIES)} expected metrics"])
    if not expected:
        hint = "It answers, but exports none of the service's metrics: is this another program's address?"
        return Row(answer.instance, Grade.FAILED, said, hint)
    return Row(answer.instance, Grade.WARNING if answer.skew_hint else Grade.OK, said, answer.skew_hint)
