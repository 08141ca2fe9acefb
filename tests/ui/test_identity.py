"""A person acts in their own name, if their role allows, and the audit tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from streamlit.testing.v1 import AppTest

from lib.identity.roles import Actor, Role, Via
from lib.settings import Settings
from lib.state import audit
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from lib.ui import identity, runtime
from lib.window import Window

ADMIN = Actor("root", Role.ADMIN, Via.COMMAND)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(sqlite_url(tmp_path / "state.sqlite"))
    runtime.install(runtime.Runtime(Settings(), cast("Any", None), lambda: None, opened))
    yield opened
    opened.close()


@pytest.fixture
def come_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Actor], None]:
    """`come_as(actor)`: every page is opened over this person's connection."""
    return lambda actor: monkeypatch.setattr(identity, "connection", lambda: actor)


def script() -> None:
    """A page with one button that needs the role operator."""
    import streamlit as st

    from lib.identity.roles import Action
    from lib.state.audit import Deed
    from lib.ui import identity

    identity.person()
    if st.button("Reveal", key="reveal"):
        identity.act(Deed(Action.REVEAL, "lead 7", lambda _: st.session_state.update(revealed=True)))
    st.text(f"revealed: {st.session_state.get('revealed', False)}")


def revealed(page: AppTest) -> bool:
    return page.text[-1].value == "revealed: True"


def told(state: State) -> list[tuple[str, str, str]]:
    moment = datetime.now(UTC)
    found = audit.search(state, ADMIN, Window(moment - timedelta(hours=1), moment + timedelta(minutes=1)))
    return [(row.who, row.action, row.subject) for row in found.itertuples()]


def test_what_the_role_allows_is_done_and_told(state: State, come_as: Callable[[Actor], None]) -> None:
    come_as(Actor("boris@example.com", Role.OPERATOR, Via.PROXY))

    page = AppTest.from_function(script).run().button(key="reveal").click().run()

    assert revealed(page)
    assert told(state) == [("boris@example.com", "personal_data.reveal", "lead 7")]


def test_what_the_role_does_not_allow_is_not_done_and_says_what_it_needs(
    state: State, come_as: Callable[[Actor], None]
) -> None:
    come_as(Actor("carl@example.com", Role.VIEWER, Via.PROXY))

    page = AppTest.from_function(script).run().button(key="reveal").click().run()

    assert "needs the role operator" in page.error[0].value
    assert not revealed(page)
    assert told(state) == []


def test_what_cannot_be_told_is_not_done(state: State, come_as: Callable[[Actor], None]) -> None:
    come_as(Actor("boris@example.com", Role.OPERATOR, Via.PROXY))
    runtime.install(runtime.Runtime(Settings(), cast("Any", None), lambda: None))

    page = AppTest.from_function(script).run().button(key="reveal").click().run()

    assert "no state database" in page.error[0].value
    assert not revealed(page)


def test_a_nameless_person_is_asked_first_and_only_then_it_is_done(
    state: State, come_as: Callable[[Actor], None]
) -> None:
    come_as(Actor("", Role.ADMIN, Via.NAME))

    page = AppTest.from_function(script).run().button(key="reveal").click().run()

    assert [field.label for field in page.text_input] == ["Your name", "Your name"]  # the menu's and the dialog's
    assert not revealed(page)
    assert told(state) == []


def test_a_name_given_in_the_menu_is_kept_and_told(state: State, come_as: Callable[[Actor], None]) -> None:
    come_as(Actor("", Role.ADMIN, Via.NAME))
    page = AppTest.from_function(script).run()

    page.text_input[0].set_value("  Zoë   Ops ")
    page.button[0].click().run()
    page.button(key="reveal").click().run()

    assert revealed(page)
    assert told(state) == [("Zoë Ops", "personal_data.reveal", "lead 7"), ("Zoë Ops", "identity.name", "Zoë Ops")]


@pytest.mark.parametrize("given", ["", "   ", "a\x00b", "\u202eevil"])
def test_what_is_no_name_is_not_taken(state: State, come_as: Callable[[Actor], None], given: str) -> None:
    come_as(Actor("", Role.ADMIN, Via.NAME))
    page = AppTest.from_function(script).run()

    page.text_input[0].set_value(given)
    page.button[0].click().run()

    assert [error.value for error in page.error] == ["Write your name."]
    assert told(state) == []


def test_a_connection_that_nobody_recognised_is_a_strangers() -> None:
    page = AppTest.from_function(script).run()

    assert "Role: viewer" in [caption.value for caption in page.caption]
