"""Which engine stands behind each store: the one place that knows."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import stamina.instrumentation

from lib.alerts.rulebook import Rulebook
from lib.checklists import versions
from lib.collect import health_series
from lib.duck_lock import OWNED
from lib.errors import SettingsError
from lib.logs.base import LogStore
from lib.logs.duckdb import DuckLogs
from lib.logs.elastic.client import Access as ElasticAccess
from lib.logs.elastic.client import Connection
from lib.logs.elastic.ship import Shipper
from lib.logs.elastic.shipped import ShippedLogs
from lib.logs.elastic.store import ElasticLogs
from lib.logs.ingest import LogSink
from lib.metrics.base import MetricStore
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import MetricSink
from lib.metrics.prometheus import Access, PrometheusMetrics
from lib.metrics.routed import RoutedMetrics
from lib.own_metrics import PREFIX as OWN_PREFIX
from lib.redact import redact
from lib.setting_remote import hosts_of
from lib.settings import Settings
from lib.state.database import State, url_of
from lib.state.health_sql import SqlHealthLog
from lib.state.migrate import open_state
from lib.stores import Stores

KEEP_S = 2.0
"""How long a server's answer holds for an equal question: the cards of one page put several."""


class Mendable(Protocol):
    """A store whose file may break under it."""

    @property
    def recovered_from(self) -> Path | None:
        """Where a damaged file was moved; None where none was."""

    def mend(self) -> bool:
        """Opens it anew where an error made that necessary; whether it did. What writers were told may not be so then.
        A store on a server has nothing to mend: False. Raises SourceError."""


class LogDatabase(LogStore, LogSink, Mendable, Protocol):
    """A log store that this process fills and keeps in order."""

    def compact(self) -> object:
        """Tidies what many small writes left behind. Raises SourceError."""

    def retain(self, older_than: datetime) -> object:
        """Drops records from before `older_than`. Raises SourceError."""


class MetricDatabase(MetricStore, MetricSink, Mendable, Protocol):
    """A metric store that this process fills and keeps in order."""

    def retain(self, older_than: datetime) -> object:
        """Drops samples from before `older_than`. Raises SourceError."""


@dataclass(frozen=True, slots=True)
class OpenStores:
    """The stores of this process; `stores` is what pages and signals get.

    `prometheus` is asked for metrics where it is set; `metrics` then holds only what this process finds out by itself.
    `checklists` are the files that saved ones override.
    `log_database` is the log store where this process fills it; None where others fill Elasticsearch.
    """

    logs: LogStore
    metrics: MetricDatabase
    state: State
    health: SqlHealthLog
    closing: ExitStack
    rulebook: Rulebook
    prometheus: PrometheusMetrics | None = None
    log_database: LogDatabase | None = None
    checklists: versions.Folder = field(default_factory=versions.Folder)

    @property
    def stores(self) -> Stores:
        """The same stores, as those who only ask know them."""
        asked: MetricStore = self.metrics
        if self.prometheus is not None:
            asked = RoutedMetrics(self.prometheus, self.metrics, health_series.METRICS, OWN_PREFIX)
        book = self.rulebook
        remote = self.prometheus is not None or isinstance(self.logs, ElasticLogs)
        return Stores(self.logs, asked, self.health, book.service, book.about_itself, remote)

    def close(self) -> None:
        """Writes what is committed and lets another process have the files; a second call does nothing."""
        self.closing.close()


def open_stores(settings: Settings) -> OpenStores:
    """Opens the embedded stores in `settings.data_dir` (made if missing), those that the settings name instead, and the
    state wherever the settings keep it.

    A remote store is not asked yet: while it is down, pages say so. Raises SettingsError for a wrong rule, checklist or CA file,
    and SourceUnavailable that names the process that holds the stores or why the folder cannot be written.
    """
    checklists = open_checklists(settings)
    with ExitStack() as opened:
        database = open_log_database(settings)
        logs = database or open_elastic(settings)
        opened.callback(logs.close)
        metrics = DuckMetrics(settings.data_dir / OWNED)
        opened.callback(metrics.close)
        state = open_state(url_of(settings))
        opened.callback(state.close)
        health = open_health(settings, state)
        rulebook = open_rulebook(settings, state)
        prometheus = open_prometheus(settings)
        if prometheus is not None:
            opened.callback(prometheus.close)
        return OpenStores(logs, metrics, state, health, opened.pop_all(), rulebook, prometheus, database, checklists)


