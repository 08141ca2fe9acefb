"""What tests of several folders share: real servers, one of each kind per process, and the state on both of its engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from sqlalchemy import URL

from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from tests.postgres import Cluster, cluster
from tests.servers import elastic

# A run that decides whether a change lands draws the same examples each time; `make faults` asks for fresh ones.
# Hypothesis has another default where `CI` is set, which draws the same too: neither profile builds on it.
settings.register_profile(
    "fresh",
    settings.get_profile("default"),
    derandomize=False,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("repeatable", settings.get_profile("fresh"), derandomize=True, database=None)
settings.load_profile("repeatable")

_constants_of_loaded_modules = providers._get_local_constants


def _constants() -> providers.Constants:
    """Hypothesis also draws constants of the modules that happen to be loaded: another test first, other examples."""
    return providers.Constants() if settings.default.derandomize else _constants_of_loaded_modules()


providers._get_local_constants = _constants


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
