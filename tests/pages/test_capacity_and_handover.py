"""Capacity and the hand-over as people use them: verdicts, the button that drops what is too old, notes, taking over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lib import wiring
from lib.errors import SourceUnavailable
from lib.handover import notes
from lib.heartbeats.log import Beat, HeartbeatLog
from lib.identity.roles import Actor, Role, Via
from lib.logs.duckdb import DuckLogs
from lib.settings import Settings
from lib.state import audit
from lib.status import WorkerStatus
from lib.ui import cache, identity, runtime
from lib.ui.pages import entry
from lib.window import Window
from lib.worker import Worker
from tests.seed import batch, record

ROOT = Path(__file__).parents[2]
ANNA = Actor("anna@example.com", Role.ADMIN, Via.OIDC)
BORIS = Actor("boris@example.com", Role.OPERATOR, Via.OIDC)
VERA = Actor("vera@example.com", Role.VIEWER, Via.OIDC)
DAY = timedelta(days=1)
Drawn = Callable[[str, Actor], AppTest]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, rules_file=ROOT / "deploy" / "prometheus" / "rules.yml", zone="UTC")


@pytest.fixture
def opened(settings: Settings) -> Iterator[wiring.OpenStores]:
    """A store with a record of 50 days ago, twenty past the declared age, and errors since."""
    stores = wiring.open_stores(settings)
    assert isinstance(stores.logs, DuckLogs)
    now = datetime.now(UTC)
    rows = [record(now - days * DAY, "ERROR", error="old", pattern="old", pattern_id="old") for days in (50, 3, 2)]
    rows += [record(now - DAY / 24, "ERROR", error="new [x](http://evil)", pattern="new [x](http://evil)", pattern_id="new",
                    fields='{"email":"grace@acme.example"}', message="for grace@acme.example")]  # fmt: skip
    stores.logs.write(batch(rows))
    yield stores
    runtime.install(None)
    cache.forget()
    stores.close()


@pytest.fixture
def drawn(settings: Settings, opened: wiring.OpenStores, monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """`drawn(address, actor)`: the page as this person sees it, with a worker that may be asked but does not run."""
    worker = Worker(settings, opened)

    def status() -> WorkerStatus:
        return worker.status()

    runtime.install(runtime.Runtime(settings, opened.stores, status, opened.state, worker.apply_retention))

    def draw(address: str, actor: Actor) -> AppTest:
        monkeypatch.setattr(identity, "connection", lambda: actor)
        page = AppTest.from_file(str(ROOT / "lib" / "ui" / "shell.py"), default_timeout=30)
        page.run().switch_page(str(entry(address).path)).run()
        assert [str(e) for e in page.exception] == []
        return page

    return draw


def done(opened: wiring.OpenStores) -> list[tuple[str, str]]:
    now = datetime.now(UTC)
    found = audit.search(opened.state, ANNA, Window(now - DAY, now + DAY))
    return list(zip(found["action"], found["who"], strict=True))


def test_what_is_kept_too_long_stands_first_and_says_by_how_much(drawn: Drawn) -> None:
    page = drawn("capacity", ANNA)

    first = page.dataframe[0].value.iloc[0]
    assert (first["verdict"], first["what"]) == ("▲ Bad", "Log records: logs (embedded)")
    assert first["reason"] == "kept 20 d longer than declared"


def test_a_card_over_weeks_does_not_offer_a_wider_range_of_hours(drawn: Drawn, opened: wiring.OpenStores) -> None:
    assert isinstance(opened.stores.logs, DuckLogs)
    opened.stores.logs.retain(datetime.now(UTC) + DAY)

    page = drawn("capacity", VERA)

    assert "No whole day of log in the last 4 weeks" in " ".join(one.value for one in page.markdown)
    assert not [one.label for one in page.button if one.label.startswith("Show the last")]


def test_an_admin_applies_the_retention_which_is_recorded_and_shown(drawn: Drawn, opened: wiring.OpenStores) -> None:
    page = drawn("capacity", ANNA)

    page.button(key="apply").click().run()

    assert [str(e) for e in page.exception] == []
    assert done(opened) == [("retention.apply", ANNA.name)]
    oldest = opened.logs.oldest()
    assert oldest is not None
    assert datetime.now(UTC) - oldest < 31 * DAY
    page.run()
    assert any("It ran" in caption.value for caption in page.caption)


@pytest.mark.parametrize("actor", [BORIS, VERA])
def test_nobody_else_can_drop_anything_and_is_told_why(drawn: Drawn, opened: wiring.OpenStores, actor: Actor) -> None:
    page = drawn("capacity", actor)

    button = page.button(key="apply")
    off, button.proto.disabled = button.disabled, False  # as somebody who makes the browser send it all the same
    button.click().run()

    assert off
    assert button.help.startswith("Needs the role admin")
    assert done(opened) == []
    oldest = opened.logs.oldest()
    assert oldest is not None
    assert datetime.now(UTC) - oldest > 49 * DAY


def test_a_new_error_is_in_the_hand_over_as_text_and_never_as_a_link(drawn: Drawn) -> None:
    page = drawn("handover", BORIS)

    told = [value for frame in page.dataframe for value in frame.value["what"]]
    assert told == ["new [x](http://evil) (1)"]
    assert not [block.value for block in page.markdown if "](http://evil" in block.value]


def test_what_could_not_be_asked_is_not_called_nothing(drawn: Drawn, opened: wiring.OpenStores) -> None:
    assert isinstance(opened.stores.logs, DuckLogs)
    opened.stores.logs.retain(datetime.now(UTC) + DAY)

    page = drawn("handover", VERA)

    told = [caption.value for caption in page.caption]
    assert "Not known, see above: New error patterns." in told
    assert not [words for words in told if words.startswith("Nothing to tell") and "New error patterns" in words]


def test_a_note_is_kept_with_its_writer_and_shown_to_all(drawn: Drawn, opened: wiring.OpenStores) -> None:
    page = drawn("handover", BORIS)

    page.text_area(key="note_words_0").set_value("<b>HaloPSA</b> is slow")
    next(button for button in page.button if button.label == "Add note").click().run()
    assert [str(e) for e in page.exception] == []

    shown = drawn("handover", VERA)
    assert "<b>HaloPSA</b> is slow" in [block.value for block in shown.text]
    assert done(opened) == [("note.write", BORIS.name)]


def test_a_viewer_cannot_write_a_note_and_an_empty_one_is_none(drawn: Drawn, opened: wiring.OpenStores) -> None:
    page = drawn("handover", VERA)
    page.text_area(key="note_words_0").set_value("hello")
    button = next(button for button in page.button if button.label == "Add note")
    off, button.proto.disabled = button.disabled, False  # as somebody who makes the browser send it all the same
    button.click().run()

    empty = drawn("handover", BORIS)
    next(button for button in empty.button if button.label == "Add note").click().run()

    assert off
    assert button.help == "Needs the role operator; you act as viewer."
    assert any("write something" in error.value for error in empty.error)
    assert done(opened) == []


def test_who_took_over_begins_there_the_next_time(drawn: Drawn, opened: wiring.OpenStores) -> None:
    before = drawn("handover", VERA)
    assert any("have not taken over before" in caption.value for caption in before.caption)

    before.button(key="take_over").click().run()
    after = drawn("handover", VERA)

    assert notes.read_until(opened.state, VERA.name) is not None
    assert not any("have not taken over before" in caption.value for caption in after.caption)
    assert not [value for frame in after.dataframe for value in frame.value["what"]]
    assert done(opened) == [("handover.take", VERA.name)]


@pytest.mark.parametrize(("since", "hours"), [("8 h", 8), ("24 h", 24), ("anything else", 12)])
def test_a_link_to_a_hand_over_shows_its_time_at_once(drawn: Drawn, since: str, hours: int) -> None:
    page = drawn("system", VERA)
    page.query_params["since"] = since

    page.switch_page(str(entry("handover").path)).run()

    told = next(caption.value for caption in page.caption if caption.value.startswith("From "))
    start, end = (60 * int(hour) + int(minute) for hour, minute in re.findall(r"(\d\d):(\d\d)", told)[:2])
    assert (end - start) % 1440 == 60 * hours % 1440


def opened_record(drawn: Drawn, opened: wiring.OpenStores, actor: Actor) -> AppTest:
    """The Logs page with the newest record open."""
    page = drawn("logs", actor)
    page.text_input(key="record").set_value("r3").run()
    assert [str(e) for e in page.exception] == []
    return page


def texts(page: AppTest) -> str:
    return "\n".join([*(block.value for block in page.text), *(block.value for block in page.code)])


def test_an_operator_reveals_one_record_and_that_is_recorded_first(drawn: Drawn, opened: wiring.OpenStores) -> None:
    page = opened_record(drawn, opened, BORIS)
    assert "grace@acme.example" not in texts(page)

    page.button(key="reveal").click().run()

    assert "grace@acme.example" in texts(page)
    assert done(opened) == [("personal_data.reveal", BORIS.name)]
    assert any("Personal data shown" in block.value for block in page.markdown)
    page.button(key="hide_again").click().run()
    assert "grace@acme.example" not in texts(page)


def test_a_viewer_is_not_offered_to_reveal(drawn: Drawn, opened: wiring.OpenStores) -> None:
    page = opened_record(drawn, opened, VERA)

    assert "reveal" not in [button.key for button in page.button]
    assert "g***@acme.example" in texts(page)


def test_who_lost_the_role_sees_no_more_of_what_was_revealed(
    drawn: Drawn, opened: wiring.OpenStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened_record(drawn, opened, BORIS)
    page.button(key="reveal").click().run()

    monkeypatch.setattr(identity, "connection", lambda: VERA)
    page.run()

    assert "grace@acme.example" not in texts(page)


def test_nothing_is_revealed_where_it_cannot_be_recorded(
    drawn: Drawn, opened: wiring.OpenStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened_record(drawn, opened, BORIS)

    def refuse(*_: object, **__: object) -> None:
        raise SourceUnavailable("the disk is full", "audit")

    monkeypatch.setattr(audit, "record", refuse)
    page.button(key="reveal").click().run()

    assert any("Not done: the disk is full" in error.value for error in page.error)
    assert "grace@acme.example" not in texts(page)


def test_what_is_revealed_cannot_become_a_filter_in_the_address(drawn: Drawn, opened: wiring.OpenStores) -> None:
    page = opened_record(drawn, opened, BORIS)

    page.button(key="reveal").click().run()

    usable = [button.label for button in page.button if "email" in button.label and not button.disabled]
    assert [button for button in page.button if "email" in button.label]
    assert usable == []


def test_the_system_page_tells_of_backups_by_every_way_that_is_set_up(drawn: Drawn, opened: wiring.OpenStores) -> None:
    here = runtime.current()
    settings = here.settings.model_copy(update={"heartbeats": ("backup=24h/2h", "report=1h")})
    HeartbeatLog(opened.state).add("backup", datetime.now(UTC) - DAY * 2, Beat(2**20))
    runtime.install(replace(here, settings=settings))

    page = drawn("system", VERA)

    table = next(frame.value for frame in page.dataframe if "said" in frame.value).set_index("name")
    assert table["status"].to_dict() == {"metric": "○ No data", "backup": "▲ Late", "report": "○ Never heard of"}
    assert table.loc["backup", "age"] == "2 d"
