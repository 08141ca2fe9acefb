"""The audit page: for admins, searched by who, what and text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lib import wiring
from lib.identity.roles import Action, Actor, Role, Via
from lib.settings import Settings
from lib.state import audit
from lib.ui import cache, identity, runtime
from lib.ui.pages import entry

ROOT = Path(__file__).parents[2]
ANNA = Actor("anna@example.com", Role.ADMIN, Via.OIDC)
BORIS = Actor("boris@example.com", Role.OPERATOR, Via.OIDC)
Drawn = Callable[..., AppTest]


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drawn]:
    """`drawn(actor, who=…)`: the page as this person sees it, over two actions."""
    settings = Settings(data_dir=tmp_path, rules_file=ROOT / "deploy" / "prometheus" / "rules.yml")
    opened = wiring.open_stores(settings)
    for actor, subject in ((ANNA, "lead 7"), (BORIS, "[lead](http://evil)")):
        audit.act(opened.state, actor, audit.Deed(Action.REVEAL, subject))
    runtime.install(runtime.Runtime(settings, opened.stores, lambda: None, opened.state))

    def draw(actor: Actor, **filters: str) -> AppTest:
        monkeypatch.setattr(identity, "connection", lambda: actor)
        page = AppTest.from_file(str(ROOT / "lib" / "ui" / "shell.py"), default_timeout=30)
        page.run().switch_page(str(entry("audit").path)).run()
        for name, value in filters.items():
            widget = page.selectbox if name == "action" else page.text_input
            widget(key=f"audit_{name}").set_value(value)
        return page.run()

    yield draw
    runtime.install(None)
    cache.forget()
    opened.close()


def subjects(page: AppTest) -> list[str]:
    assert [str(e) for e in page.exception] == []
    return list(page.dataframe[0].value["subject"]) if page.dataframe else []


def test_an_admin_sees_who_did_what_newest_first(drawn: Drawn) -> None:
    page = drawn(ANNA)

    assert subjects(page) == ["[lead](http://evil)", "lead 7"]
    assert list(page.dataframe[0].value["who"]) == [BORIS.name, ANNA.name]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"who": "anna"}, ["lead 7"]),
        ({"text": "evil"}, ["[lead](http://evil)"]),
        ({"action": "state.restore"}, []),
    ],
)
def test_the_filters_narrow_it(drawn: Drawn, filters: dict[str, str], found: list[str]) -> None:
    assert subjects(drawn(ANNA, **filters)) == found


@pytest.mark.parametrize("actor", [BORIS, Actor("", Role.VIEWER, Via.NAME)])
def test_nobody_else_sees_any_of_it_whatever_the_address(drawn: Drawn, actor: Actor) -> None:
    page = drawn(actor)

    assert subjects(page) == []
    assert any("eeds the role admin" in block.value for block in page.markdown)


def test_only_an_admins_menu_offers_it(drawn: Drawn) -> None:
    def offered(page: AppTest) -> bool:
        return any("audit" in str(link.proto.page) for link in page.get("page_link"))

    assert offered(drawn(ANNA))
    assert not offered(drawn(BORIS))
