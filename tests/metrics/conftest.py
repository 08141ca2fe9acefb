"""An embedded metric store in a fresh folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.metrics.duckdb import DuckMetrics


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckMetrics]:
    opened = DuckMetrics(tmp_path / "metrics.duckdb")
    yield opened
    opened.close()
