"""What would be saved, why, and until when; and what was saved meanwhile by somebody else."""

from __future__ import annotations

import re
from datetime import date

import streamlit as st

from lib.alerts import editing
from lib.alerts.editing import Standing, Why
from lib.alerts.rule_text import diff
from lib.alerts.rules import threshold
from lib.errors import OpsError, QueryError, SourceError
from lib.state.audit import Deed
from lib.ui import cache, clock, identity, text
from lib.ui.query_error import pointed
from lib.ui.rules import state
from lib.ui.rules.state import Draft
from lib.ui.time_range import time_window
from lib.yaml_reader import Problem

_LIMIT = re.compile(r"\b(?:the )?limit is [^;,\n]*?(?=[;,]|\.(?:\s|$)|$)", re.IGNORECASE)
_SAVED = "_rule_saved"


def outdated(draft: Draft, now: Standing | None) -> bool:
    """Says that somebody saved a newer version than this draft began with, with ways on; whether it is so."""
    if now is None or draft.standing is None or now.number == draft.standing.number:
        return False
    newer = now.newest
    who = text.esc_md(newer.who) if newer else "somebody"
    st.warning(
        f"{who} saved version {now.number} while you were editing: {text.esc_md(newer.note) if newer else ''}",
        icon=":material/group:",
    )
    theirs = diff(draft.before, now.text, names=("before", "theirs"))
    st.code(text.visible(theirs) or "the text is the same", language="diff")
    with st.container(horizontal=True):
        st.button("Go on from theirs, drop mine", key="take_theirs", on_click=state.restart, args=(now,))
        st.button("Keep my text, as a change of theirs", key="keep_mine", on_click=state.rebase, args=(now,))
    return True


def problems(draft: Draft) -> list[Problem]:
    """Everything that keeps the draft from being saved, with its place."""
    rule, found = draft.read()
    if rule is None:
        return found
    try:
        cache.frame("explore_instant", time_window(), expression=rule.expression, most=1)
    except QueryError as error:
        return [Problem(None, None, f"the metric store cannot ask this:\n{pointed(rule.expression, error)}")]
    except SourceError:
        return []  # a store that is down must not keep anybody from changing a rule
    return []


def told(found: list[Problem]) -> None:
    """The problems, each with its line and reason, as plain text."""
    st.markdown(":orange-badge[◆ Not a rule yet]")
    st.code(text.visible("\n".join(map(str, found[:20]))), language=None, wrap_lines=True)


def saving(draft: Draft, *, wrong: bool) -> None:
    """The difference, the note, the date to look again, and the button."""
    name = draft.read()[0]
    renamed = draft.standing is not None and name is not None and name.name != draft.standing.name
    if renamed and name is not None:
        st.caption(f"Another name makes another rule: **{text.esc_md(name.name)}** is added, the present one stays.")
    if shown := diff(draft.before, draft.text, names=("in force", "yours")):
        st.code(text.visible(shown), language="diff")
    if left := unchanged_words(draft):
        st.caption(f":orange-badge[◆ Note] The limit is another one; the notice still says “{text.esc_md(left)}”.")
    with st.form("rule_save", border=False):
        st.text_input("Why", key="rule_note", max_chars=editing.LONGEST_NOTE, placeholder="What made you change it")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.date_input(
                "Look at it again by", draft.standing.review_by if draft.standing else None, key="rule_review",
                min_value=clock.local(clock.now()).date(), format="YYYY-MM-DD", width=200,
                help="From that day on the list marks it as overdue. Empty: no date",
            )  # fmt: skip
            wanted = st.form_submit_button("Save", type="primary", disabled=wrong, icon=":material/save:")
    if draft.touched:
        st.button("Drop the change", key="rule_drop", type="tertiary", on_click=state.restart, args=(draft.standing,))
    if wanted:
        _save(draft)


def unchanged_words(draft: Draft) -> str:
    """What the notice's text says of a limit that the draft changes without it; "" where it says nothing of it."""
    before, after = editing.read(draft.before, draft.standing)[0], draft.read()[0]
    if before is None or after is None:
        return ""
    was, will = threshold(before), threshold(after)
    if was is None or will is None or was.value == will.value:
        return ""
    unchanged = set(before.annotations.values()) & set(after.annotations.values())
    said = (_LIMIT.search(words) for words in sorted(unchanged))
    return next((found[0] for found in said if found), "")


def _save(draft: Draft) -> None:
    try:
        deed = editing.save(draft.standing, draft.text, why("rule_note", "rule_review"), files=state.rulebook().files)
    except OpsError as error:
        st.error(f"Not saved: {text.esc_md(error)}")
        return
    do(deed, deed.subject)


def why(note: str, review: str = "", review_by: date | None = None) -> Why:
    """What was typed as the reason, and the date."""
    chosen = st.session_state.get(review) if review else review_by
    return Why(str(st.session_state.get(note) or ""), clock.now(), chosen)


def do(deed: Deed, name: str) -> None:
    """Does it in the viewer's own name; the page begins anew once the version is there."""
    st.session_state[_SAVED] = (name, _number(name))
    identity.act(deed)
    saved()


def saved() -> None:
    """Begins anew from the version in force where one was saved since: also by a form that asked for a name first."""
    waiting = st.session_state.get(_SAVED)
    if waiting is None or _number(waiting[0]) == waiting[1]:
        return
    del st.session_state[_SAVED]
    for key in ("rule_note", "rule_review"):
        st.session_state.pop(key, None)
    st.session_state[state.GO] = waiting[0]
    st.rerun(scope="app")


def _number(name: str) -> int:
    try:
        found = editing.newest(state.database()).get(name)
    except SourceError:
        return -1
    return found.number if found else 0
