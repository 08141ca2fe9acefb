"""A dashboard without server or stores, for tests of the frame."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from lib.settings import load
from lib.ui import cache, runtime


class NoStores:
    """Stands where the stores are: the tests' signals ask nothing of it."""


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    runtime.install(runtime.Runtime(load(zone="Europe/London"), cast("Any", NoStores()), lambda: None))
    cache.forget()
    yield
    runtime.install(None)
    cache.forget()


@pytest.fixture
def noon() -> datetime:
    return datetime(2026, 3, 27, 12, tzinfo=UTC)
