"""A new kind of error that comes often is counted once; where nobody can know, nothing is said."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lib.signals import bursts
from lib.stores import Stores
from tests.seed import NEW_ERROR, START


def test_a_burst_is_a_kind_of_error_that_was_never_there_and_comes_often(
    busy: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = bursts.bursts(busy, NEW_ERROR + timedelta(minutes=14))
    monkeypatch.setattr(bursts, "BURST_RECORDS", 3)  # the new one came three times by then

    assert rare == 0
    assert bursts.bursts(busy, NEW_ERROR + timedelta(minutes=14)) == 1
    assert bursts.bursts(busy, START + timedelta(minutes=20)) is None  # the log began too shortly before
