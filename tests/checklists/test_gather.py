"""Evidence is asked for in the background: a page gets what is known at once, and what is old is asked anew."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path

from lib.checklists.evidence import collect
from lib.checklists.gather import Gatherer
from lib.checklists.model import Evidence, Verdict
from lib.window import DAY, Window
from tests.checklists.world import NOW, SEEN
from tests.seed import empty_stores, fill


class Source:
    """Counts its questions; answers when it is let."""

    def __init__(self) -> None:
        self.asked, self.may, self.answered = 0, threading.Event(), threading.Event()

    def __call__(self) -> Evidence:
        self.asked += 1
        assert self.may.wait(10)
        threading.Timer(0.0, self.answered.set).start()
        return SEEN


def settled(gatherer: Gatherer, source: Source) -> None:
    while gatherer.latest("q", source) is None:
        assert source.may.is_set()


def test_nobody_waits_and_many_viewers_ask_once() -> None:
    source, gatherer = Source(), Gatherer(lambda: NOW)

    assert [gatherer.latest("q", source) for _ in range(20)] == [None] * 20

    source.may.set()
    settled(gatherer, source)
    assert source.asked == 1


def test_what_is_old_is_shown_while_it_is_asked_anew() -> None:
    clock = [NOW]
    source, gatherer = Source(), Gatherer(lambda: clock[0], timedelta(seconds=60))
    source.may.set()
    settled(gatherer, source)
    clock[0] = later = NOW + timedelta(seconds=61)

    found = gatherer.latest("q", source)

    assert found is not None and found.at == NOW
    assert until(gatherer, source, later) == 2


def until(gatherer: Gatherer, source: Source, moment: datetime) -> int:
    while (found := gatherer.latest("q", source)) is None or found.at != moment:
        pass
    return source.asked


def test_what_the_stores_were_asked_for_it_is_kept_with_it(tmp_path: Path) -> None:
    gatherer, day = Gatherer(lambda: NOW), Window(NOW - DAY, NOW)
    with empty_stores(tmp_path) as stores:
        fill(stores)
        while (found := gatherer.latest("q", lambda: collect("queue_depths", stores, day, None, {}))) is None:
            pass

    assert {put.source for put in found.questions} == {stores.metrics.name}
    assert any("queue_size" in put.text for put in found.questions)


def test_an_evidence_that_breaks_is_no_data_and_says_so() -> None:
    def broken() -> Evidence:
        raise ZeroDivisionError

    gatherer = Gatherer(lambda: NOW)
    while (found := gatherer.latest("q", broken)) is None:
        pass

    assert found.evidence.verdict is Verdict.NO_DATA
    assert "see the log" in found.evidence.reason
