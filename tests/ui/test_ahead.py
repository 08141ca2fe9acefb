"""What a page asked last time is begun at once when it is drawn again: only on servers, and each question once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lib import signals
from lib.errors import SourceUnavailable
from lib.stores import Stores
from lib.ui import ahead, cache, runtime
from lib.window import Window
from tests.seed import HOUR, NOW


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the signals that were asked; `slow` answers when both it and `other` were begun."""
    asked: list[str] = []
    together = threading.Barrier(2, timeout=10)

    def signal(name: str) -> Any:
        def ask(stores: Stores, window: Window, **params: Any) -> dict[str, str]:
            asked.append(name)
            if name in ("slow", "other"):
                together.wait()
            if name == "broken":
                raise SourceUnavailable("down", "logs")
            return {"name": name}

        return ask

    for name in ("slow", "other", "plain", "broken"):
        monkeypatch.setitem(signals.SIGNALS, name, signal(name))
    yield asked


@pytest.fixture
def remote() -> None:
    here = runtime.current()
    stores: Any = None
    runtime.install(replace(here, stores=Stores(stores, stores, stores, remote=True)))


def told(*names: str, **params: Any) -> list[cache.Asked]:
    return [cache.Asked(name, HOUR, NOW, 1.0, params=tuple(params.items())) for name in names]


@pytest.mark.usefixtures("remote")
def test_the_questions_of_the_last_drawing_are_asked_at_the_same_time(counted: list[str]) -> None:
    ahead.learn("page", HOUR, told("slow", "other"))

    ahead.begin("page", HOUR)
    answers = [cache.frame(name, HOUR) for name in ("slow", "other")]  # one by one they would wait for each other

    assert answers == [{"name": "slow"}, {"name": "other"}]
    assert sorted(counted) == ["other", "slow"]


@pytest.mark.usefixtures("remote")
def test_an_answer_at_hand_is_not_asked_for_again(counted: list[str]) -> None:
    ahead.learn("page", HOUR, told("plain"))
    ahead.begin("page", HOUR)
    assert cache.frame("plain", HOUR) == {"name": "plain"}

    ahead.begin("page", HOUR)
    cache.frame("plain", HOUR)

    assert counted == ["plain"]


def test_embedded_stores_are_asked_card_by_card(counted: list[str]) -> None:
    here = runtime.current()
    stores: Any = None
    runtime.install(replace(here, stores=Stores(stores, stores, stores)))
    ahead.learn("page", HOUR, told("plain"))

    ahead.begin("page", HOUR)

    assert counted == []


@pytest.mark.usefixtures("remote", "counted")
def test_a_source_that_is_down_is_told_to_the_card() -> None:
    ahead.learn("page", HOUR, told("broken"))

    ahead.begin("page", HOUR)

    with pytest.raises(SourceUnavailable):
        cache.frame("broken", HOUR)


def test_what_depends_on_a_click_or_another_range_is_not_learnt() -> None:
    other = cache.Asked("plain", HOUR.previous(), NOW, 1.0)

    ahead.learn("page", HOUR, [*told("plain", metric="up"), other])

    assert ahead._known["page"] == frozenset()