def check_files(settings: Settings) -> None:
    """Reads the files that the settings name, and opens no store. Raises SettingsError that lists every mistake in them."""
    problems = []
    for read in (open_checklists, open_rulebook):
        try:
            read(settings)
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))


def open_rulebook(settings: Settings, state: State | None = None) -> Rulebook:
    """The rules of the files, and over them what was edited in the app. Raises SettingsError that lists every mistake."""
    return Rulebook((settings.rules_file,), (settings.own_rules_file,) if settings.own_rules_file else (), state)


def open_checklists(settings: Settings) -> versions.Folder:
    """The checklists of the files. Raises SettingsError that lists every mistake in them."""
    return versions.Folder(Path(settings.checklists_dir) if settings.checklists_dir else versions.SHIPPED)


def open_prometheus(settings: Settings) -> PrometheusMetrics | None:
    """The server that the settings name, None where they name none."""
    if not settings.prometheus_url:
        return None
    stamina.instrumentation.set_on_retry_hooks([])  # what stays is told once, by the loop or page that asked
    access = Access(
        settings.prometheus_url,
        user=settings.prometheus_username,
        password=settings.prometheus_password.get_secret_value(),
        bearer=settings.prometheus_bearer_token.get_secret_value(),
        ca_file=settings.prometheus_ca,
        headers=settings.prometheus_header_fields,
    )
    return PrometheusMetrics(access, job=settings.job, keep_s=KEEP_S)


def open_log_database(settings: Settings) -> DuckLogs | ShippedLogs | None:
    """The log store that this process fills: embedded, or Elasticsearch with its positions in the same embedded file."""
    path = settings.data_dir / "logs.duckdb"
    if not settings.elasticsearch_node:
        return DuckLogs(path)
    if not settings.ship_to_elasticsearch:
        return None
    connection = open_connection(settings)
    ledger = DuckLogs(path)
    shipper = Shipper(elastic_access(settings), settings.ship_index, ledger)
    return ShippedLogs(connection, shipper, ledger, clean=lambda value: redact(value)[0])


def open_elastic(settings: Settings) -> ElasticLogs:
    """The logs in Elasticsearch; nothing is asked yet. Raises SettingsError for a CA file that cannot be used."""
    return ElasticLogs(open_connection(settings), clean=lambda value: redact(value)[0])


def elastic_access(settings: Settings) -> ElasticAccess:
    """Where the cluster is and who asks."""
    return ElasticAccess(
        hosts_of(settings.elasticsearch_node), settings.es_index, settings.es_username,
        settings.es_password.get_secret_value(), settings.es_api_key.get_secret_value(),
        settings.es_bearer_token.get_secret_value(), settings.es_ca_file, settings.es_verify,
    )  # fmt: skip


def open_connection(settings: Settings) -> Connection:
    """The connection to the cluster; nothing is asked yet. Raises SettingsError for a CA file that cannot be used."""
    try:
        return Connection(elastic_access(settings), keep_s=KEEP_S)
    except (OSError, ValueError) as error:
        raise SettingsError(f"HALO_OPS_ES_CA_FILE: {settings.es_ca_file} cannot be used ({error})") from error


def open_health(settings: Settings, state: State) -> SqlHealthLog:
    """The history of /health, judged by the settings' patience."""
    return SqlHealthLog(
        state,
        failures=settings.probe_failures,
        successes=settings.probe_successes,
        interval_s=settings.probe_interval_s,
    )
