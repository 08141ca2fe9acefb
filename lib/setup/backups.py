"""Checks every way by which a backup is known, and whether heartbeats come."""

from __future__ import annotations

from datetime import UTC, datetime

from lib.backups import BACKUP, backups
from lib.settings import Settings
from lib.setup.base import Check, Grade, Row, off
from lib.stores import Stores
from lib.words import span


def backup_ways(settings: Settings, stores: Stores) -> Check:
    """A row per way; heartbeats are only counted here, as they come by themselves."""

    def ask() -> list[Row]:
        asked = settings.model_copy(update={"heartbeats": ()})
        now = datetime.now(UTC)
        rows = [
            _row(one.name, one.age_s(now), one.problem, one.said) for one in backups(asked, stores.metrics, None, now)
        ]
        names = [one.name for one in settings.expected_heartbeats]
        if names:
            rows.append(
                Row("heartbeats", Grade.OK, f"expected: {', '.join(names)}; how they stand is on the System page")
            )
        return rows or off(BACKUP, "HALO_OPS_BACKUP_FILES or HALO_OPS_HEARTBEATS", " (docs/backup-and-heartbeats.md)")

    return Check("backups", "Backups", "What tells of the last good backup.", ask)


def _row(name: str, age_s: float | None, problem: str, said: str) -> Row:
    if age_s is None:
        hint = "Export it, or tell of backups by files or a heartbeat: docs/backup-and-heartbeats.md."
        return Row(name, Grade.WARNING, problem, hint)
    return Row(name, Grade.OK, f"{span(age_s)} old" + (f" ({said})" if said else ""))
