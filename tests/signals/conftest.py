"""Stores for signal tests, opened once for all of them: signals only ask."""

from collections.abc import Iterator

import pytest

from lib.stores import Stores
from tests.seed import empty_stores, fill


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with empty_stores(tmp_path_factory.mktemp("busy")) as stores:
        fill(stores)
        yield stores


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with empty_stores(tmp_path_factory.mktemp("empty")) as stores:
        yield stores
