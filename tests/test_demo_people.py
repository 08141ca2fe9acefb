"""Whoever tries the demo finds checklists that somebody worked through, with one item left to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from lib import demo_people
from lib.checklists import questions, runs, versions
from lib.checklists.model import Kind, RunState
from lib.checklists.tables import EventRow
from lib.simulator.past.story import Story
from lib.state.database import SQLITE_FILE, State, sqlite_url
from lib.state.migrate import open_state
from lib.window import DAY

EVENING = datetime(2026, 11, 28, 21, tzinfo=UTC)  # a Saturday, after the 25th: much of the week and the month is due


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(sqlite_url(tmp_path / "state.sqlite"))
    demo_people.work(opened, EVENING, 7)
    yield opened
    opened.close()


def ended(state: State, checklist: str) -> list[RunState]:
    found = questions.calendar(state, checklist, EVENING.date() - 40 * DAY, EVENING.date())
    return [run.state for run in found]


def test_one_item_of_today_is_overdue_and_nothing_else(state: State) -> None:
    assert questions.overdue(state, EVENING) == 1
    assert ended(state, "daily")[-1] is RunState.OPEN


def test_the_week_before_is_done_but_for_one_day_on_which_an_item_was_missed(state: State) -> None:
    days = ended(state, "daily")

    assert len(days) == 8
    assert days.count(RunState.PARTIAL) == 1
    assert days.count(RunState.DONE) == 6


def test_what_was_done_was_done_before_it_was_due_by_people_who_are_marked_as_the_demos(state: State) -> None:
    run = questions.on_day(state, "daily", EVENING.date() - DAY)
    assert run is not None
    told = questions.journal(state, run.id)

    assert {event.kind for event in told} == {Kind.TICK, Kind.SIGN}
    assert all(event.who.endswith("(demo)") and event.evidence is None for event in told)
    assert all(run.starts_at < event.at <= run.starts_at + timedelta(hours=10) for event in told)
    assert run.signed_by.endswith("(demo)")


def test_the_dashboard_that_comes_after_finds_nothing_to_open_or_close(state: State) -> None:
    before = {name: ended(state, name) for name in ("daily", "weekly", "monthly")}

    runs.keep(state, versions.history(state, versions.Folder().checklists()), demo_people.ZONE, EVENING)

    assert {name: ended(state, name) for name in before} == before


@pytest.mark.parametrize("hour", [0, 9])
def test_in_the_morning_nothing_of_today_is_overdue(tmp_path: Path, hour: int) -> None:
    moment = EVENING.replace(hour=hour)
    opened = open_state(sqlite_url(tmp_path / "state.sqlite"))

    demo_people.work(opened, moment, 7)

    assert questions.overdue(opened, moment) == 0
    opened.close()


def test_the_command_makes_the_folder_that_the_dashboard_then_uses(tmp_path: Path) -> None:
    folder = tmp_path / "store"

    assert demo_people.main(["--data", str(folder), "--days", "2", "--until", str(EVENING.timestamp())]) == 0

    opened = open_state(sqlite_url(folder / SQLITE_FILE))
    assert questions.on_day(opened, "daily", date(2026, 11, 26)) is not None
    opened.close()


def test_what_they_wrote_down_had_happened_by_then(state: State) -> None:
    """Regression: Apollo's outage was noted five hours before it began."""
    past = Story.before(EVENING.timestamp(), 7, 2)
    ended = {"Apollo": past.apollo_outage.end, "deploy": past.deploys[-1], "database": past.slow_database.end}

    with state.reading() as session:
        noted = {row.words: row.at.timestamp() for row in session.scalars(select(EventRow).where(EventRow.words != ""))}

    for word, moment in ended.items():
        [at] = [at for words, at in noted.items() if word in words]
        assert moment < at < moment + 24 * 3600
