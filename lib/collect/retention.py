"""Drops what is older than the settings keep."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from lib.errors import SourceError, SourceUnavailable

_log = logging.getLogger(__name__)


class Retaining(Protocol):
    """A store that can drop its oldest."""

    @property
    def name(self) -> str:
        """Its name on the pages."""

    def retain(self, older_than: datetime) -> object:
        """Drops everything from before `older_than`. Raises SourceError."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`store` keeps `days` days."""

    store: Retaining
    days: int


def retain(policies: Sequence[Policy], now: datetime) -> None:
    """Applies every policy; one store that cannot does not keep the others from theirs. Raises SourceUnavailable."""
    failed = []
    for policy in policies:
        try:
            dropped = policy.store.retain(now - timedelta(days=policy.days))
        except SourceError as error:
            failed.append(f"{policy.store.name}: {error}")
        else:
            if dropped:
                _log.info("%s: dropped %s older than %d days", policy.store.name, dropped, policy.days)
    if failed:
        raise SourceUnavailable("; ".join(failed), "retention")
