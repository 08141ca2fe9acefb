"""The whole contract, judged over the stores of a dashboard or over what was read of a service."""

from __future__ import annotations

import math
from datetime import datetime

from lib.contract.base import Finding, worst_first
from lib.contract.checks import heard_by_checks
from lib.contract.judge_health import Health
from lib.contract.judge_logs import Logs, recent
from lib.contract.judge_metrics import Metrics
from lib.contract.panels import shown_by
from lib.contract.uses import Uses, derive
from lib.errors import OpsError
from lib.metrics.base import MetricStore
from lib.signals import SIGNALS
from lib.stores import Stores
from lib.ui.pages import PAGES

MEAN = "sum(http_request_duration_seconds_sum) / sum(http_request_duration_seconds_count)"
POSSIBLE_S = 30.0
"""A mean over this says that the histogram is in another unit, so it cannot tell the log's."""


def uses_of(stores: Stores) -> Uses:
    """Who reads what, by the signals, the pages and these stores' rules. Takes about a second."""
    rules = tuple(stores.rules)
    return derive(SIGNALS, rules, shown_by({page.title: page.path for page in PAGES}), heard_by_checks(rules))


def judge(stores: Stores, at: datetime, uses: Uses) -> list[Finding]:
    """Every finding over a dashboard's stores, worst first. A store that does not answer is "not checked"; never raises
    SourceError."""
    mean_s = mean_response_s(stores.metrics, at)
    found = [
        *Metrics(stores.metrics, at, uses).findings(),
        *Logs(stores.logs, recent(at), uses, mean_s).findings(),
        *Health(stores.health, at, uses).findings(),
    ]
    return worst_first(found)


def mean_response_s(metrics: MetricStore, at: datetime) -> float | None:
    """The mean response time by the service's histogram, in s; None where it cannot be told."""
    try:
        mean = metrics.instant(MEAN, at).scalar()
    except OpsError:
        return None  # the metrics' own findings say so
    return None if mean is None or math.isnan(mean) or not 0 < mean <= POSSIBLE_S else mean
