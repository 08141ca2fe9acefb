"""What the header says of a target whose answer our own store did not take."""

from __future__ import annotations

from datetime import UTC, datetime

from lib.status import TargetStatus
from lib.ui.header import _failing_words

AT = datetime(2026, 11, 29, 7, tzinfo=UTC)
LOCKED = "the answer could not be stored: the state database is locked"


def test_a_store_that_takes_nothing_is_not_told_as_a_failing_service() -> None:
    unstored = TargetStatus("a:1").unstored(AT, LOCKED, up=True)

    assert _failing_words((unstored, unstored), 2) == "2 of 2 not stored"


def test_a_service_that_fails_is_told_as_failing_whether_it_was_stored_or_not() -> None:
    unstored = TargetStatus("a:1").unstored(AT, LOCKED, up=True)
    down = TargetStatus("b:1").unstored(AT, LOCKED, up=False)

    assert _failing_words((unstored, down), 2) == "2 of 2 failing"
    assert _failing_words((TargetStatus("c:1").after(AT, "connection refused"),), 1) == "1 of 1 failing"


def test_the_next_stored_answer_clears_it() -> None:
    again = TargetStatus("a:1").unstored(AT, LOCKED, up=True).after(AT, "")

    assert (again.up, again.stored, again.error) == (True, True, "")
