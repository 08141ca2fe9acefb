"""What the evidence of a run costs the stores: the same for one viewer as for twenty, once a minute, and nothing when it is over."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from lib import wiring
from lib.checklists import gather, questions, runs, versions
from lib.settings import Settings
from lib.state.database import State
from lib.stores import Stores
from lib.ui import cache, clock, runtime
from lib.ui.checklists import book
from tests import seed

ROOT = Path(__file__).parents[2]
VIEWERS, LOOKS = 20, 5
LISTS = ("daily", "weekly", "monthly")
A_LITTLE = threading.Event()
"""Never set: people look again a little later."""


class Counting:
    """A store that counts what it is asked."""

    def __init__(self, store: Any) -> None:
        self._store, self.asked, self._lock = store, Counter[str](), threading.Lock()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found):
            return found

        def ask(*arguments: Any, **more: Any) -> Any:
            with self._lock:
                self.asked[name] += 1
            return found(*arguments, **more)

        return ask


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[tuple[State, tuple[Counting, ...]]]:
    settings = Settings(data_dir=tmp_path, rules_file=ROOT / "deploy" / "prometheus" / "rules.yml")
    opened = wiring.open_stores(settings)
    seed.fill(opened.stores)
    stores = tuple(Counting(one) for one in (opened.logs, opened.metrics, opened.health))
    logs, metrics, health = cast("Any", stores)
    runs.keep(opened.state, versions.history(opened.state, versions.Folder().checklists()), "UTC", datetime.now(UTC))
    shown: Stores = replace(opened.stores, logs=logs, metrics=metrics, health=health)
    runtime.install(runtime.Runtime(settings, shown, lambda: None, opened.state))
    yield opened.state, stores
    runtime.install(None)
    cache.forget()
    opened.close()


def looked_at(state: State, name: str, viewers: int) -> None:
    """So many people look at a run again and again, until all of its evidence is there and some looks longer."""
    run = questions.newest(state, name, clock.now())
    assert run is not None

    def look() -> None:
        left = LOOKS
        while left:
            found = questions.items(state, run.id, clock.now(), {})
            left -= all(book.evidence_of(run, one) is not None for one in found[1])
            A_LITTLE.wait(0.02)

    people = [threading.Thread(target=look) for _ in range(viewers)]
    for one in people:
        one.start()
    for one in people:
        one.join()


def cost(stores: tuple[Counting, ...], look: Callable[[], None]) -> int:
    before = sum(sum(one.asked.values()) for one in stores)
    look()
    return sum(sum(one.asked.values()) for one in stores) - before


@pytest.mark.parametrize("name", LISTS)
def test_a_run_costs_the_stores_as_much_for_twenty_viewers_as_for_one(
    counted: tuple[State, tuple[Counting, ...]], name: str
) -> None:
    state, stores = counted
    one = cost(stores, lambda: looked_at(state, name, 1))
    cache.forget()

    many = cost(stores, lambda: looked_at(state, name, VIEWERS))

    print(f"\n{name}: {one} questions")
    assert 0 < many <= one
    assert cost(stores, lambda: looked_at(state, name, VIEWERS)) == 0  # within the minute nothing is asked again


def test_after_a_minute_it_is_asked_once_more_and_of_a_run_that_is_over_nothing(
    counted: tuple[State, tuple[Counting, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, stores = counted
    late = datetime.now(UTC)
    one = cost(stores, lambda: looked_at(state, "daily", 1))
    gatherer = book._gatherer()
    monkeypatch.setattr(gatherer, "_clock", lambda: late + gather.FRESH + timedelta(minutes=1))

    again = cost(stores, lambda: (looked_at(state, "daily", VIEWERS), _settled(gatherer)))  # type: ignore[func-returns-value]

    assert 0 < again <= one
    run = questions.newest(state, "daily", clock.now())
    assert run is not None
    over = replace(run, ends_at=late - timedelta(minutes=1))
    items = questions.items(state, run.id, clock.now())[1]
    assert cost(stores, lambda: [book.evidence_of(over, one) for one in items]) == 0  # type: ignore[func-returns-value]


def _settled(gatherer: gather.Gatherer) -> None:
    while gatherer._asking:
        A_LITTLE.wait(0.02)
