"""The seam between pages and signals: one question for all viewers, and the last good answer of a dead source."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from lib import signals
from lib.errors import SourceUnavailable
from lib.notes import Note, say
from lib.ui import cache
from lib.window import Window

Signal = Callable[..., Any]


class Counting:
    """A signal that counts how often it is asked and can be dead."""

    def __init__(self) -> None:
        self.asked, self.dead = 0, False

    def __call__(self, _stores: object, window: Window, **params: Any) -> pd.DataFrame:
        self.asked += 1
        if self.dead:
            raise SourceUnavailable("no answer in 10 s", "Prometheus")
        return pd.DataFrame({"start": [window.start], **{name: [value] for name, value in params.items()}})


@pytest.fixture
def signal(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    monkeypatch.setitem(signals.SIGNALS, "counted", counting)
    return counting


@pytest.fixture
def window(noon: datetime) -> Window:
    return Window.last("6h", noon)


def test_viewers_in_different_zones_cost_one_question(signal: Counting, noon: datetime) -> None:
    for zone in ("UTC", "Europe/London", "Asia/Tokyo"):
        cache.frame("counted", Window.last("6h", noon, zone))

    assert signal.asked == 1


def test_fifty_viewers_at_once_cost_one_question(signal: Counting, window: Window) -> None:
    viewers = [threading.Thread(target=cache.frame, args=("counted", window)) for _ in range(50)]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join()

    assert signal.asked == 1


def test_other_parameters_are_another_question(signal: Counting, window: Window) -> None:
    assert cache.frame("counted", window, route="/a")["route"].tolist() == ["/a"]
    assert cache.frame("counted", window, route="/b")["route"].tolist() == ["/b"]


def test_a_viewer_cannot_change_what_another_gets(signal: Counting, window: Window) -> None:
    cache.frame("counted", window).loc[0, "start"] = None

    assert cache.frame("counted", window)["start"].notna().all()


def test_a_dead_source_leaves_its_last_good_answer_with_its_age(signal: Counting, window: Window) -> None:
    cache.frame("counted", window)
    signal.dead = True
    token = cache.asked.set([])
    later = Window(window.start + timedelta(seconds=30), window.end + timedelta(seconds=30))

    answer = cache.frame("counted", later)

    notes = cache.asked.get()
    cache.asked.reset(token)
    assert answer["start"].tolist() == [window.start]
    assert notes is not None
    assert notes[0].source == "Prometheus"
    assert notes[0].stale_for is not None


def test_a_dead_source_that_never_answered_says_so_and_is_not_asked_by_everyone(
    signal: Counting, window: Window
) -> None:
    signal.dead = True

    for _ in range(3):
        with pytest.raises(SourceUnavailable):
            cache.frame("counted", window)

    assert signal.asked == 1


def test_the_refresh_button_asks_anew(signal: Counting, window: Window) -> None:
    cache.frame("counted", window)

    cache.expire()
    cache.frame("counted", window)

    assert signal.asked == 2


def test_what_is_missing_of_an_answer_is_told_to_every_viewer(monkeypatch: pytest.MonkeyPatch, window: Window) -> None:
    def partial(_stores: object, window: Window) -> pd.DataFrame:
        say("logs", "2 of 5 shards did not answer")
        return pd.DataFrame({"start": [window.start]})

    monkeypatch.setitem(signals.SIGNALS, "partial", partial)
    questions: list[cache.Asked] = []
    token = cache.asked.set(questions)
    for _ in range(2):
        cache.frame("partial", window)
    cache.asked.reset(token)

    assert [question.notes for question in questions] == [(Note("logs", "2 of 5 shards did not answer"),)] * 2
