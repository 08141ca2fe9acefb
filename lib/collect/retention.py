"""Drops what is older than the settings keep."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from lib.errors import SourceError, SourceUnavailable
from lib.status import Retained

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


def applied(policies: Sequence[Policy], now: datetime) -> tuple[Retained, ...]:
    """Applies every policy; one store that cannot does not keep the others from theirs, and says why."""
    return tuple(_applied(policy, now) for policy in policies)


def _applied(policy: Policy, now: datetime) -> Retained:
    told = Retained(policy.store.name, policy.days, now - timedelta(days=policy.days))
    try:
        dropped = policy.store.retain(told.older_than)
    except SourceError as error:
        return replace(told, error=str(error))
    if dropped:
        _log.info("%s: dropped %s older than %d days", policy.store.name, dropped, policy.days)
    return replace(told, dropped=dropped if isinstance(dropped, int) else 0)


def refuse_failures(done: Sequence[Retained]) -> None:
    """Raises SourceUnavailable that names every store which could not."""
    failed = [f"{one.store}: {one.error}" for one in done if one.error]
    if failed:
        raise SourceUnavailable("; ".join(failed), "retention")


def retain(policies: Sequence[Policy], now: datetime) -> tuple[Retained, ...]:
    """`applied`, and then `refuse_failures`."""
    done = applied(policies, now)
    refuse_failures(done)
    return done
