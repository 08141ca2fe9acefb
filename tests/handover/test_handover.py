"""The hand-over: everything that happened, notes that stay, and up to when each has read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import text

from lib.alerts.tables import AlertRow
from lib.checklists.tables import EventRow, RunRow
from lib.errors import Refused, SourceUnavailable
from lib.handover import notes
from lib.handover.markdown import markdown, plain
from lib.handover.story import KINDS, Story, story
from lib.identity.roles import Actor, Role, Via
from lib.state import audit
from lib.state.database import State
from lib.stores import Stores
from lib.window import Window
from tests.seed import DEPLOY, NEW_ERROR, NOW, WHOLE, empty_stores, fill

HOUR = timedelta(hours=1)
ANNA = Actor("anna@example.com", Role.OPERATOR, Via.OIDC)
VERA = Actor("vera@example.com", Role.VIEWER, Via.OIDC)
SHIFT = Window(NOW - 2 * HOUR, NOW)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with empty_stores(tmp_path_factory.mktemp("busy")) as stores:
        fill(stores)
        yield stores


def alert(name: str, fired_h: float, resolved_h: float | None = None) -> AlertRow:
    fired = NOW - fired_h * HOUR
    return AlertRow(
        origin="engine", fingerprint=name, rule=f"g/{name}", name=name, severity="critical", labels={},
        annotations={"summary": f"{name} is high"}, state="firing" if resolved_h is None else "resolved", active_at=fired,
        fired_at=fired, resolved_at=None if resolved_h is None else NOW - resolved_h * HOUR, last_seen=NOW,
    )  # fmt: skip


def what(found: Story, kind: str) -> list[str]:
    return [str(words) for words in found.events.loc[found.events["kind"] == kind, "what"]]


def test_a_shift_tells_of_new_errors_outages_and_deploys_in_their_order(busy: Stores, state: State) -> None:
    found = story(busy, state, SHIFT)

    assert what(found, "error") == ["HaloPSA rejected lead <id> (6)"]
    assert what(found, "deploy") == ["version 2.4.0 after 2.3.1", "b:3000 started"]
    assert what(found, "health") == ["database on a:3000 down: connection refused", "database on a:3000 up again"]
    assert found.events["at"].is_monotonic_increasing
    assert set(found.events["kind"]) <= set(KINDS)
    assert found.silent == ()
    first_error = found.events.loc[found.events["kind"] == "error", "at"].iloc[0]
    assert (first_error, found.events["at"].iloc[0]) == (NEW_ERROR, DEPLOY)


def test_alerts_that_fired_were_resolved_or_still_fire_are_told_once_each(busy: Stores, state: State) -> None:
    with state.writing() as session:
        session.add_all(
            [alert("Fired", 1), alert("Ended", 1.5, 0.5), alert("Old", 9, 1), alert("Still", 9), alert("Gone", 9, 5)]
        )

    found = what(story(busy, state, SHIFT), "alert")

    assert found == [
        "still firing: Still, critical: Still is high", "fired: Ended, critical: Ended is high",
        "fired: Fired, critical: Fired is high", "resolved: Old, critical: Old is high",
        "resolved: Ended, critical: Ended is high",
    ]  # fmt: skip


def checklist_run(state: State, ends_h: float, *, closed: bool, missed: int = 0) -> int:
    """A run of a day whose items were due two hours before its end; one was ticked. Its number."""
    ends, keys = NOW + ends_h * HOUR, {"backup": "Verify backup", "queues": "Look at queues", "disk": "Look at disks"}
    items = [
        {"key": key, "title": title, "owner": "ops", "due_at": (ends - 2 * HOUR).isoformat()}
        for key, title in keys.items()
    ]
    with state.writing() as session:
        run = RunRow(
            checklist=f"daily{ends_h}", title="Daily checks", period="day", version=0, zone="UTC", first_day=NOW.date(),
            last_day=NOW.date(), starts_at=ends - 20 * HOUR, ends_at=ends, opened_at=ends - 20 * HOUR,
            closed_at=ends if closed else None, state="partial" if closed else "open", items=items, total=3, done=1, skipped=0,
            missed=missed,
        )  # fmt: skip
        session.add(run)
        session.flush()
        session.add(EventRow(run_id=run.id, checklist="daily", item="backup", kind="tick", at=NOW - 1.5 * HOUR,
                             who="anna", words="all well", evidence={"value": "3 h old"}))  # fmt: skip
        return run.id


def of_checklists(found: Story) -> list[tuple[str, str]]:
    events = found.events[found.events["kind"] == "checklist"]
    return list(zip(events["what"], events["who"], strict=True))


def test_ticks_skips_and_what_was_missed_are_told_with_who_and_what_they_saw(busy: Stores, state: State) -> None:
    checklist_run(state, -1, closed=True, missed=2)

    assert of_checklists(story(busy, state, SHIFT)) == [
        ("ticked: Verify backup (3 h old) – all well", "anna"),
        ("missed: 2 of 3 items of Daily checks (Look at queues, Look at disks)", ""),
    ]


@pytest.mark.parametrize("hours", [2, 0.5])
def test_what_is_past_its_time_and_not_done_is_told_until_somebody_did_it(
    busy: Stores, state: State, hours: float
) -> None:
    run = checklist_run(state, 1, closed=False)
    checklist_run(state, 5, closed=False)  # nothing of it is due yet
    with state.writing() as session:
        session.add(
            EventRow(run_id=run, checklist="daily", item="disk", kind="assign", at=NOW, who="anna", words="boris")
        )

    shift = Window(NOW - hours * HOUR, NOW)
    found = story(busy, state, shift)

    late = [words for words, _ in of_checklists(found) if words.startswith("overdue")]
    assert late == [
        "overdue: Look at queues of Daily checks, for ops",
        "overdue: Look at disks of Daily checks, for boris",
    ]
    at = found.events.loc[found.events["what"].str.startswith("overdue"), "at"].iloc[0]
    assert at == max(NOW - HOUR, shift.start)
    with state.writing() as session:
        for item in ("queues", "disk"):
            session.add(
                EventRow(run_id=run, checklist="daily", item=item, kind="skip", at=NOW, who="anna", words="why")
            )
    assert not any(words.startswith("overdue") for words, _ in of_checklists(story(busy, state, shift)))


def test_a_source_that_is_down_costs_its_part_and_is_named(busy: Stores, state: State) -> None:
    class Down:
        name = "logs"

        def __getattr__(self, asked: str) -> Any:
            raise SourceUnavailable("no connection", "logs")

    found = story(replace(busy, logs=cast("Any", Down())), state, SHIFT)

    assert found.silent == ("logs: no connection",)
    assert what(found, "health")
    assert found.unknown == ("error", "deploy")
    report = markdown(found, "UTC")
    assert "## New error patterns\n\nNot known, or not all: see above.\n" in report
    assert "## Alerts\n\nNone.\n" in report


def test_without_a_state_database_that_is_said_and_the_rest_is_told(busy: Stores) -> None:
    found = story(busy, None, SHIFT)

    assert "no state database" in found.silent[0]
    assert found.unknown == ("alert", "checklist", "note")
    assert what(found, "error")


def test_a_note_stays_as_it_was_written(state: State) -> None:
    audit.act(state, ANNA, notes.written("  HaloPSA is slow since 3\nthey know ", clock=lambda: NOW - HOUR))

    found = notes.notes(state, SHIFT)

    assert found[["who", "words"]].values.tolist() == [[ANNA.name, "HaloPSA is slow since 3\nthey know"]]
    assert notes.notes(state, Window(NOW, NOW + HOUR)).empty
    for change in ("UPDATE note SET words = 'x'", "DELETE FROM note"):
        with pytest.raises(SourceUnavailable, match="append-only"), state.connected() as connection:
            connection.execute(text(change))


def test_a_note_needs_words_and_a_role_and_keeps_no_credential(state: State) -> None:
    with pytest.raises(Refused, match="write something"):
        notes.written(" \n ")
    with pytest.raises(Refused, match="operator"):
        audit.act(state, VERA, notes.written("hello"))
    audit.act(state, ANNA, notes.written("use postgres://ops:hunter2canary@db/crm", clock=lambda: NOW - HOUR))

    assert "canary" not in notes.notes(state, SHIFT)["words"].iloc[0]


def test_taking_over_is_remembered_for_each_person_and_never_goes_back(state: State) -> None:
    assert notes.read_until(state, ANNA.name) is None

    audit.act(state, ANNA, notes.taken_over(NOW))
    audit.act(state, ANNA, notes.taken_over(NOW - HOUR))
    audit.act(state, VERA, notes.taken_over(NOW - 2 * HOUR))

    assert notes.read_until(state, ANNA.name) == NOW
    assert notes.read_until(state, VERA.name) == NOW - 2 * HOUR
    assert notes.read_until(state, "") is None


def test_the_report_says_what_the_page_says_on_the_viewers_clock(busy: Stores, state: State) -> None:
    audit.act(state, ANNA, notes.written("look at [this](http://evil)\n# not a heading", clock=lambda: NOW - HOUR))

    report = markdown(story(busy, state, SHIFT), "Europe/Berlin")

    assert report.startswith("# Shift hand-over\n\nFrom 2026-03-02 11:00 to 2026-03-02 13:00 (Europe/Berlin)")
    assert all(f"## {title}\n" in report for title in KINDS.values())
    assert "- 2026-03-02 12:00 look at" in report
    assert "](http" not in report
    assert "\n# not" not in report
    assert "## Alerts\n\nNone." in report


@pytest.mark.parametrize(
    "foreign", ["![x](http://evil/x.png)", "<img src=x>", "`code`", "\u202eevil", "http://evil", "*b* | c"]
)
def test_foreign_text_is_only_text_in_the_report(foreign: str) -> None:
    shown = plain(foreign)

    for sign in ("](", "\u202e", "http://"):
        assert sign not in shown
    assert re.search(r"(?<!\\)[<*`|!]", shown) is None


def test_where_the_log_is_too_young_nothing_is_called_new(busy: Stores, state: State) -> None:
    young = Window(WHOLE.start - HOUR, WHOLE.end)

    found = story(busy, state, young)

    assert what(found, "error") == []
    assert "which error patterns are new cannot be told" in found.silent[0]


@pytest.mark.parametrize(("hours", "known"), [(9, False), (0.1, True)])
def test_a_log_that_stands_still_is_not_a_quiet_shift(busy: Stores, state: State, hours: float, known: bool) -> None:
    newest = busy.logs.newest()
    assert newest is not None

    found = story(busy, state, Window(newest + timedelta(minutes=1), newest + hours * HOUR))

    assert ("error" in found.unknown) is not known
    assert any("no record from this time" in words for words in found.silent) is not known


def test_an_empty_log_is_not_a_quiet_shift(state: State, tmp_path: Path) -> None:
    with empty_stores(tmp_path) as stores:
        found = story(stores, state, SHIFT)

    assert found.silent == ("logs: the log has no record from this time: nobody knows whether there were errors",)
    assert found.unknown == ("error",)
