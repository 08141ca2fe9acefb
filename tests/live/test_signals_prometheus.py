"""Every signal gives the same answer on Prometheus as on the embedded store, from the same samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lib.metrics.prometheus import Access, PrometheusMetrics
from lib.signals import SIGNALS
from lib.stores import Stores
from lib.window import Window
from tests.prometheus_server import prometheus
from tests.seed import NOW, START, empty_stores, fill, metric_samples
from tests.signals.test_table import ask

pytestmark = pytest.mark.live
OFF_GRID = timedelta(seconds=7)
"""Debian's Prometheus counts a sample at a range's start, newer ones and ours do not: no sample lies there."""

HOUR = Window(NOW - timedelta(hours=1) - OFF_GRID, NOW - OFF_GRID)
WHOLE = Window(START - OFF_GRID, NOW - OFF_GRID)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stores, Stores]]:
    """The same records and samples, metrics embedded in the first and in Prometheus in the second."""
    folder = tmp_path_factory.mktemp("both")
    with empty_stores(folder) as embedded, prometheus(folder / "prometheus") as server:
        fill(embedded)
        server.write(metric_samples())
        remote = PrometheusMetrics(Access(server.url), clock=lambda: NOW)
        yield embedded, replace(embedded, metrics=remote, remote=True)
        remote.close()


@pytest.mark.parametrize("window", [HOUR, WHOLE], ids=["an hour", "all of it"])
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_does_not_tell_the_stores_apart(name: str, window: Window, both: tuple[Stores, Stores]) -> None:
    embedded, remote = both

    ours, theirs = ask(name, embedded, window), ask(name, remote, window)

    assert_same(ours, theirs)


def test_the_samples_reached_prometheus(both: tuple[Stores, Stores]) -> None:
    """Or every comparison above would be of nothing with nothing."""
    embedded, remote = both

    assert remote.metrics.newest() == embedded.metrics.newest() == NOW
    assert remote.metrics.oldest() == embedded.metrics.oldest() == START
    assert remote.metrics.label_values("__name__") == embedded.metrics.label_values("__name__")


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(ours, pd.DataFrame):
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-9)
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            assert_same(value, theirs[key])
    elif isinstance(ours, float):
        np.testing.assert_allclose(theirs, ours, rtol=1e-9)
    else:
        assert ours == theirs
