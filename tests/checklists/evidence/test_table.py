"""The table of evidence is complete, and nothing that is not known is ever ok."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from lib.checklists import versions
from lib.checklists.evidence import TABLE
from lib.checklists.evidence_keys import EVIDENCE
from lib.checklists.model import Evidence, Verdict
from lib.errors import SourceUnavailable
from tests.checklists.evidence.world import MONTH, NOW, World

WITHOUT_STORES = {"security", "retention", "compliance"}
"""These look at the settings and the state as well, so they may know something while a store is down."""


class Down:
    """A store that never answers."""

    name = "the store"

    def __getattr__(self, asked: str) -> Any:
        def refuse(*_: object, **__: object) -> object:
            raise SourceUnavailable("connection refused", "the store")

        return refuse


def shipped_keys() -> set[str]:
    lists = versions.Folder().checklists().values()
    return {item.evidence for one in lists for item in one.items if item.evidence}


def test_every_evidence_of_the_shipped_checklists_is_in_the_table_and_the_reverse() -> None:
    assert shipped_keys() == set(TABLE) == set(EVIDENCE)


@pytest.mark.parametrize("key", TABLE)
def test_on_empty_stores_an_evidence_knows_nothing_and_says_why(key: str, world: World) -> None:
    found = world.ask(key, MONTH)

    if key != "security":  # that looks at the settings alone
        assert found.verdict is Verdict.NO_DATA
    assert found.reason
    assert found.value


@pytest.mark.parametrize("key", TABLE)
@pytest.mark.parametrize("down", ["logs", "metrics"])
def test_a_source_that_is_down_is_no_data_with_its_reason_and_never_ok(key: str, down: str, world: World) -> None:
    world.stores = replace(world.stores, **{down: cast("Any", Down())})

    found = world.ask(key, MONTH)

    assert found.verdict is Verdict.NO_DATA or key in WITHOUT_STORES
    assert found.reason


@pytest.mark.parametrize("key", TABLE)
def test_a_lost_state_database_is_told_and_breaks_nothing(key: str, world: World) -> None:
    class Gone:
        def reading(self, source: str = "state") -> Any:
            raise SourceUnavailable("the disk is full", source)

    world.state = cast("Any", Gone())

    assert isinstance(world.ask(key, MONTH), Evidence)


@pytest.mark.parametrize("key", TABLE)
def test_an_evidence_survives_being_kept_with_a_tick(key: str, world: World) -> None:
    found = world.ask(key, MONTH, now=NOW)

    assert Evidence.from_json(found.as_json()) == found
