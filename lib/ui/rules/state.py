"""What the Rules page remembers: which rule is open and which view of it (in the address), and the text being edited."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st
from yaml import YAMLError

from lib.alerts import editing
from lib.alerts.editing import Standing
from lib.alerts.rulebook import Rulebook
from lib.alerts.rules import Rule
from lib.alerts.sentence import Sentence, filled, is_number, sentence
from lib.errors import SourceUnavailable
from lib.identity.roles import NEEDS, Action
from lib.state.database import State
from lib.ui import address, identity, runtime
from lib.yaml_reader import Problem

RULE, VIEW = "rule", "rule_view"
NEW = "new rule"
VIEWS = ("Rule", "Replay", "History")
_DRAFT = "_rule_draft"
GO = "_rule_go"
TEMPLATE = """\
alert: NewRule
expr: up == 0
for: 5m
labels:
  severity: warning
annotations:
  summary: "{{ $labels.instance }} is down"
"""


def chosen() -> str:
    """The open rule's name; "" for the list, NEW for one that is being made."""
    return address.value(RULE)


def open_rule(name: str = "") -> None:
    """Shows one rule; without a name, the list."""
    st.session_state[RULE] = name
    st.session_state[VIEW] = VIEWS[0]


def go_on() -> None:
    """After a version was saved: its rule, from the text that is in force now. Before the controls are drawn."""
    name = st.session_state.pop(GO, None)
    if name:
        forget()
        view = st.session_state.get(VIEW, VIEWS[0])
        open_rule(str(name))
        st.session_state[VIEW] = view


def drawn_unseen() -> None:
    """Keeps the open rule in the address."""
    address.unseen(RULE, longest=editing.LONGEST_NAME)


def may_edit() -> bool:
    """Whether this viewer's role may change rules, and there is a place to keep a change."""
    return runtime.current().state is not None and identity.actor().role.covers(NEEDS[Action.EDIT_RULE])


def database() -> State:
    """Where versions are kept. Raises SourceUnavailable where this process has none."""
    state = runtime.current().state
    if state is None:
        raise SourceUnavailable("this process has no state database", editing.SOURCE)
    return state


def rulebook() -> Rulebook:
    """The rules in force and the files that they come from. Raises SourceUnavailable where this process has none."""
    book = runtime.current().rulebook
    if book is None:
        raise SourceUnavailable("this process has no rules", editing.SOURCE)
    return book


def standings() -> dict[str, Standing]:
    """Every rule as it stands now, by the files that are in force: not a newer one that was refused. Raises SourceError."""
    return editing.standings(runtime.current().state, rulebook().files)


@dataclass(frozen=True, slots=True)
class Draft:
    """The text that is being edited. `standing` is what it began with (None: a new rule), `blanks` what the form shows.

    `edition` changes whenever the form has to show other values than those typed into it.
    """

    standing: Standing | None
    text: str
    blanks: Sentence
    edition: int = 0

    @property
    def name(self) -> str:
        """Which rule it is a draft of."""
        return self.standing.name if self.standing else NEW

    @property
    def before(self) -> str:
        """The text in force that it would replace; "" for a new rule."""
        return self.standing.text if self.standing else ""

    @property
    def touched(self) -> bool:
        """Whether it differs from what it began with."""
        return self.text != (self.before or TEMPLATE)

    def read(self) -> tuple[Rule | None, list[Problem]]:
        """The rule of the text, or every problem; those of the form, which the text does not hold, first."""
        wrong = [Problem(None, None, words) for words in unfilled(self.blanks)]
        rule, problems = editing.read(self.text, self.standing)
        return (None if wrong else rule), [*wrong, *problems]


def unfilled(blanks: Sentence) -> list[str]:
    """What is wrong in the form and is therefore not in the text yet."""
    wrong = []
    if not blanks.expression.strip():
        wrong.append("write what is measured, after “When”")
    if blanks.operator and not is_number(blanks.limit):
        wrong.append(f"the limit must be a number, such as 0.05: {blanks.limit or 'it is empty'}")
    return wrong


def draft(standing: Standing | None) -> Draft:
    """The draft of this rule; begins one where another or none was being edited."""
    held: Draft | None = st.session_state.get(_DRAFT)
    if held is not None and held.name == (standing.name if standing else NEW):
        return held
    return begin(standing)


def begin(standing: Standing | None, text: str = "") -> Draft:
    """A new draft, of the text in force or of another one; what was being edited is dropped."""
    old: Draft | None = st.session_state.get(_DRAFT)
    told = text or (standing.text if standing else TEMPLATE)
    rule = editing.read(told, standing)[0]
    made = Draft(standing, told, sentence(rule) if rule else Sentence(), (old.edition + 1) if old else 0)
    st.session_state[_DRAFT] = made
    return made


def restart(standing: Standing | None) -> None:
    """Begins anew from the text in force."""
    begin(standing)


def duplicate(standing: Standing) -> None:
    """Begins a new rule from this one."""
    st.session_state.pop(_DRAFT, None)
    blanks_of = editing.read(standing.text, standing)[0]
    text = standing.text
    if blanks_of is not None:
        told = sentence(blanks_of)
        text = filled(text, told, replace(told, name=f"{told.name}Copy"))
    open_rule(NEW)
    begin(None, text)


def forget() -> None:
    """Drops the draft."""
    st.session_state.pop(_DRAFT, None)


def rebase(standing: Standing) -> None:
    """Keeps the text, now meant as a change of somebody's newer version."""
    held: Draft = st.session_state[_DRAFT]
    st.session_state[_DRAFT] = replace(held, standing=standing)


def from_form(after: Sentence) -> None:
    """Takes what was filled in into the text; what cannot stand there is kept in the form alone."""
    held: Draft = st.session_state[_DRAFT]
    known, text = held.blanks, held.text
    wanted = after
    if unfilled(after):
        wanted = replace(after, expression=known.expression, operator=known.operator, limit=known.limit)
    rule = editing.read(text, held.standing)[0]
    try:
        text = filled(text, sentence(rule) if rule else known, wanted)
    except (ValueError, YAMLError):
        return  # the text is no YAML: the form is closed until it is
    st.session_state[_DRAFT] = replace(held, text=text, blanks=after)


def from_text(text: str) -> None:
    """Takes the typed YAML; the form follows where it can be read."""
    held: Draft = st.session_state[_DRAFT]
    rule = editing.read(text, held.standing)[0]
    if rule is None:
        st.session_state[_DRAFT] = replace(held, text=text)
        return
    st.session_state[_DRAFT] = replace(held, text=text, blanks=sentence(rule), edition=held.edition + 1)
