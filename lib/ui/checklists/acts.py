"""What a person does in a run: a click becomes a deed, and what needs words asks for them in a dialog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from lib.checklists import deeds
from lib.checklists.model import ItemState, Run, RunItem, Stale
from lib.identity.roles import Via
from lib.state.audit import Deed
from lib.ui import text
from lib.ui.checklists import book
from lib.ui.identity import act, actor, named

NOTE, SKIP, ASSIGN, UNDO, TICK = "Add a note", "Skip, with a reason", "Assign", "Undo", "Tick"
SIGN, WITHDRAW = "Sign off", "Withdraw"
_INTENT, _DIALOG = "_checklist_intent", "_checklist_dialog"


@dataclass(frozen=True, slots=True)
class Intent:
    """What was clicked, and what the person had seen of the item by then."""

    what: str
    run: int
    item: str
    seen: int


def intend(what: str, run: int, item: str, seen: int) -> None:
    """Remembers a click; the run is drawn anew, and does it. For callbacks."""
    st.session_state[_INTENT] = Intent(what, run, item, seen)


def from_menu(key: str, run: int, item: str, seen: int) -> None:
    """The same for a choice of the menu. For callbacks."""
    if chosen := st.session_state.get(key):
        intend(str(chosen), run, item, seen)


def taken(run_id: int) -> Intent | None:
    """The click in this run that is to be done now; it is asked for once."""
    intent = st.session_state.pop(_INTENT, None)
    return intent if isinstance(intent, Intent) and intent.run == run_id else None


def needs_words(intent: Intent) -> bool:
    """Whether a dialog comes first: for words, or for the name of who does it."""
    return intent.what not in (TICK, UNDO) or not (actor().name or actor().via is not Via.NAME)


def to_dialog(intent: Intent) -> None:
    """Draws the whole page anew, which opens the dialog: one that a run opened would be gone with its next refresh."""
    st.session_state[_DIALOG] = intent
    st.rerun(scope="app")


def dialogs(run_id: int) -> None:
    """Opens the dialog that a click asked for, if one did."""
    intent = st.session_state.pop(_DIALOG, None)
    if not isinstance(intent, Intent) or intent.run != run_id:
        return
    run, items = book.items(run_id)
    if intent.what in (SIGN, WITHDRAW):
        if named():
            (_sign_off if intent.what == SIGN else _withdraw)(run)
    elif (item := next((one for one in items if one.item.key == intent.item), None)) is not None:
        do(intent, run, book.as_seen(item, intent.seen))


def choices(item: RunItem) -> list[str]:
    """What the menu of an item offers."""
    back = [UNDO] if item.state in (ItemState.DONE, ItemState.SKIPPED) else [SKIP]
    return [*back, NOTE, ASSIGN]


def do(intent: Intent, run: Run, item: RunItem) -> None:
    """Does it, or opens the dialog that it needs. A mistake is told where this is called."""
    if intent.what == TICK:
        _act(lambda: deeds.tick(run, item, book.evidence_of(run, item)))
    elif intent.what == UNDO:
        _act(lambda: deeds.undo(run, item))
    elif not named():
        return  # asked for first; then the click is made again
    elif intent.what == SKIP:
        _skip(run, item)
    elif intent.what == NOTE:
        _note(run, item)
    else:
        _assign(run, item)


def _act(make: Callable[[], Deed]) -> bool:
    """Whether it could be begun; what went wrong is told."""
    try:
        deed = make()
    except Stale as error:
        st.error(f"Not done: {text.esc_md(error)}.")
        return False
    return act(deed)


@st.dialog("Skip this item")
def _skip(run: Run, item: RunItem) -> None:
    seen = book.evidence_of(run, item)
    _asked("Why is it not done this time?", "skip", "Skip it", item, lambda words: deeds.skip(run, item, words, seen))


@st.dialog("Add a note")
def _note(run: Run, item: RunItem) -> None:
    _asked("What did you find?", "note", "Keep the note", item, lambda words: deeds.note(run, item, words))


@st.dialog("Assign")
def _assign(run: Run, item: RunItem) -> None:
    st.caption(text.esc_md(item.item.title))
    with st.form("assign_form", border=False):
        st.text_input("Who does it?", item.assignee, key="assign_words", max_chars=120, placeholder="nobody")
        mine = st.form_submit_button("I do it", disabled=not actor().name)
        given = st.form_submit_button("Assign", type="primary")
    if mine or given:
        to = actor().name if mine else str(st.session_state["assign_words"])
        if _act(lambda: deeds.assign(run, item, to)):
            st.rerun()


def _asked(question: str, key: str, word: str, item: RunItem, make: Callable[[str], Deed]) -> None:
    st.caption(text.esc_md(item.item.title))
    with st.form(f"{key}_form", border=False):
        st.text_area(question, key=f"{key}_words", max_chars=deeds.LONGEST, height=100)
        given = st.form_submit_button(word, type="primary")
    if given and _act(lambda: make(str(st.session_state[f"{key}_words"]))):
        st.rerun()


@st.dialog("Sign off")
def _sign_off(run: Run) -> None:
    """Asks for the words that go with it, which may be none."""
    skipped = f", {run.skipped} skipped" if run.skipped else ""
    st.write(f"{run.done} of {run.total} items done{skipped}. Your name is kept with it, and the run stands still.")
    with st.form("sign_form", border=False):
        st.text_area("A word to it, if you like", key="sign_words", max_chars=deeds.LONGEST, height=80)
        given = st.form_submit_button("Sign off", type="primary")
    if given and _act(lambda: deeds.sign_off(run, str(st.session_state["sign_words"]))):
        st.rerun()


@st.dialog("Withdraw the sign-off")
def _withdraw(run: Run) -> None:
    """Asks why."""
    with st.form("withdraw_form", border=False):
        st.text_area("Why?", key="withdraw_words", max_chars=deeds.LONGEST, height=80)
        given = st.form_submit_button("Withdraw it", type="primary")
    if given and _act(lambda: deeds.withdraw(run, str(st.session_state["withdraw_words"]))):
        st.rerun()
