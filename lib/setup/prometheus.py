"""Checks the Prometheus server that is asked for metrics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from lib import tls_faults, wiring
from lib.contract.metrics import METRICS
from lib.errors import OpsError, SourceRejected
from lib.metrics.prometheus import PrometheusMetrics
from lib.settings import Settings
from lib.setup.base import Check, Grade, Row, off
from lib.setup.web import SKEW_S
from lib.stores import Stores

OLD_S = 120.0
EXPECTED = frozenset(metric.series[0] for metric in METRICS if not metric.own)


_HINTS = (
    ("credentials", "Set PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD, or PROMETHEUS_BEARER_TOKEN."),
    *tls_faults.hints("PROMETHEUS_URL"),
    ("PROMETHEUS_CA", "Set PROMETHEUS_CA to the file of the authority that signed its certificate."),
    ("no whole answer", "It hangs, or a firewall drops packets: try PROMETHEUS_URL with curl from this host."),
)  # fmt: skip


def prometheus(settings: Settings, _stores: Stores) -> Check:
    """Reachable and authorised, version, series, targets, rules, newest sample."""

    def ask() -> list[Row]:
        server = wiring.open_prometheus(settings)
        if server is None:
            return off("Prometheus", "PROMETHEUS_URL", " to ask a server instead of the embedded store")
        try:
            return _rows(server, settings.job)
        finally:
            server.close()

    return Check("prometheus", "Prometheus", "The server that is asked for metrics.", ask)


def _rows(server: PrometheusMetrics, job: str) -> list[Row]:
    try:
        server.instant("vector(1)", datetime.now(UTC))
    except OpsError as error:
        return [Row("answer", Grade.FAILED, str(error), _hint(error))]
    parts: tuple[tuple[str, Callable[[], Row]], ...] = (
        ("answer", lambda: Row("answer", Grade.OK, f"answers and takes our credentials, {_version(server)}")),
        ("metrics", lambda: _series(server)), ("newest sample", lambda: _newest(server)),
        ("targets", lambda: _targets(server, job)), ("rules", lambda: _rules(server)),
    )  # fmt: skip
    rows = []
    for what, look in parts:
        try:
            rows.append(look())
        except OpsError as error:
            rows.append(Row(what, Grade.WARNING, str(error), "Not every compatible server tells this."))
    return rows


def _hint(error: OpsError) -> str:
    text = str(error)
    for words, hint in _HINTS:
        if words in text:
            return hint
    if isinstance(error, SourceRejected):
        return "Set PROMETHEUS_URL to the server itself, with its path prefix."
    return "Is the server running, and does PROMETHEUS_URL have the right host and port?"


def _version(server: PrometheusMetrics) -> str:
    try:
        return f"version {server.version()}"
    except OpsError:
        return "its version is not told"


def _series(server: PrometheusMetrics) -> Row:
    names = set(server.label_values("__name__"))
    found = len(names & EXPECTED)
    said = f"{len(names):,} metrics, {found} of {len(EXPECTED)} expected ones"
    if not found:
        return Row("metrics", Grade.FAILED, said, "It does not scrape the service: add it to scrape_configs.")
    return Row("metrics", Grade.OK, said)


def _newest(server: PrometheusMetrics) -> Row:
    newest = server.newest()
    if newest is None:
        return Row("newest sample", Grade.FAILED, "none in the last day", "Does it scrape anything?")
    age_s = (datetime.now(UTC) - newest).total_seconds()
    if age_s < -SKEW_S:
        return Row(
            "newest sample", Grade.WARNING, f"{-age_s:.0f} s ahead of now", "Set the clocks of both hosts by NTP."
        )
    old = age_s > OLD_S
    hint = "Its scrapes fail or stand still: see its targets." if old else ""
    return Row("newest sample", Grade.WARNING if old else Grade.OK, f"{max(age_s, 0):,.0f} s old", hint)


def _targets(server: PrometheusMetrics, job: str) -> Row:
    targets = server.targets()
    mine = [target for target in targets if target.get("labels", {}).get("job") == job]
    said = f"{len(mine)} of {len(targets)} targets have job {job}"
    if not mine:
        return Row(
            "targets",
            Grade.FAILED,
            said,
            f"Set HALO_OPS_JOB to the job_name that Prometheus has, or job_name to {job}.",
        )
    down = [target for target in mine if target.get("health") != "up"]
    if down:
        reason = str(down[0].get("lastError", ""))[:200]
        return Row(
            "targets", Grade.FAILED, f"{said}, {len(down)} down: {reason}", "The service does not answer its scrapes."
        )
    return Row("targets", Grade.OK, f"{said}, all up")


def _rules(server: PrometheusMetrics) -> Row:
    rules = [rule for group in server.rules() for rule in group.get("rules", ())]
    broken = [str(rule.get("name", "")) for rule in rules if rule.get("health") == "err"]
    if broken:
        return Row(
            "rules",
            Grade.WARNING,
            f"{len(rules)} rules, failing: {', '.join(broken[:3])}",
            "See them at /rules of the server.",
        )
    return Row("rules", Grade.OK, f"{len(rules)} rules of its own")
