"""What admins save overrides the files by name, with history; what is wrong is refused and the last good one stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from lib.checklists import definition, versions
from lib.checklists.model import Checklist, Period, Stale
from lib.checklists.tables import VersionRow
from lib.checklists.versions import Folder, History
from lib.errors import SettingsError
from lib.state.database import State
from tests.checklists.test_definition import GOOD
from tests.checklists.world import ANNA, DAILY, NOW, act

SHIPPED = {"daily": DAILY}


def history(state: State) -> History:
    return versions.history(state, SHIPPED)


def save(state: State, checklist: Checklist, base: int, note: str = "", at: datetime = NOW) -> None:
    text = definition.dump(checklist)
    act(state, versions.save(text, base, note, history=history(state), clock=lambda: at), ANNA)


def test_without_an_edit_the_file_is_in_force(state: State) -> None:
    assert history(state).current() == SHIPPED
    assert [v.version for v in history(state).versions["daily"]] == [0]


def test_a_saved_one_overrides_the_file_and_the_file_stays_in_the_history(state: State) -> None:
    save(state, replace(DAILY, title="Our daily checks"), 0, "we call it so")

    told = history(state)
    assert told.current()["daily"].title == "Our daily checks"
    assert [(v.version, v.who, v.note, v.at) for v in told.versions["daily"]] == [
        (0, "", "", None), (1, ANNA.name, "we call it so", NOW),
    ]  # fmt: skip


def test_a_bad_one_is_refused_and_the_last_good_stays(state: State) -> None:
    save(state, replace(DAILY, title="Good"), 0)

    with pytest.raises(SettingsError, match=r"^the saved checklist:3: `period` must be day, week, month, not 'x'$"):
        versions.save("name: daily\ntitle: t\nperiod: x\nitems: [{key: a, title: b}]", 1, history=history(state))

    assert history(state).current()["daily"].title == "Good"


def test_the_second_of_two_admins_is_told_who_was_first(state: State) -> None:
    save(state, replace(DAILY, title="First"), 0)

    with pytest.raises(Stale, match=r"anna@example\.com saved version 1 meanwhile"):
        save(state, replace(DAILY, title="Second"), 0)

    assert history(state).current()["daily"].title == "First"


def test_a_checklist_keeps_its_period(state: State) -> None:
    weekly = replace(DAILY, period=Period.WEEK, items=(replace(DAILY.items[1], due=""),))

    with pytest.raises(SettingsError, match="another period needs another name"):
        versions.save(definition.dump(weekly), 0, history=history(state))


def test_a_new_name_is_a_new_checklist(state: State) -> None:
    save(state, replace(DAILY, name="night", title="Night shift"), 0)

    assert list(history(state).current()) == ["daily", "night"]


def test_a_checklist_is_taken_away_and_brought_back(state: State) -> None:
    act(state, versions.remove("daily", 0, "not needed", clock=lambda: NOW), ANNA)
    assert history(state).current() == {}

    save(state, DAILY, 1)

    assert history(state).current() == {"daily": replace(DAILY, version=2)}


def test_a_saved_text_that_cannot_be_read_any_more_gives_way_to_the_last_that_can(state: State) -> None:
    save(state, replace(DAILY, title="Good"), 0)
    save(state, replace(DAILY, title="Newer"), 1)
    with state.writing() as session:
        session.execute(update(VersionRow).where(VersionRow.version == 2).values(yaml="evidence: from the future"))

    assert history(state).current()["daily"].title == "Good"


def test_a_file_that_turns_bad_is_told_and_the_last_good_one_serves(tmp_path: Path) -> None:
    file = tmp_path / "daily.yaml"
    file.write_text(GOOD, encoding="utf-8")
    folder = Folder(tmp_path)

    file.write_text(GOOD.replace("period: day", "period: never"), encoding="utf-8")
    assert folder.checklists()["daily"].title == "Daily checks"
    assert folder.problem == f"{file}:3: `period` must be day, week, month, not 'never'"

    file.write_text(GOOD.replace("Daily checks", "Mended checks"), encoding="utf-8")
    assert folder.checklists()["daily"].title == "Mended checks"
    assert folder.problem == ""


def test_a_bad_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "daily.yaml").write_text("name: 1", encoding="utf-8")

    with pytest.raises(SettingsError, match=r"daily\.yaml:1"):
        Folder(tmp_path)
