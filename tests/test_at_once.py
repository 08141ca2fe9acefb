"""Questions put at the same time: their order, their errors, their notes, and questions inside questions."""

from __future__ import annotations

import threading

import pytest

from lib import notes
from lib.at_once import MOST, at_once
from lib.errors import SourceUnavailable


def test_answers_come_in_the_order_of_the_questions_and_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=10)

    def ask(number: int) -> int:
        together.wait()  # each waits for the other two
        return number

    assert at_once(lambda: ask(1), lambda: ask(2), lambda: ask(3)) == [1, 2, 3]
    assert at_once() == []


def test_the_first_error_is_raised() -> None:
    def fails() -> int:
        raise SourceUnavailable("down", "logs")

    with pytest.raises(SourceUnavailable, match="down"):
        at_once(lambda: 1, fails, lambda: 3)


def test_questions_may_put_more_questions_than_there_are_threads() -> None:
    def inner() -> int:
        return sum(at_once(*[lambda: 1] * MOST))

    assert sum(at_once(*[inner] * (3 * MOST))) == 3 * MOST * MOST


def test_what_the_stores_say_is_gathered_as_if_asked_one_by_one() -> None:
    def ask(number: int) -> None:
        notes.say("logs", f"note {number}")
        notes.timed("logs", f"question {number}", lambda: None, lambda _: 0)

    with notes.collected() as said, notes.questions() as put:
        at_once(*(lambda n=n: ask(n) for n in range(4)))  # type: ignore[misc]

    assert {note.text for note in said} == {f"note {n}" for n in range(4)}
    assert {question.text for question in put} == {f"question {n}" for n in range(4)}
