"""Pages of search are the sorted records, cut: also where a moment has more of them than a page, and while others write."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from lib.logs.base import LogQuery
from lib.logs.duckdb import DuckLogs
from lib.window import Window
from tests.logs.batches import NOON, batch

SECOND = timedelta(seconds=1)
WINDOW = Window(NOON, NOON + 20 * SECOND)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DuckLogs, list[tuple[datetime, str]]]]:
    """A store, written in no order, whose 600 records share 24 moments, four of them outside the window; those inside."""
    dice, store = random.Random(3), DuckLogs(tmp_path_factory.mktemp("newest") / "logs.duckdb")
    moments = [NOON + SECOND * dice.choice(range(-2, 22)) for _ in range(600)]
    found = [(ts, f"{dice.getrandbits(64):016x}") for ts in moments]
    words = [f"a {'rare' if at % 19 == 0 else 'plain'} one" for at in range(600)]
    for at in range(0, 600, 100):
        part = zip(found[at : at + 100], words[at : at + 100], strict=True)
        store.write(batch([{"ts": ts, "id": one, "message": text} for (ts, one), text in part]))
    yield store, sorted(((ts, one) for ts, one in found if WINDOW.start <= ts < WINDOW.end), reverse=True)
    store.close()


@pytest.mark.parametrize("limit", [1, 7, 25, 40, 600])
def test_page_after_page_gives_every_record_once_in_order(
    held: tuple[DuckLogs, list[tuple[datetime, str]]], limit: int
) -> None:
    store, expected = held
    seen: list[tuple[datetime, str]] = []

    while len(page := store.search(LogQuery(WINDOW), limit, seen[-1] if seen else None)):
        assert len(page) == min(limit, len(expected) - len(seen))
        seen += zip(page["ts"].dt.to_pydatetime(), page["id"], strict=True)

    assert seen == expected


@pytest.mark.parametrize("limit", [1, 7, 600])
def test_pages_of_a_word_leave_out_the_others_of_the_same_moment(
    held: tuple[DuckLogs, list[tuple[datetime, str]]], limit: int
) -> None:
    store, expected = held
    everything = store.search(LogQuery(WINDOW), 1000)
    rare = everything[everything["message"] == "a rare one"]["id"].tolist()
    assert 20 < len(rare) < len(expected) / 10
    seen: list[tuple[datetime, str]] = []

    while len(page := store.search(LogQuery(WINDOW, lucene="RARE"), limit, seen[-1] if seen else None)):
        seen += zip(page["ts"].dt.to_pydatetime(), page["id"], strict=True)

    assert [one for _, one in seen] == rare


@pytest.mark.parametrize("at", [NOON - SECOND, NOON + 20 * SECOND, NOON + 60 * SECOND])
def test_a_place_outside_the_window_brings_nothing_in_from_there(
    held: tuple[DuckLogs, list[tuple[datetime, str]]], at: datetime
) -> None:
    store, expected = held

    page = store.search(LogQuery(WINDOW), 600, (at, "zzz"))

    assert page["id"].tolist() == ([] if at < NOON else [one for _, one in expected])
