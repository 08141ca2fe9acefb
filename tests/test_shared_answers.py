"""Equal questions share one answer: while it is under way, and for a while after."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import notes
from lib.errors import SourceUnavailable
from lib.shared_answers import Shared, forget


class Slow:
    """Answers when it is told to; counts how often it was asked."""

    def __init__(self, fails: bool = False) -> None:
        self.asked = 0
        self.begun, self.go = threading.Event(), threading.Event()
        self._fails = fails

    def __call__(self) -> int:
        self.asked += 1
        self.begun.set()
        assert self.go.wait(10)
        notes.say("logs", "a shard is missing")
        if self._fails:
            raise SourceUnavailable("down", "logs")
        return 42


def test_who_asks_meanwhile_gets_the_same_answer_and_its_notes() -> None:
    shared, slow = Shared[int](), Slow()

    def ask() -> tuple[int, list[str]]:
        with notes.collected() as said:
            answer = shared.of("q", slow)
        return answer, [note.text for note in said]

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(ask)
        assert slow.begun.wait(10)
        others = [threads.submit(ask) for _ in range(2)]
        slow.go.set()

        assert {str(one.result(10)) for one in (first, *others)} == {str((42, ["a shard is missing"]))}


def test_an_error_counts_for_all_who_wait_and_is_not_kept() -> None:
    shared, slow = Shared[int](keep_s=60), Slow(fails=True)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(shared.of, "q", slow)
        assert slow.begun.wait(10)
        second = threads.submit(shared.of, "q", slow)
        slow.go.set()

        for one in (first, second):
            with pytest.raises(SourceUnavailable):
                one.result(10)
    assert shared.of("q", lambda: 7) == 7


def test_an_answer_holds_as_long_as_it_is_to_be_kept() -> None:
    now = [0.0]
    shared = Shared[int](keep_s=2, clock=lambda: now[0])

    first = shared.of("q", lambda: 1)
    now[0] = 1.9
    kept = shared.of("q", lambda: 2)
    now[0] = 2.0
    anew = shared.of("q", lambda: 3)

    assert (first, kept, anew) == (1, 1, 3)


def test_nothing_is_kept_unless_that_was_asked_for_and_never_without_bound() -> None:
    fresh, bounded = Shared[int](), Shared[int](keep_s=60, most=3)

    assert [fresh.of("q", lambda n=n: n) for n in range(3)] == [0, 1, 2]  # type: ignore[misc]
    for n in range(10):
        bounded.of(n, lambda: 0)

    assert len(bounded._asked) == 3
    assert bounded.of(0, lambda: 5) == 5


def test_whoever_wants_news_gets_news() -> None:
    shared = Shared[int](keep_s=60)
    shared.of("q", lambda: 1)

    forget()

    assert shared.of("q", lambda: 2) == 2
