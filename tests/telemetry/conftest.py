"""A logger with its files, and metrics, for the telemetry tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from lib.telemetry.logger import Logger, configure
from lib.telemetry.metrics import Metrics

Records = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(version="1.4.2")


@pytest.fixture
def logger(tmp_path: Path) -> Iterator[Logger]:
    made = configure(service="halopsa-integration", version="1.4.2", directory=tmp_path / "logs", console=False)
    yield made
    made.close()


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """Reads combined.log as it stands."""
    return lambda: [orjson.loads(line) for line in (tmp_path / "logs" / "combined.log").read_bytes().splitlines()]
