"""What tests of several folders share: real servers, one of each kind per process, and the state on both of its engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from tests.postgres import Cluster, cluster
from tests.servers import elastic


@pytest.fixture(scope="session")
def elasticsearch8() -> Iterator[str]:
    """The address of a real Elasticsearch 8. Tests share it: each keeps to index names of its own."""
    server = elastic.start("8")
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def elasticsearch9() -> Iterator[str]:
    """The address of a real Elasticsearch 9, shared likewise."""
    server = elastic.start("9")
    yield server.url
    server.stop()


@pytest.fixture(params=elastic.VERSIONS)
def elasticsearch(request: pytest.FixtureRequest) -> str:
    """The address of each real Elasticsearch in turn. Mark the tests `live`."""
    return str(request.getfixturevalue(f"elasticsearch{request.param}"))


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
