"""The history of /health: one episode per stretch of time in which a check kept its status."""

from __future__ import annotations

from typing import Protocol

import pandas as pd

from lib.window import Window


class HealthLog(Protocol):
    """Episodes of (target, check, status). Time not covered by an episode is unknown, not healthy."""

    name: str

    def now(self) -> pd.DataFrame:
        """The newest episode of each target and check: `target`, `check`, `status` (healthy, unhealthy, unknown),
        `reason` ("" when healthy), `since`, `last_seen` (UTC), `response_ms` (NaN where none or implausible),
        `version`, `uptime_s`, `detail` (JSON text of what else the check said)."""

    def episodes(self, window: Window) -> pd.DataFrame:
        """Episodes that touch the window, oldest first, unclipped: `target`, `check`, `status`, `reason`,
        `since`, `until`."""
