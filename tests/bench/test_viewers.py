"""Fifty viewers at a five-second refresh: p95 under one second, and they cost the stores what one does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.bench.dashboard import CHARTS, filled_dashboard, short_of_charts
from tests.bench.viewers import crowd

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[str]:
    with filled_dashboard(tmp_path) as running:
        yield running.url


def test_each_page_that_is_measured_has_data(dashboard: str) -> None:
    viewers = asyncio.run(crowd(dashboard, list(CHARTS), len(CHARTS), 1, 1))

    assert [v.failures for v in viewers if v.failures] == []
    assert short_of_charts(viewers) == []


def test_fifty_viewers_are_answered_within_a_second(dashboard: str) -> None:
    one = asyncio.run(crowd(dashboard, ["errors"], 1, 5, 4))
    fifty = asyncio.run(crowd(dashboard, list(CHARTS), 50, 5, 6))

    alone, together = (np.concatenate([v.refresh_ms for v in viewers]) for viewers in (one, fifty))
    print(f"\n1 viewer: p95 {np.percentile(alone, 95):.0f} ms; 50 viewers: p95 {np.percentile(together, 95):.0f} ms")
    assert [v.failures for v in fifty if v.failures] == []
    assert short_of_charts([*one, *fifty]) == []
    assert np.percentile(together, 95) < 1000
