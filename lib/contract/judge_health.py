"""Judges each expected check of /health by the history of its answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import pandas as pd

from lib.contract.base import Doubt, Finding, Verdict, judged
from lib.contract.uses import Uses
from lib.errors import SourceError
from lib.state.health import HealthLog

SERVICE = "service"
CHECKS = (SERVICE, "database", "halopsa", "apollo", "zoominfo", "queue", "system")
"""`service` is the answer as a whole; the others are named under `checks`."""

RECENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Health:
    """What is judged: the history at a moment."""

    log: HealthLog
    at: datetime
    uses: Uses

    def findings(self) -> list[Finding]:
        """One finding per expected check; all "not checked" where the history does not answer. Never raises SourceError."""
        try:
            found = self.log.now()
        except SourceError as error:
            return [
                Finding(f"/health: {name}", "health", Verdict.UNKNOWN, str(error), "See the Setup page.", dead=self.uses.health)
                for name in CHECKS
            ]  # fmt: skip
        if found.empty:
            hint = "Set HALO_OPS_HEALTH_TARGETS to the service's /health address."
            return [Finding("/health", "health", Verdict.MISSING, "never answered", hint, None, 0, self.uses.health)]
        return [self._judge(name, found[found["check"] == name]) for name in CHECKS]

    def _judge(self, name: str, rows: pd.DataFrame) -> Finding:
        item = f"/health: {name}"
        if rows.empty:
            hint = f"Report checks.{name} with a status."
            return Finding(item, "health", Verdict.MISSING, "never in an answer", hint, None, 0, self.uses.health)
        seen = rows["last_seen"].max().to_pydatetime()
        if seen < self.at - RECENT:
            hint = "It was there before: is it still probed, and still reported?"
            return Finding(item, "health", Verdict.MISSING, "not in the last 24 h", hint, seen, 0, self.uses.health)
        doubts = [*_service(rows)] if name == SERVICE else [*_check(rows)]
        count = rows["target"].nunique()
        fine = f"{count} instance{'' if count == 1 else 's'}"
        return judged(item, "health", doubts, fine=fine, last_seen=seen, count=count, dead=self.uses.health)


def _service(rows: pd.DataFrame) -> Iterator[Doubt]:
    strange = rows[rows["reason"].str.contains("not a health report", regex=False)]
    if len(strange):
        yield Doubt("the answer is no health report", "Answer in JSON with status and checks, also with 503.")
    elif rows["reason"].ne("").any() and rows["version"].eq("").all() and rows["uptime_s"].isna().all():
        return  # no answer came: the Setup page says why
    else:
        if rows["version"].eq("").any():
            yield Doubt("without version", "Report version: deploys are told by it.")
        if rows["uptime_s"].isna().any():
            yield Doubt("without uptime", "Report uptime in seconds.")


def _check(rows: pd.DataFrame) -> Iterator[Doubt]:
    if rows["status"].eq("unknown").any():
        yield Doubt("a status that is neither healthy nor unhealthy", "Report status as healthy or unhealthy.")
    if any("response_time_note" in _detail(text) for text in rows["detail"]):
        hint = "Measure it: Date.now() before and after, the difference in ms."
        yield Doubt("response_time is no latency (an epoch, or 0)", hint)


def _detail(text: str) -> dict[str, object]:
    try:
        found = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
