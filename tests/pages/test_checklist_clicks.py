"""A click on a box of a checklist, as the browser sends it: kept with what was seen, refused in plain words, never half."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lib import http, wiring
from lib.checklists import deeds, gather, questions, runs, versions
from lib.checklists.model import Evidence, ItemState, Run
from lib.settings import Settings
from lib.state.database import State
from lib.status import WorkerStatus
from lib.ui import cache, runtime
from lib.ui.checklists import api, book
from lib.window import Window
from tests.checklists.world import ANNA, BORIS, SEEN, VERA, act

SECRET = "s" * 24
SIGN_IN = Settings(sign_in="proxy", proxy_secret=SECRET, operators=(BORIS.name,), admins=(ANNA.name,))  # type: ignore[arg-type]
NOBODY_SIGNS_IN = Settings()
KEY = "errors"


class Known(gather.Gatherer):
    """Gives one evidence for everything, at once."""

    def latest(self, question: object, ask: Callable[[], Evidence]) -> gather.Found:
        return gather.Found(SEEN, datetime.now(UTC))


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    settings = Settings(data_dir=tmp_path)
    stores = wiring.open_stores(settings)
    now = datetime.now(UTC)
    for moment in (now - timedelta(days=2), now):
        runs.keep(stores.state, versions.history(stores.state, versions.Folder().checklists()), "UTC", moment)
    runtime.install(runtime.Runtime(settings, stores.stores, lambda: None, stores.state))
    monkeypatch.setattr(book, "_gatherer", Known)
    yield stores.state
    runtime.install(None)
    cache.forget()
    stores.close()


def client(settings: Settings = SIGN_IN, name: str = BORIS.name) -> TestClient:
    """This person's browser, behind the whole middleware."""
    routes = http.routes(lambda: WorkerStatus(datetime.now(UTC), datetime.now(UTC)), api.routes())
    app = Starlette(routes=routes, middleware=http.middleware(settings))
    mine = {"x-halo-ops-proxy-secret": SECRET, "x-forwarded-user": name} if settings is SIGN_IN else {}
    return TestClient(app, base_url="http://localhost:8501", headers=mine)


def today(state: State) -> Run:
    found = questions.newest(state, "daily", datetime.now(UTC))
    assert found is not None
    return found


def key(state: State) -> str:
    return questions.items(state, today(state).id, datetime.now(UTC))[1][0].item.key


def address(state: State, what: str = "tick", seen: int = 0) -> str:
    return f"/api/checklists/{today(state).id}/{key(state)}?what={what}&seen={seen}"


def first(state: State) -> ItemState:
    return questions.items(state, today(state).id, datetime.now(UTC))[1][0].state


def test_a_tick_is_kept_with_who_and_what_was_seen_before_the_answer_says_so(state: State) -> None:
    got = client().post(address(state))

    assert got.status_code == 200
    run, items = questions.items(state, today(state).id, datetime.now(UTC))
    last = items[0].last
    assert last is not None and (run.done, last.who, last.evidence) == (1, BORIS.name, SEEN)
    said = got.json()
    assert (said["done"], said["open"], said["seen"], said["badge"]) == (True, True, last.id, "")
    assert said["told"].startswith(f"{BORIS.name} ticked ")
    assert got.headers["cache-control"] == "no-store"


def test_a_second_click_takes_it_back_and_both_are_on_record(state: State) -> None:
    asked = client()
    seen = asked.post(address(state)).json()["seen"]

    said = asked.post(address(state, "undo", seen)).json()

    assert (said["done"], said["told"].partition(" at")[0][:10]) == (False, "taken back")
    assert len(questions.journal(state, today(state).id)) == 2


def test_who_is_late_is_told_what_another_did_meanwhile(state: State) -> None:
    run, items = questions.items(state, today(state).id, datetime.now(UTC))
    act(state, deeds.tick(run, items[0], SEEN, "I had\u202e it"), ANNA)

    got = client().post(address(state))

    assert got.status_code == 409
    assert got.json()["error"].startswith(f"{ANNA.name} ticked it at ") and "I hadU+202E it" in got.json()["error"]
    assert len(questions.journal(state, run.id)) == 1


def test_a_viewer_may_not_and_nothing_is_done(state: State) -> None:
    got = client(name=VERA.name).post(address(state))

    assert (got.status_code, first(state)) == (403, ItemState.OPEN)
    assert "needs the role operator" in got.json()["error"]


