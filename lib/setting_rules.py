"""The settings of the alert rules and of their evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings

from lib.setting_sources import setting


class RuleSettings(BaseSettings):
    """Which rules, evaluated by whom and how often, and how long their alerts are kept."""

    rules_file: Path = setting(
        Path("deploy/prometheus/rules.yml"), "Prometheus rule file: alert rules and threshold lines."
    )
    own_rules_file: Path | None = setting(
        Path("deploy/prometheus/halo-ops-rules.yml"), "Rule file about the dashboard itself. Always evaluated here."
    )
    rules_from: Literal["here", "prometheus"] = setting(
        "here",
        "Who evaluates the rules: here, or the Prometheus of PROMETHEUS_URL, whose own rules and alerts are then shown "
        "and notified.",
    )
    rules_interval_s: float = setting(
        15, "Time between two evaluations of a rule whose group names none.", unit="s", ge=1, le=3600
    )
    retention_alerts_days: int = setting(400, "Age at which resolved alerts are dropped.", unit="days", ge=1, le=3650)
    retention_stories_days: int = setting(
        30,
        "Age at which sent notices and the steps of an alert (why somebody was told) are dropped.",
        unit="days",
        ge=1,
        le=3650,
    )
