"""Which engine stands behind each store: the one place that knows."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lib.alerts.rules import Rule, load_rules
from lib.collect.redact import redact
from lib.errors import SettingsError
from lib.logs.base import LogStore
from lib.logs.duckdb import DuckLogs
from lib.logs.elastic.client import Access, Connection
from lib.logs.elastic.store import ElasticLogs
from lib.logs.ingest import LogSink
from lib.metrics.base import MetricStore
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import MetricSink
from lib.settings import Settings, hosts_of
from lib.state.health_sql import SqlHealthLog
from lib.stores import Stores


class LogDatabase(LogStore, LogSink, Protocol):
    """A log store that this process fills and keeps in order."""

    def compact(self) -> object:
        """Tidies what many small writes left behind. Raises SourceError."""

    def retain(self, older_than: datetime) -> object:
        """Drops records from before `older_than`. Raises SourceError."""


class MetricDatabase(MetricStore, MetricSink, Protocol):
    """A metric store that this process fills and keeps in order."""

    def retain(self, older_than: datetime) -> object:
        """Drops samples from before `older_than`. Raises SourceError."""


@dataclass(frozen=True, slots=True)
class OpenStores:
    """The stores of this process; `stores` is what pages and signals get.

    `log_database` is the log store where this process fills it; None where the logs are read from Elasticsearch.
    """

    logs: LogStore
    metrics: MetricDatabase
    health: SqlHealthLog
    closing: ExitStack
    rules: tuple[Rule, ...] = ()
    log_database: LogDatabase | None = None

    @property
    def stores(self) -> Stores:
        """The same stores, as those who only ask know them."""
        return Stores(logs=self.logs, metrics=self.metrics, health=self.health, rules=self.rules)

    def close(self) -> None:
        """Writes what is committed and lets another process have the files; a second call does nothing."""
        self.closing.close()


def open_stores(settings: Settings) -> OpenStores:
    """Opens the embedded stores in `settings.data_dir` (made if missing), and those that the settings name instead.

    Raises SettingsError for a wrong rule or CA file, and SourceUnavailable that names the process that holds them or
    why the folder cannot be written. A remote store that does not answer is no error here: the pages say so.
    """
    rules = load_rules(settings.rules_file)
    with ExitStack() as opened:
        database = None if settings.elasticsearch_node else DuckLogs(settings.data_dir / "logs.duckdb")
        logs = database or open_elastic(settings)
        opened.callback(logs.close)
        metrics = DuckMetrics(settings.data_dir / "metrics.duckdb")
        opened.callback(metrics.close)
        health = open_health(settings)
        opened.callback(health.close)
        return OpenStores(logs, metrics, health, opened.pop_all(), rules, database)


def open_elastic(settings: Settings) -> ElasticLogs:
    """The logs in Elasticsearch; nothing is asked yet. Raises SettingsError for a CA file that cannot be used."""
    access = Access(
        hosts_of(settings.elasticsearch_node), settings.es_index, settings.es_username,
        settings.es_password.get_secret_value(), settings.es_api_key.get_secret_value(),
        settings.es_bearer_token.get_secret_value(), settings.es_ca_file, settings.es_verify,
    )  # fmt: skip
    try:
        connection = Connection(access)
    except (OSError, ValueError) as error:
        raise SettingsError(f"HALO_OPS_ES_CA_FILE: {settings.es_ca_file} cannot be used ({error})") from error
    return ElasticLogs(connection, clean=lambda value: redact(value)[0])


def open_health(settings: Settings) -> SqlHealthLog:
    """The history of /health in `settings.data_dir`, judged by the settings' patience."""
    return SqlHealthLog(
        f"sqlite:///{settings.data_dir / 'state.sqlite'}",
        failures=settings.probe_failures,
        successes=settings.probe_successes,
        interval_s=settings.probe_interval_s,
    )
