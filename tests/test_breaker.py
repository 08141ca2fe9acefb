"""A source that does not answer costs its time-out twice, and then one asker every ten seconds."""

import pytest

from lib.breaker import Breaker
from lib.errors import QueryError, SourceRejected, SourceUnavailable


class Source:
    """A source that can be down, asked through a breaker at a time that the test sets."""

    def __init__(self) -> None:
        self.now, self.asked, self.error = 100.0, 0, None
        self.breaker = Breaker("Prometheus", after=2, rest_s=10, clock=lambda: self.now)

    def ask(self) -> str:
        with self.breaker.question():
            self.asked += 1
            if self.error:
                raise self.error
            return "answer"

    def refused(self) -> str:
        with pytest.raises(SourceUnavailable) as down:
            self.ask()
        return str(down.value)


DOWN = SourceUnavailable("no whole answer within 10 s", "Prometheus")


def test_after_two_failures_in_a_row_nobody_waits_any_more() -> None:
    source = Source()
    source.error = DOWN

    told = [source.refused() for _ in range(5)]

    assert source.asked == 2
    assert set(told) == {"no whole answer within 10 s"}


def test_one_failure_between_answers_closes_nothing() -> None:
    source = Source()
    for error in (None, DOWN, None, DOWN, None):
        source.error = error
        if error:
            source.refused()
        else:
            assert source.ask() == "answer"

    assert source.asked == 5


def test_one_asker_tries_after_the_rest_and_the_others_are_told_meanwhile() -> None:
    source = Source()
    source.error = DOWN
    source.refused()
    source.refused()
    source.now += 10

    with source.breaker.question():  # the one that tries is under way
        source.refused()
        assert source.asked == 2

    source.error = None
    assert source.ask() == "answer"
    assert source.ask() == "answer"


def test_a_try_that_fails_begins_another_rest() -> None:
    source = Source()
    source.error = DOWN
    for _ in range(2):
        source.refused()
    source.now += 10
    source.refused()
    source.now += 9
    source.refused()

    assert source.asked == 3


@pytest.mark.parametrize("error", [QueryError("no such function"), SourceRejected("HTTP 401", "Prometheus")])
def test_a_no_is_an_answer(error: Exception) -> None:
    source = Source()
    source.error = error
    for _ in range(3):
        with pytest.raises(type(error)):
            source.ask()

    assert source.asked == 3


def test_a_try_that_never_ends_lets_the_next_one_try_after_another_rest() -> None:
    source = Source()
    source.error = DOWN
    for _ in range(2):
        source.refused()
    source.now += 10
    hanging = source.breaker.question()
    hanging.__enter__()
    source.now += 10
    source.error = None

    assert source.ask() == "answer"
