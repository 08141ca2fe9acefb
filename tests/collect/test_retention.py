"""Dropping what is older than the settings keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from lib.collect.retention import Policy, retain
from lib.errors import SourceUnavailable

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class Store:
    name: str
    broken: bool = False
    asked: list[datetime] = field(default_factory=list)

    def retain(self, older_than: datetime) -> int:
        self.asked.append(older_than)
        if self.broken:
            raise SourceUnavailable("the disk is full", self.name)
        return 5


def test_each_store_keeps_its_own_number_of_days() -> None:
    logs, health = Store("logs"), Store("health")

    retain([Policy(logs, 30), Policy(health, 400)], NOW)

    assert (logs.asked, health.asked) == ([NOW - timedelta(days=30)], [NOW - timedelta(days=400)])


def test_a_store_that_cannot_is_named_and_the_others_still_tidy_up() -> None:
    logs, health = Store("logs", broken=True), Store("health")

    with pytest.raises(SourceUnavailable, match="logs: the disk is full"):
        retain([Policy(logs, 30), Policy(health, 400)], NOW)

    assert len(health.asked) == 1
