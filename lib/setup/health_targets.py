"""Checks the /health addresses that this process probes."""

from __future__ import annotations

from lib.collect.probe import LARGEST_ANSWER
from lib.contract.judge_health import CHECKS, SERVICE
from lib.settings import Settings
from lib.setup.base import Check, Grade, Row, off
from lib.setup.web import Answer, asked, hint_for
from lib.state.answer import read_answer
from lib.stores import Stores

NO_REPORT = "not a health report"


def health_targets(settings: Settings, _stores: Stores) -> Check:
    """A row per target: what it says of itself, and which checks it reports."""

    def ask() -> list[Row]:
        if not settings.health_targets:
            return off("/health", "HALO_OPS_HEALTH_TARGETS", "")
        return asked(settings.health_targets, "application/json, */*;q=0.1", LARGEST_ANSWER, _judge)

    return Check("health_targets", "/health targets", "What the service says of itself and its dependencies.", ask)


def _judge(answer: Answer) -> Row:
    found = read_answer(answer.fetched.status_code, answer.fetched.body, "")
    service, *named = found.readings
    said = [*answer.facts(), service.reason or "healthy", f"{len(named)} checks"]
    if found.version:
        said.append(f"version {found.version}")
    if NO_REPORT in service.reason:
        code = f"HTTP {answer.fetched.status_code}"
        hint = hint_for(code) if answer.fetched.status_code != 200 else "Answer in JSON with status and checks."
        return Row(answer.instance, Grade.FAILED, ", ".join(said), hint)
    lacking = [name for name in CHECKS if name != SERVICE and name not in {reading.check for reading in named}]
    if lacking:
        hint = f"It does not report {', '.join(lacking)}: nothing is known of them. "
        return Row(answer.instance, Grade.WARNING, ", ".join(said), hint + answer.skew_hint)
    return Row(answer.instance, Grade.WARNING if answer.skew_hint else Grade.OK, ", ".join(said), answer.skew_hint)
