"""Notes travel with an answer from the store to whoever asked."""

import threading
from contextvars import copy_context

import pytest

from lib import notes
from lib.notes import Note

PARTIAL = Note("Elasticsearch", "2 of 5 shards failed")
SLOW = Note("Prometheus", "the answer was trimmed", doubtful=False)


def test_notes_are_gathered_once_each_in_the_order_they_were_said() -> None:
    with notes.collected() as said:
        for note in (PARTIAL, SLOW, PARTIAL):
            notes.add(note)

    assert said == [PARTIAL, SLOW]


def test_an_inner_question_hands_its_notes_on_to_the_outer_one() -> None:
    with notes.collected() as outer:
        notes.add(SLOW)
        with notes.collected() as inner:
            notes.add(PARTIAL)

    assert inner == [PARTIAL]
    assert outer == [SLOW, PARTIAL]


def test_notes_said_before_a_failure_are_kept() -> None:
    with pytest.raises(ValueError, match="later"), notes.collected() as said:
        notes.add(PARTIAL)
        raise ValueError("later")

    assert said == [PARTIAL]


def test_nobody_listening_is_no_error_and_keeps_nothing_for_the_next() -> None:
    notes.add(PARTIAL)

    with notes.collected() as said:
        pass

    assert said == []


def test_two_threads_do_not_hear_each_other() -> None:
    with notes.collected() as said:
        alone = threading.Thread(target=notes.add, args=(SLOW,))
        together = threading.Thread(target=copy_context().run, args=(notes.add, PARTIAL))
        for thread in (alone, together):
            thread.start()
            thread.join()

    assert said == [PARTIAL]


def test_questions_are_gathered_with_their_rows_and_their_time() -> None:
    with notes.questions() as put:
        answer = notes.timed("metrics", "up", lambda: ["a", "b"], len)

    assert answer == ["a", "b"]
    assert [(q.source, q.text, q.rows) for q in put] == [("metrics", "up", 2)]
    assert put[0].took_ms >= 0


def test_nobody_listens_and_the_question_is_answered_all_the_same() -> None:
    assert notes.timed("metrics", "up", lambda: 7, lambda _: 1) == 7


def test_a_question_of_endless_length_is_cut() -> None:
    with notes.questions() as put:
        notes.timed("logs", "x" * 1_000_000, lambda: None, lambda _: 0)

    assert len(put[0].text) == notes.MOST_TEXT