def test_a_stranger_and_a_forged_name_are_sent_away_by_the_sign_in(state: State) -> None:
    with client() as asked:
        asked.headers.pop("x-halo-ops-proxy-secret")
        assert asked.post(address(state)).status_code == 401
        assert asked.get(f"/api/checklists/{today(state).id}").status_code == 401

    assert first(state) is ItemState.OPEN


def test_without_a_sign_in_a_name_is_asked_for_first_and_then_the_browser_remembers_it(state: State) -> None:
    asked = client(NOBODY_SIGNS_IN)
    got = asked.post(address(state))
    assert (got.status_code, got.json()["ask"], first(state)) == (401, True, ItemState.OPEN)

    asked.cookies.set("halo_ops_name", "Carla%20C.")
    said = asked.post(address(state)).json()

    assert said["told"].startswith("Carla C. ticked")


def test_a_page_of_another_site_cannot_click(state: State) -> None:
    asked = client(NOBODY_SIGNS_IN)
    asked.cookies.set("halo_ops_name", "Carla")

    got = asked.post(address(state), headers={"origin": "http://evil.example"})

    assert (got.status_code, first(state)) == (403, ItemState.OPEN)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("{run}/{key}?what=tick", 400),
        ("{run}/{key}?what=tick&seen=x", 400),
        ("{run}/{key}?what=tick&seen=\u0661", 400),  # a digit, but not one of ours
        ("{run}/{key}?what=skip&seen=0", 400),  # needs words: not a click
        ("{run}/nothing?what=tick&seen=0", 404),
        ("999/{key}?what=tick&seen=0", 404),
        ("x/{key}?what=tick&seen=0", 405),  # no address that takes anything
    ],
)
def test_what_is_no_click_is_refused_and_changes_nothing(state: State, path: str, code: int) -> None:
    got = client().post("/api/checklists/" + path.format(run=today(state).id, key=key(state)))

    assert (got.status_code, first(state)) == (code, ItemState.OPEN)


def test_a_link_is_no_click(state: State) -> None:
    got = client().get(address(state))

    assert (got.status_code, first(state)) == (404, ItemState.OPEN)


def test_a_run_that_is_over_says_so(state: State) -> None:
    now = datetime.now(UTC)
    old = questions.on_day(state, "daily", (now - timedelta(days=1)).date())
    assert old is not None

    got = client().post(f"/api/checklists/{old.id}/{key(state)}?what=tick&seen=0")

    assert (got.status_code, got.json()["error"].startswith("this run is closed since")) == (409, True)


def test_a_lost_database_is_told_and_the_next_click_works_when_it_is_back(state: State) -> None:
    asked = client()
    where = address(state)
    with state.connected() as connection:
        connection.execute(text("ALTER TABLE checklist_event RENAME TO lost"))
    got = asked.post(where)
    assert (got.status_code, "does not answer" in got.json()["error"]) == (503, True)
    with state.connected() as connection:
        connection.execute(text("ALTER TABLE lost RENAME TO checklist_event"))

    assert asked.post(where).json()["done"] is True
    assert len(questions.journal(state, today(state).id)) == 1


def test_the_mark_of_a_run_changes_with_what_is_done_and_only_then(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, where = client(), f"/api/checklists/{today(state).id}"
    monkeypatch.setattr(book, "MARK_FRESH", timedelta(0))
    before = asked.get(where).json()["mark"]
    assert asked.get(where).json()["mark"] == before

    asked.post(address(state))

    assert asked.get(where).json()["mark"] != before
    assert book.mark_of(*book.items(today(state).id)) == asked.get(where).json()["mark"]
    assert asked.get("/api/checklists/999").status_code == 404


def test_many_viewers_cost_one_question_a_second(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, read = client(), list[int]()
    items = book.items
    monkeypatch.setattr(book, "MARK_FRESH", timedelta(hours=1))
    monkeypatch.setattr(book, "items", lambda run_id: (read.append(run_id), items(run_id))[1])

    for _ in range(50):
        assert asked.get(f"/api/checklists/{today(state).id}").status_code == 200

    assert len(read) == 1


def test_a_click_is_told_in_the_audit(state: State) -> None:
    from lib.state import audit

    client().post(address(state))

    now = datetime.now(UTC)
    found = audit.search(state, ANNA, Window(now - timedelta(minutes=1), now + timedelta(minutes=1)))
    assert found[["who", "action", "role"]].values.tolist() == [[BORIS.name, "checklist.tick", "operator"]]
