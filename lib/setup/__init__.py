"""Checks of everything that the settings name, one per source: to add one, write its function and one line here."""

from __future__ import annotations

from lib.settings import Settings
from lib.setup.alert_api import alert_api
from lib.setup.alert_channels import alert_channels
from lib.setup.backups import backup_ways
from lib.setup.base import Check, Source
from lib.setup.folder import data_folder
from lib.setup.health_targets import health_targets
from lib.setup.log_files import log_files
from lib.setup.metric_targets import metric_targets
from lib.setup.prometheus import prometheus
from lib.setup.rule_file import rule_file
from lib.setup.security import security
from lib.setup.stores import embedded_stores
from lib.stores import Stores

SOURCES: tuple[Source, ...] = (
    log_files, metric_targets, prometheus, health_targets, embedded_stores, data_folder, rule_file, alert_channels,
    alert_api, backup_ways, security,
)  # fmt: skip


def checks(settings: Settings, stores: Stores) -> list[Check]:
    """The checks of this deployment, in the order of the page; what is not configured says so when it is run."""
    return [source(settings, stores) for source in SOURCES]
