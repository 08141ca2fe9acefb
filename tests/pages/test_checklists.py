"""The Checklists page: working through a run, the runs that were, and editing; each role may what it may."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from lib import wiring
from lib.checklists import deeds, definition, gather, questions, runs, versions
from lib.checklists.model import Evidence, Run
from lib.identity.roles import Actor
from lib.notes import Question
from lib.settings import Settings
from lib.state.database import State
from lib.ui import cache, clock, identity, runtime
from lib.ui.checklists import book, run
from lib.ui.pages import entry
from tests.checklists.world import ANNA, BORIS, SEEN, VERA, act

ROOT = Path(__file__).parents[2]
TITLE = "Review error logs for new patterns"
Drawn = Callable[..., AppTest]


class Known(gather.Gatherer):
    """Gives one evidence for everything, at once."""

    def latest(self, question: object, ask: Callable[[], Evidence]) -> gather.Found:
        return gather.Found(replace(SEEN, value="[evil](http://evil)"), datetime.now(UTC))


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[wiring.OpenStores]:
    settings = Settings(data_dir=tmp_path, rules_file=ROOT / "deploy" / "prometheus" / "rules.yml")
    stores = wiring.open_stores(settings)
    keep(stores.state, datetime.now(UTC) - timedelta(days=2))
    keep(stores.state, datetime.now(UTC))
    runtime.install(runtime.Runtime(settings, stores.stores, lambda: None, stores.state))
    monkeypatch.setattr(book, "_gatherer", Known)
    yield stores
    runtime.install(None)
    cache.forget()
    stores.close()


def keep(state: State, now: datetime) -> None:
    runs.keep(state, versions.history(state, versions.Folder().checklists()), "UTC", now)


@pytest.fixture
def drawn(opened: wiring.OpenStores, monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """`drawn(actor, view=…)`: the page as this person sees it."""

    def draw(actor: Actor, **address: str) -> AppTest:
        monkeypatch.setattr(identity, "connection", lambda: actor)
        page = AppTest.from_file(str(ROOT / "lib" / "ui" / "shell.py"), default_timeout=30)
        page.run().switch_page(str(entry("checklists").path))
        for name, value in address.items():
            page.query_params[name] = value
        return whole(page.run())

    return draw


def whole(page: AppTest) -> AppTest:
    assert [str(e) for e in page.exception] == []
    return page


def today(state: State) -> Run:
    found = questions.newest(state, "daily", datetime.now(UTC))
    assert found is not None
    return found


def said(page: AppTest) -> str:
    return "\n".join(
        [*(m.value for m in page.markdown), *(c.value for c in page.caption), *(e.value for e in page.error)]
    )


def row(page: AppTest) -> dict[str, Any]:
    """The line of the first item, as its box is given it."""
    boxes = (one.proto for one in page.get("bidi_component") if one.proto.component_name == "checklist_box")
    lines = (json.loads(one.json)["row"] for one in boxes)
    return next(line for line in lines if line["title"] == TITLE)


def test_an_item_shows_its_evidence_as_text_and_who_ticked_it(drawn: Drawn, opened: wiring.OpenStores) -> None:
    page = drawn(BORIS)
    assert r"\[evil\]" in said(page)
    assert (row(page)["done"], row(page)["open"], row(page)["told"]) == (False, True, "")

    run, items = questions.items(opened.state, today(opened.state).id, datetime.now(UTC))
    act(opened.state, deeds.tick(run, items[0], replace(SEEN, value="as it stood"), "<b>fine</b>"), BORIS)
    whole(page.run())

    assert (row(page)["done"], row(page)["badge"]) == (True, "")
    assert row(page)["told"].startswith("boris@example.com ticked") and "“<b>fine</b>”" in row(page)["told"]
    assert "as it stood" in said(page)


def test_the_page_lists_how_its_evidence_was_asked(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    put = Question("metrics (embedded)", "max(queue_size)", 1.5, 3)
    monkeypatch.setattr(Known, "latest", lambda *_: gather.Found(SEEN, datetime.now(UTC), (put,)))
    page = drawn(BORIS)
    page.session_state["how_asked"] = True

    whole(page.run())

    asked = next(table.value for table in page.dataframe if {"card", "question"} <= set(table.value.columns))
    assert len(asked) == 5 and TITLE in set(asked["card"])
    assert set(asked["question"]) == {"max(queue_size)"}


def test_an_item_that_was_ticked_before_anything_was_collected_says_so_and_shows_what_is_seen_now(
    drawn: Drawn, opened: wiring.OpenStores
) -> None:
    run, items = questions.items(opened.state, today(opened.state).id, datetime.now(UTC))
    act(opened.state, deeds.tick(run, items[0], None), BORIS)

    lines = [block.value for block in drawn(BORIS).markdown if "nothing was collected then" in block.value]

    assert len(lines) == 1
    assert "now:" in lines[0] and r"\[evil\]" in lines[0]


def test_a_viewer_sees_all_of_it_and_may_neither_tick_nor_edit(drawn: Drawn) -> None:
    page = drawn(VERA)

    assert (row(page)["title"], row(page)["open"]) == (TITLE, False)
    assert "Needs the role operator; you act as viewer." in said(page)
    assert not page.get("menu_button") and drawn(BORIS).get("menu_button")
    assert "Edit" not in {option for control in page.button_group for option in control.options}


def test_a_day_that_is_over_is_shown_and_cannot_be_changed(drawn: Drawn, opened: wiring.OpenStores) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()

    page = drawn(BORIS, day=yesterday.isoformat())

    assert (row(page)["open"], row(page)["badge"]) == (False, "▲ Missed")
    assert "0/5 · 5 missed" in page.get("progress")[0].proto.text
    assert any(button.label == "Back to the current run" for button in page.button)


def test_a_run_that_is_complete_can_be_signed_off(drawn: Drawn, opened: wiring.OpenStores) -> None:
    run, items = questions.items(opened.state, today(opened.state).id, datetime.now(UTC))
    assert not any(button.label == "Sign off" for button in drawn(BORIS).button)
    for one in items:
        act(opened.state, deeds.tick(run, one, None))

    page = drawn(BORIS)

    assert any(button.label == "Sign off" for button in page.button)
    act(opened.state, deeds.sign_off(run), ANNA)
    assert "✓ Signed" in said(drawn(BORIS))


def test_a_lost_database_is_told_and_the_page_works_again_when_it_is_back(
    drawn: Drawn, opened: wiring.OpenStores
) -> None:
    page = drawn(BORIS)
    with opened.state.connected() as connection:
        connection.execute(text("ALTER TABLE checklist_event RENAME TO lost"))
    assert "does not answer" in said(whole(page.run()))
    with opened.state.connected() as connection:
        connection.execute(text("ALTER TABLE lost RENAME TO checklist_event"))

    assert row(whole(page.run()))["open"] is True


def test_evidence_about_the_checklists_leads_to_their_calendar(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    leads = replace(SEEN, link="checklists?view=Calendar")
    monkeypatch.setattr(Known, "latest", lambda *_: gather.Found(leads, datetime.now(UTC)))
    monkeypatch.setattr(run, "_evidence", lambda of, one: leads if one.item.evidence == "compliance" else None)
    page = drawn(VERA, list="Monthly")

    next(button for button in page.button if button.label == "Calendar").click()
    whole(page.run())

    assert "Calendar of runs" in [heading.value for heading in page.header]


@pytest.mark.parametrize("view", ["Calendar", "Items"])
@pytest.mark.parametrize("name", ["Daily", "Weekly", "Monthly"])
def test_every_view_of_every_checklist_is_drawn(drawn: Drawn, view: str, name: str) -> None:
    page = drawn(VERA, view=view, list=name)

    assert page.header


def test_the_calendar_shows_missed_days(drawn: Drawn) -> None:
    page = drawn(VERA, view="Calendar")

    assert "▲ Missed" in said(page)
    assert any(button.label.startswith(":red[▲]") for button in page.button) or datetime.now(UTC).day < 3


def test_a_checklist_that_was_taken_away_is_worked_through_to_its_end_and_read_afterwards(
    drawn: Drawn, opened: wiring.OpenStores
) -> None:
    act(opened.state, versions.remove("daily", 0), ANNA)

    page = drawn(BORIS, list="Daily (ended)")

    assert row(page)["open"] is True
    names = [option for control in page.button_group for option in control.options]
    assert "Daily (ended)" in names and names.index("Daily (ended)") > names.index("Monthly")
    assert drawn(BORIS, list="Daily (ended)", view="Calendar").header
    assert "Form" not in {
        o for control in drawn(ANNA, list="Daily (ended)", view="Edit").button_group for o in control.options
    }


def test_the_history_of_an_item_that_is_no_more_in_the_checklist_can_be_read(
    drawn: Drawn, opened: wiring.OpenStores
) -> None:
    shipped = versions.Folder().checklists()
    fewer = definition.dump(replace(shipped["daily"], items=shipped["daily"].items[1:]))
    act(opened.state, versions.save(fewer, 0, history=versions.history(opened.state, shipped)), ANNA)

    page = drawn(VERA, view="Items")

    assert TITLE in next(box for box in page.selectbox if box.label == "Item").options


def test_a_day_with_nothing_left_to_do_is_done_in_the_calendar_though_it_goes_on(
    drawn: Drawn, opened: wiring.OpenStores
) -> None:
    run, items = questions.items(opened.state, today(opened.state).id, datetime.now(UTC))
    for one in items:
        act(opened.state, deeds.tick(run, one, None))

    page = drawn(VERA, view="Calendar")

    assert next(button.label for button in page.button if button.key == f"run_{run.first_day}").startswith(":green[✓]")
    assert "Open] 0" in said(page)


def test_the_calendar_goes_as_far_as_the_teams_day_not_that_of_greenwich(
    drawn: Drawn, opened: wiring.OpenStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = runtime.current()
    runtime.install(replace(here, settings=here.settings.model_copy(update={"zone": "Pacific/Auckland"})))
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 4, 30, 20, tzinfo=UTC))  # the first of May in Auckland

    page = drawn(VERA, view="Calendar")
    page.button(key="runs_before").click().run()

    assert "**April 2026**" in said(whole(page))
    assert not page.button(key="runs_after").disabled


def edited(page: AppTest, yaml: str) -> AppTest:
    page.text_area[0].set_value(yaml)
    whole(page.run())
    next(button for button in page.button if button.label == "Save").click()
    return whole(page.run())


def test_an_admin_edits_the_yaml_and_a_mistake_is_told_with_its_line(drawn: Drawn, opened: wiring.OpenStores) -> None:
    page = drawn(ANNA, view="Edit")
    page.session_state["edit_by"] = "YAML"
    whole(page.run())
    before = str(page.text_area[0].value)

    edited(page, before.replace("period: day", "period: never"))
    assert any("the saved checklist:3: `period` must be" in code.value for code in page.code)
    edited(page, before.replace("title: Daily checks", "title: Our checks"))

    newest = versions.history(opened.state, versions.Folder().checklists()).newest("daily")
    assert newest is not None and newest.checklist is not None
    assert (newest.version, newest.checklist.title, newest.who) == (1, "Our checks", ANNA.name)


def test_an_admin_edits_an_item_in_the_form(drawn: Drawn, opened: wiring.OpenStores) -> None:
    page = drawn(ANNA, view="Edit")

    next(one for one in page.text_input if one.label == "Owner").set_value("the night shift")
    next(button for button in page.button if button.label == "Save").click()
    whole(page.run())

    current = versions.history(opened.state, versions.Folder().checklists()).current()
    assert current["daily"].items[0].owner == "the night shift"
    shipped = versions.Folder().checklists()["daily"].items
    assert current["daily"].items[0] == replace(shipped[0], owner="the night shift")
    assert current["daily"].items[1:] == shipped[1:]
