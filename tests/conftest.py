"""What tests of several folders share: real servers, one of each kind per process, stopped at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
