"""Who looks at the page, and how a person acts: in their own name, if their role allows, and told in the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import streamlit as st
from starlette.requests import HTTPConnection

from lib.errors import OpsError, SourceUnavailable
from lib.identity.roles import NEEDS, Action, Actor, Role, Via
from lib.identity.sign_in import ACTOR_HEADER, unpacked
from lib.state import audit
from lib.state.audit import Deed
from lib.ui import runtime, text

_NAME, _COOKIE, _LONGEST = "_own_name", "halo_ops_name", 80
after: list[Callable[[], None]] = []
"""What is told after every deed: shared answers that it may have made untrue are asked anew."""

_REMEMBER = st.components.v2.component(
    "remember_name",
    js="""export default function ({ data }) {
      const year = 365 * 24 * 3600;
      document.cookie = `halo_ops_name=${encodeURIComponent(data.name)}; path=/; max-age=${year}; samesite=strict`;
    }""",
    isolate_styles=False,
)


def actor() -> Actor:
    """Who looks at this page; `name` is "" for somebody who has not said it and need not sign in."""
    found = connection()
    return replace(found, name=_own_name()) if found.via is Via.NAME else found


def connection() -> Actor:
    """What the server found out of the connection that this page goes over; a stranger where there is none."""
    return _handed_on(st.context.headers)


def asking(request: HTTPConnection) -> Actor:
    """Who makes a request that is no page's; without a login by the name that the browser remembers."""
    found = _handed_on(request.headers)
    return replace(found, name=_remembered(request.cookies)) if found.via is Via.NAME else found


def _handed_on(headers: Mapping[str, str]) -> Actor:
    handed_on = headers.get(ACTOR_HEADER)
    return unpacked(handed_on) if handed_on else Actor("", Role.VIEWER, Via.NAME)


def lacking(action: Action) -> str:
    """Why who looks at the page may not do this, said beside a button that is off; "" where they may."""
    role, needed = actor().role, NEEDS[action]
    return "" if role.covers(needed) else f"Needs the role {needed}; you act as {role}."


def gate(action: Action, help: str = "") -> dict[str, Any]:
    """What a button that does this is given: its help, or off with the reason as its help where who looks may not."""
    lacks = lacking(action)
    return {"disabled": bool(lacks), "help": lacks or help or None}


def act(deed: Deed) -> bool:
    """Does what a person asked for, in one transaction with its line in the audit; says why where it cannot be done.

    Whether it is done. Who has not said their name yet is asked for it, and then it is done and the page drawn anew.
    """
    who = actor()
    if who.via is Via.NAME and not who.name:
        _who_are_you(deed)
        return False
    return _done(who, deed)


def named() -> bool:
    """Whether it is known who acts here. Who has not said their name yet is asked for it: what opens a dialog of its own
    asks this first, as one dialog cannot open another."""
    if actor().name or actor().via is not Via.NAME:
        return True
    _who_are_you(None)
    return False


def person() -> None:
    """Who one is here, in the menu: a name to give or change without a login, signing out with one."""
    who = actor()
    words = text.esc_md(who.name) if who.name else "Who are you?"
    with st.popover(words, icon=":material/person:", type="tertiary", key="person"):
        st.caption(f"Role: {who.role}")
        if who.via is Via.NAME:
            st.caption("There is no sign-in here. What you do is kept with the name that you give.")
            if _name_form("person_form") and _tell(str(st.session_state["person_form_name"])):
                st.rerun()
        elif who.via is Via.OIDC:
            st.button("Sign out", on_click=st.logout, key="sign_out")
    if st.session_state.get(_NAME):
        with st.container(key="remember"):
            _REMEMBER(data={"name": st.session_state[_NAME]}, key="remember_name")


@st.dialog("Who are you?")
def _who_are_you(deed: Deed | None) -> None:
    st.write("What is done here is kept with a name. This browser remembers yours.")
    if not _name_form("dialog_form") or not _tell(str(st.session_state["dialog_form_name"])):
        return
    if deed is None or _done(actor(), deed):
        st.rerun()


def _name_form(key: str) -> bool:
    with st.form(key, border=False):
        st.text_input("Your name", _own_name(), key=f"{key}_name", max_chars=_LONGEST)
        return st.form_submit_button("Use this name")


def _tell(given: str) -> bool:
    """Takes a name if it is one and can be kept."""
    name, before = _cleaned(given), actor()
    if not name:
        st.error("Write your name.")
        return False
    if name == before.name:
        return True
    if not _done(replace(before, name=name), Deed(Action.NAME, name, details={"before": before.name})):
        return False
    st.session_state[_NAME] = name
    return True


def perform(who: Actor, deed: Deed) -> None:
    """Does it in one transaction with its line in the audit. Raises OpsError where it cannot be done."""
    state = runtime.current().state
    if state is None:
        raise SourceUnavailable("this process has no state database", audit.SOURCE)
    audit.act(state, who, deed)
    for tell in after:
        tell()


def _done(who: Actor, deed: Deed) -> bool:
    try:
        perform(who, deed)
    except OpsError as error:
        st.error(f"Not done: {text.esc_md(error)}")
        return False
    return True


def _own_name() -> str:
    return st.session_state.get(_NAME) or _remembered(st.context.cookies)


def _remembered(cookies: Mapping[str, str]) -> str:
    return _cleaned(unquote(cookies.get(_COOKIE, "")))


def _cleaned(name: str) -> str:
    plain = " ".join(name.split())
    return plain[:_LONGEST] if plain.isprintable() else ""
