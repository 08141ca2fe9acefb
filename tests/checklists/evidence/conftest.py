"""A world for each test, on real stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.settings import Settings
from lib.state.database import sqlite_url
from lib.state.migrate import open_state
from tests.checklists.evidence.world import World
from tests.seed import empty_stores


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with empty_stores(tmp_path) as stores:
        state = open_state(sqlite_url(tmp_path / "state.sqlite"))
        yield World(stores, state, Settings(data_dir=tmp_path))
        state.close()
