"""Every signal says the same whether its log records are embedded or in Elasticsearch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lib import notes
from lib.signals import SIGNALS
from lib.stores import Stores
from tests.logs.indices import Indices
from tests.seed import HOUR, NOW, OLD_PATTERN, WHOLE, log_records
from tests.signals.test_table import PARAMETERS

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def remote(busy: Stores, elasticsearch9: str) -> Iterator[Stores]:
    """The embedded metrics and health, with the logs in Elasticsearch."""
    indices = Indices(elasticsearch9, fresh_s=60, extent_s=60)
    indices.write(log_records())
    yield replace(busy, logs=indices, remote=True)
    indices.close()


@pytest.mark.parametrize("window", [HOUR, WHOLE], ids=["hour", "whole"])
def test_every_signal_gives_the_same_answer(busy: Stores, remote: Stores, window: Any) -> None:
    with notes.collected() as said:
        for name, signal in SIGNALS.items():
            ours, theirs = (signal(stores, window, **PARAMETERS.get(name, {})) for stores in (busy, remote))
            assert_same(ours, theirs, name)

    assert said == []


def test_the_samples_of_a_pattern_are_the_same_records(busy: Stores, remote: Stores) -> None:
    found = SIGNALS["error_patterns"](busy, WHOLE).set_index("pattern")["pattern_id"]

    ours, theirs = (SIGNALS["error_samples"](s, WHOLE, pattern_id=found[OLD_PATTERN]) for s in (busy, remote))

    assert len(ours) == 9
    assert ours["ts"].max() <= NOW
    pd.testing.assert_frame_equal(ours.drop(columns="fields"), theirs.drop(columns="fields"))


def assert_same(ours: Any, theirs: Any, name: str) -> None:
    if isinstance(ours, pd.DataFrame):
        columns = [column for column in ours if column != "fields"]  # "" and "{}" both say that there are no others
        pd.testing.assert_frame_equal(ours[columns], theirs[columns], obj=name)
        return
    assert ours.keys() == theirs.keys(), name
    for key, value in ours.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, theirs[key], obj=f"{name}.{key}")
        elif isinstance(value, float):
            np.testing.assert_allclose(theirs[key], value, err_msg=f"{name}.{key}")
        else:
            assert theirs[key] == value, f"{name}.{key}"
