"""Runs are opened and closed once for each calendar period, also those that were missed while nothing ran (F30)."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from lib.checklists import deeds, definition, questions, runs, versions
from lib.checklists.model import Checklist, Item, ItemState, Period, RunState
from lib.state.database import State
from tests.checklists.world import ANNA, DAILY, LONDON, NOW, SEEN, act, at, item, opened

MONTHLY = Checklist("monthly", "Monthly audits", Period.MONTH, (Item("capacity", "Capacity"),))


def states(state: State, checklist: str = "daily") -> list[tuple[str, str]]:
    found = questions.calendar(state, checklist, date(2000, 1, 1), date(2100, 1, 1))
    return [(str(run.first_day), run.state.value) for run in found]


def test_a_run_is_opened_for_this_period_with_its_items_and_due_times(state: State) -> None:
    run = opened(state)

    assert (run.first_day, run.last_day, run.state, run.total) == (NOW.date(), NOW.date(), RunState.OPEN, 2)
    assert [one.due_at for one in questions.items(state, run.id, NOW)[1]] == [
        at("2026-03-02 10:00"), at("2026-03-02 18:00"),
    ]  # fmt: skip
    assert item(state, run).item == DAILY.items[0]


def test_in_the_first_run_of_all_nothing_is_overdue_for_having_been_due_before_it(state: State) -> None:
    noon, next_noon = at("2026-03-02 12:00"), at("2026-03-03 12:00")

    def due(now: datetime) -> list[tuple[datetime, bool]]:
        run = opened(state, now)
        return [(one.due_at, one.overdue(now)) for one in questions.items(state, run.id, now)[1]]

    assert due(noon) == [(at("2026-03-03 00:00"), False), (at("2026-03-02 18:00"), False)]
    assert due(next_noon) == [(at("2026-03-03 10:00"), True), (at("2026-03-03 18:00"), False)]


def test_the_end_of_the_period_closes_it_and_what_was_not_done_is_missed(state: State) -> None:
    run = opened(state)
    act(state, deeds.tick(run, item(state, run), SEEN, clock=lambda: NOW))

    opened(state, at("2026-03-03 00:00"))

    closed, items = questions.items(state, run.id, at("2026-03-03 00:00"))
    assert (closed.state, closed.done, closed.missed) == (RunState.PARTIAL, 1, 1)
    assert [one.state for one in items] == [ItemState.DONE, ItemState.MISSED]
    assert states(state) == [("2026-03-02", "partial"), ("2026-03-03", "open")]


def test_the_days_on_which_nothing_ran_are_there_and_missed(state: State) -> None:
    opened(state, at("2026-03-27 12:00"))

    opened(state, at("2026-03-31 12:00"))

    assert states(state) == [
        ("2026-03-27", "missed"), ("2026-03-28", "missed"), ("2026-03-29", "missed"), ("2026-03-30", "missed"),
        ("2026-03-31", "open"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("2026-03-28 00:00", "2026-03-31 00:00", 4),  # the clocks go forward
        ("2026-10-24 00:00", "2026-10-27 01:00", 4),  # and back
        ("2024-02-28 00:00", "2024-03-01 12:00", 3),  # a leap day
        ("2026-12-30 00:00", "2027-01-02 12:00", 4),  # the end of a year
    ],
)
def test_a_worker_that_looks_every_half_hour_opens_each_day_once(
    state: State, first: str, last: str, days: int
) -> None:
    moment, seen = at(first), set[date]()
    while moment <= at(last):
        seen.add(opened(state, moment).first_day)
        moment += timedelta(minutes=30)

    told = states(state)
    assert len(told) == len({day for day, _ in told}) == days == len(seen)
    assert [how for _, how in told] == ["missed"] * (days - 1) + ["open"]


@pytest.mark.parametrize(("before", "after"), [("Asia/Tokyo", "America/New_York"), ("America/New_York", "Asia/Tokyo")])
def test_another_zone_leaves_each_calendar_day_its_one_run(state: State, before: str, after: str) -> None:
    moment = at("2026-03-02 00:00")
    for zone in (before, after):
        for _ in range(4 * 24):
            opened(state, moment, zone)
            moment += timedelta(hours=1)

    days = [date.fromisoformat(day) for day, _ in states(state)]
    assert days == [days[0] + timedelta(days=n) for n in range(len(days))]


def test_a_clock_that_was_wrong_for_a_while_stops_nothing(state: State) -> None:
    opened(state, at("2026-03-02 09:00"))
    opened(state, at("2026-03-04 09:00"))  # two days ahead

    opened(state, at("2026-03-02 09:05"))
    run = opened(state, at("2026-03-03 09:00"))

    assert run.first_day == date(2026, 3, 3)
    assert len(states(state)) == 3
    act(state, deeds.tick(run, item(state, run), SEEN, clock=lambda: at("2026-03-03 09:01")))


def test_what_a_clock_that_was_ahead_closed_too_early_goes_on_with_all_that_was_done(state: State) -> None:
    run = opened(state, at("2026-03-02 23:20"))
    act(state, deeds.tick(run, item(state, run), SEEN, clock=lambda: at("2026-03-02 23:25")))
    opened(state, at("2026-03-03 00:30"))  # an hour ahead
    assert states(state) == [("2026-03-02", "partial"), ("2026-03-03", "open")]

    opened(state, at("2026-03-02 23:31"))

    assert states(state) == [("2026-03-02", "open"), ("2026-03-03", "open")]
    run, _ = questions.items(state, run.id, at("2026-03-02 23:31"))
    assert (run.done, run.missed) == (1, 0)
    act(state, deeds.tick(run, item(state, run, "backup"), SEEN, clock=lambda: at("2026-03-02 23:32")))
    opened(state, at("2026-03-03 00:00"))
    assert states(state)[0] == ("2026-03-02", "done")


def test_a_checklist_that_was_never_there_begins_now(state: State) -> None:
    opened(state, NOW - timedelta(days=40))

    opened(state, NOW, LONDON, MONTHLY, DAILY)

    assert states(state, "monthly") == [("2026-03-01", "open")]


def test_a_run_keeps_the_items_that_it_was_opened_with(state: State) -> None:
    run = opened(state)
    renamed = replace(DAILY, items=(replace(DAILY.items[0], title="Something else"),))

    opened(state, NOW + timedelta(minutes=5), LONDON, renamed)
    tomorrow = opened(state, NOW + timedelta(days=1), LONDON, renamed)

    assert item(state, run).item.title == "Review error logs"
    assert item(state, tomorrow).item.title == "Something else"


def saved(state: State, checklist: Checklist, base: int, now: datetime) -> None:
    history = versions.history(state, {"daily": DAILY})
    act(state, versions.save(definition.dump(checklist), base, history=history, clock=lambda: now), ANNA)


def test_missed_days_have_the_version_that_was_in_force_then(state: State) -> None:
    opened(state)
    saved(state, replace(DAILY, title="Version 1"), 0, at("2026-03-03 12:00"))
    saved(state, replace(DAILY, title="Version 2"), 1, at("2026-03-04 12:00"))

    opened(state, at("2026-03-05 09:00"))

    found = questions.calendar(state, "daily", date(2026, 3, 1), date(2026, 3, 9))
    assert [(run.title, run.version) for run in found] == [
        ("Daily checks", 0), ("Daily checks", 0), ("Version 1", 1), ("Version 2", 2),
    ]  # fmt: skip


def test_a_checklist_that_was_taken_away_has_no_runs_until_it_is_back(state: State) -> None:
    opened(state)
    act(state, versions.remove("daily", 0, clock=lambda: at("2026-03-02 12:00")), ANNA)
    runs.keep(state, versions.history(state, {"daily": DAILY}), LONDON, at("2026-03-04 09:00"))
    assert states(state) == [("2026-03-02", "missed")]

    saved(state, DAILY, 1, at("2026-03-05 12:00"))
    opened(state, at("2026-03-07 09:00"))

    assert [day for day, _ in states(state)] == ["2026-03-02", "2026-03-06", "2026-03-07"]


def test_several_workers_at_once_open_one_run(state: State) -> None:
    history, barrier = versions.history(state, {"daily": DAILY}), threading.Barrier(4)
    failed = list[BaseException]()

    def turn() -> None:
        barrier.wait()
        try:
            runs.keep(state, history, LONDON, NOW)
        except BaseException as error:  # noqa: BLE001 - told by the assertion
            failed.append(error)

    threads = [threading.Thread(target=turn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert states(state) == [("2026-03-02", "open")]
