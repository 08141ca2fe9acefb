"""Notes beside an answer reach whoever asked, and nobody else."""

from lib import notes
from lib.notes import Note


def test_a_note_is_kept_once_for_everybody_around_the_question() -> None:
    with notes.collected() as outer:
        with notes.collected() as inner:
            notes.say("logs", "two shards are missing")
            notes.say("logs", "two shards are missing")
        notes.say("logs", "estimated", partial=False)

    assert inner == [Note("logs", "two shards are missing", partial=True)]
    assert outer == [*inner, Note("logs", "estimated", partial=False)]


def test_a_note_that_nobody_collects_is_no_error() -> None:
    notes.say("logs", "lost on purpose")

    with notes.collected() as said:
        pass
    assert said == []
