"""What pages ask: the values of the run before, the completion of each item, its history, and what is overdue."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pandas as pd
import pytest

from lib.checklists import deeds, questions
from lib.checklists.model import Run, RunState
from lib.state.database import State
from tests.checklists.world import BORIS, NOW, SEEN, act, at, item, opened

NEXT = NOW + timedelta(days=1)


def ticked(state: State, run: Run, value: str, key: str = "errors", days: int = 0) -> None:
    moment = NOW + timedelta(days=days)
    act(state, deeds.tick(run, item(state, run, key, moment), replace(SEEN, value=value), clock=lambda: moment))


def test_the_run_before_stands_beside(state: State) -> None:
    ticked(state, opened(state), "1 new pattern")
    run = opened(state, NEXT)
    ticked(state, run, "5 new patterns", days=1)

    previous = item(state, run, now=NEXT).previous

    assert previous is not None
    assert (previous.at, previous.evidence.value) == (NOW, "1 new pattern")
    assert item(state, run, "backup", NEXT).previous is None


def test_what_was_taken_back_is_not_what_was_seen_before(state: State) -> None:
    ticked(state, opened(state), "1 new pattern")
    second = opened(state, NEXT)
    ticked(state, second, "a mistake", days=1)
    act(state, deeds.undo(second, item(state, second, now=NEXT), clock=lambda: NEXT))

    third = opened(state, NEXT + timedelta(days=1))

    previous = item(state, third, now=NEXT + timedelta(days=1)).previous
    assert previous is not None and previous.evidence.value == "1 new pattern"


def test_completion_tells_what_became_of_each_item_in_each_run(state: State) -> None:
    run = opened(state)
    ticked(state, run, "1")
    act(state, deeds.skip(run, item(state, run, "backup"), "no backup today", clock=lambda: NOW))
    run = opened(state, NEXT)
    ticked(state, run, "2", days=1)

    found = questions.completion(state, "daily", 30, NEXT)

    assert [tuple(row) for row in found[["first_day", "key", "state", "who"]].itertuples(index=False)] == [
        (date(2026, 3, 2), "errors", "done", BORIS.name), (date(2026, 3, 2), "backup", "skipped", BORIS.name),
        (date(2026, 3, 3), "errors", "done", BORIS.name), (date(2026, 3, 3), "backup", "open", ""),
    ]  # fmt: skip
    assert str(found["at"].dtype) == "datetime64[ns, UTC]"
    assert pd.isna(found["at"].iloc[3])


def test_an_item_tells_its_whole_history_newest_first(state: State) -> None:
    run = opened(state)
    ticked(state, run, "1")
    act(state, deeds.undo(run, item(state, run), clock=lambda: NOW))
    act(state, deeds.note(run, item(state, run), "a note", clock=lambda: NOW))

    found = questions.item_history(state, "daily", "errors")

    assert found["what"].tolist() == ["note", "undo", "tick"]
    assert found.iloc[2][["value", "verdict", "number"]].tolist() == ["1", "look", 3.0]


def test_without_a_run_every_answer_is_empty_and_has_its_columns(state: State) -> None:
    assert questions.newest(state, "daily", NOW) is None
    assert questions.on_day(state, "daily", NOW.date()) is None
    assert questions.calendar(state, "daily", NOW.date(), NOW.date()) == []
    assert list(questions.completion(state, "daily", 30, NOW)) == ["first_day", "key", "title", "state", "at", "who"]
    assert questions.item_history(state, "daily", "errors").empty
    assert questions.overdue(state, NOW) == 0
    with pytest.raises(KeyError):
        questions.items(state, 1, NOW)


@pytest.mark.parametrize(
    ("now", "late"),
    [("2026-03-02 09:59", 0), ("2026-03-02 10:00", 1), ("2026-03-02 18:00", 2), ("2026-03-03 00:00", 0)],
)
def test_an_item_is_overdue_from_its_due_time_until_it_is_done_or_the_run_is_over(
    state: State, now: str, late: int
) -> None:
    opened(state)

    assert questions.overdue(state, at(now)) == late


def test_what_is_done_or_skipped_is_not_overdue(state: State) -> None:
    run = opened(state)
    ticked(state, run, "1")
    act(state, deeds.skip(run, item(state, run, "backup"), "why", clock=lambda: NOW))

    assert questions.overdue(state, at("2026-03-02 20:00")) == 0


def test_the_calendar_gives_the_runs_of_its_days(state: State) -> None:
    opened(state)
    opened(state, NEXT)

    found = questions.calendar(state, "daily", date(2026, 3, 3), date(2026, 3, 31))

    assert [(run.first_day, run.state) for run in found] == [(date(2026, 3, 3), RunState.OPEN)]
    assert questions.on_day(state, "daily", date(2026, 3, 2)) is not None
