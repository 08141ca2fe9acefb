"""Checks the stores behind the pages: that they answer, and how fresh they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from lib.errors import SourceError
from lib.settings import Settings
from lib.setup.base import Check, Grade, Row
from lib.stores import Stores

HINT = "Look at the data folder's check and at this process's own log; a restart opens the file anew."


def embedded_stores(_settings: Settings, stores: Stores) -> Check:
    """A row per store."""

    def ask() -> list[Row]:
        return [
            _row(stores.logs.name, "newest record", stores.logs.newest),
            _row(stores.metrics.name, "newest sample", stores.metrics.newest),
            _row(stores.health.name, "newest probe", lambda: _last_probe(stores)),
        ]

    return Check("stores", "Stores", "Where records, samples, probes and state are kept.", ask)


def _last_probe(stores: Stores) -> datetime | None:
    seen = stores.health.now()["last_seen"]
    return None if seen.empty else seen.max().to_pydatetime()


def _row(name: str, what: str, newest: Callable[[], datetime | None]) -> Row:
    try:
        moment = newest()
    except SourceError as error:
        return Row(name, Grade.FAILED, str(error), HINT)
    if moment is None:
        return Row(name, Grade.WARNING, "answers; empty", "Nothing was collected yet: see the sources above.")
    age_s = (datetime.now(UTC) - moment).total_seconds()
    return Row(name, Grade.OK, f"answers; {what} {max(age_s, 0):,.0f} s old")
