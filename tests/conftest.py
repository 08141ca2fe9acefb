"""The state database on both of its engines, for every test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from tests.postgres import Cluster, cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server, started when the first test asks for it."""
    with cluster() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.live)])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """The address of an empty database, once on each engine."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "state.sqlite")
    running: Cluster = request.getfixturevalue("postgres")
    return running.new_database()


@pytest.fixture
def state(state_url: URL) -> Iterator[State]:
    """A migrated state database, once on each engine."""
    opened = open_state(state_url)
    yield opened
    opened.close()
