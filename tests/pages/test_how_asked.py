"""Every panel that shows what a store answered says how it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lib.alerts.rulebook import Rulebook
from lib.identity.roles import Actor, Role, Via
from lib.settings import Settings
from lib.state.database import sqlite_url
from lib.state.migrate import open_state
from lib.ui import cache, identity, runtime
from lib.ui.pages import PAGES, entry
from tests.seed import HOUR, NOW, RULES, empty_stores, fill

SHELL = str(Path(__file__).parents[2] / "lib" / "ui" / "shell.py")
ASK_NO_STORE = {
    "capacity": {"On disk", "Hourly retention"},  # files of this machine, and what this process did
}
OF_THEIR_OWN = {"alert-test", "checklists", "runbooks", "setup"}
"""Forms, work and words: what their evidence and checks found is said with each."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppTest]:
    """The dashboard over the seeded hours, its questions open under every page."""
    folder = tmp_path_factory.mktemp("asked")
    cache.forget()
    with empty_stores(folder) as stores:
        fill(stores)
        state = open_state(sqlite_url(folder / "people.sqlite"))
        settings = Settings(data_dir=folder, rules_file=RULES)
        rules = Rulebook([RULES], state=state)
        runtime.install(runtime.Runtime(settings, stores, lambda: None, state, rulebook=rules))
        test = AppTest.from_file(SHELL, default_timeout=60)
        test.query_params["range"] = f"{HOUR.start:%Y-%m-%dT%H:%M}/{NOW:%Y-%m-%dT%H:%M}"
        test.query_params["expr"] = "queue_size"
        test.session_state["how_asked"] = True
        yield test.run()
        runtime.install(None)
        cache.forget()
        state.close()


@pytest.mark.parametrize("url_path", [page.url_path for page in PAGES if page.url_path not in OF_THEIR_OWN])
def test_every_panel_says_how_it_was_asked(url_path: str, shown: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "connection", lambda: Actor("anna@example.com", Role.ADMIN, Via.OIDC))
    page = shown.switch_page(str(entry(url_path).path)).run() if url_path else shown
    assert [str(e) for e in page.exception] == []

    asked = next(table.value for table in page.dataframe if {"card", "question"} <= set(table.value.columns))

    panels = {one.value for one in (*page.header, *page.subheader)}
    assert panels or set(asked["card"]) == {""}, "a page that shows nothing proves nothing"
    assert panels - set(asked["card"]) == ASK_NO_STORE.get(url_path, set())
    assert asked["question"].ne("").all()
    assert asked["took_ms"].ge(0).all()
    assert asked["at"].notna().all()
