"""The table of evidence is complete, and nothing that is not known is ever ok."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from lib.checklists import versions
from lib.checklists.evidence import TABLE
from lib.checklists.evidence.base import Part, together
from lib.checklists.evidence_keys import EVIDENCE
from lib.checklists.model import Evidence, Verdict
from lib.errors import SourceUnavailable
from lib.settings import Settings
from lib.state.database import sqlite_url
from lib.state.migrate import open_state
from tests.checklists.evidence.world import MONTH, NOW, World
from tests.seed import empty_stores

WITHOUT_STORES = {"security", "retention", "compliance"}
"""These look at the settings and the state as well, so they may know something while a store is down."""


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world without a single record, for all tests of this file: they only ask."""
    folder = tmp_path_factory.mktemp("quiet")
    with empty_stores(folder) as stores:
        state = open_state(sqlite_url(folder / "state.sqlite"))
        yield World(stores, state, Settings(data_dir=folder))
        state.close()


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
def test_on_empty_stores_an_evidence_knows_nothing_and_says_why(key: str, quiet: World) -> None:
    found = quiet.ask(key, MONTH)

    if key != "security":  # that looks at the settings, which are known here
        assert found.verdict is Verdict.NO_DATA
    assert found.reason
    assert found.value


@pytest.mark.parametrize("key", TABLE)
@pytest.mark.parametrize("down", ["logs", "metrics"])
def test_a_source_that_is_down_is_no_data_with_its_reason_and_never_ok(key: str, down: str, quiet: World) -> None:
    broken = replace(quiet, stores=replace(quiet.stores, **{down: cast("Any", Down())}))

    found = broken.ask(key, MONTH)

    assert found.verdict is Verdict.NO_DATA or key in WITHOUT_STORES
    assert found.reason


@pytest.mark.parametrize("key", TABLE)
def test_a_lost_state_database_is_told_and_breaks_nothing(key: str, quiet: World) -> None:
    class Gone:
        def reading(self, source: str = "state") -> Any:
            raise SourceUnavailable("the disk is full", source)

    broken = replace(quiet, state=cast("Any", Gone()))

    assert isinstance(broken.ask(key, MONTH), Evidence)


def test_of_many_reasons_the_first_are_said_and_the_others_counted() -> None:
    parts = [Part(f"index {n} is too old", Verdict.BAD) for n in range(90)]

    found = together([*parts, Part("", Verdict.NO_DATA, "the disk is not known")], value="0 of 90", normal="", link="")

    assert found.verdict is Verdict.BAD
    assert found.reason == (
        "index 0 is too old; index 1 is too old; index 2 is too old; index 3 is too old; and 86 more; the disk is not known"
    )


@pytest.mark.parametrize("key", TABLE)
def test_an_evidence_survives_being_kept_with_a_tick(key: str, quiet: World) -> None:
    found = quiet.ask(key, MONTH, now=NOW)

    assert Evidence.from_json(found.as_json()) == found
