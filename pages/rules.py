"""Rules: what is watched, how each rule is, and a sentence to change it by."""

import streamlit as st

from lib.alerts.editing import Standing
from lib.errors import SourceError
from lib.ui import text
from lib.ui.live import live
from lib.ui.panel import panel, source_down
from lib.ui.rules import chart, form, outcome, past, replaying, saving, state
from lib.ui.rules.listing import listing


def rules() -> None:
    with panel("What is watched"):
        refused()
        listing()


def refused() -> None:
    """Why a newer file or edit is not among the rules in force, which are all that this page shows."""
    if problem := state.rulebook().problem:
        st.markdown(
            ":orange-badge[◆ Not taken in] The newest rule file or edit has a mistake. The rules shown go on unchanged."
        )
        st.code(text.visible(problem), language=None, wrap_lines=True)


def found(name: str) -> tuple[Standing | None, bool]:
    """The rule of this name as it stands, and whether the page can go on."""
    try:
        standings = state.standings()
    except SourceError as error:
        source_down(error.source, reason=str(error))
        return None, False
    if name != state.NEW and name not in standings:
        st.caption("There is no rule of this name any more.")
        return None, False
    return standings.get(name), True


def heading(name: str, standing: Standing | None, *, locked: bool) -> str:
    """The way back, the rule's name and state, and what can be done with the whole of it. Gives the chosen view."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "All rules", icon=":material/arrow_back:", on_click=state.open_rule, key="rules_back", type="tertiary"
        )
        st.header(text.esc_md(name if standing else "New rule"), anchor=False, width="content")
        if standing is not None:
            tags(standing)
    views = state.VIEWS if standing is not None else state.VIEWS[:2]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        view = st.segmented_control("View", views, default=views[0], key=state.VIEW, bind="query-params",
                                    required=True, label_visibility="collapsed")  # fmt: skip
        if standing is not None and not locked:
            st.button("Duplicate", icon=":material/content_copy:", type="tertiary", key="rule_duplicate",
                      on_click=state.duplicate, args=(standing,))  # fmt: skip
            past.removal(standing)
    return str(view or state.VIEWS[0])


def tags(standing: Standing) -> None:
    """What is special about it, in a word each."""
    if standing.removed:
        st.badge("○ Removed", color="gray")
    elif standing.edited:
        who = text.esc_md(standing.newest.who) if standing.newest else ""
        st.badge(f"Version {standing.number}", color="blue", help=f"Changed in the app by {who}")
    else:
        st.badge("As shipped", color="gray")
    if standing.shipped_times > 1:
        st.badge(f"◆ {standing.shipped_times} of this name", color="orange",
                 help="The rule file has several rules of this name: a change made here replaces all of them.")  # fmt: skip


def editor(standing: Standing | None, *, locked: bool) -> None:
    """The sentence beside what it measures; under it the YAML, and what saving would change."""
    draft = state.draft(standing)
    if locked:
        st.caption("Only admins can change rules.")
    stale = saving.outdated(draft, standing)
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        form.form(draft, locked=locked)
    draft = state.draft(draft.standing)
    wrong = saving.problems(draft)
    with right:
        with panel("What it measures", height=300, query=draft.blanks.expression):
            chart.measured(draft.blanks, draft.blanks.severity or "warning", draft.blanks.name)
        with panel("Where to put the limit", query=draft.blanks.expression):
            chart.spread(draft.blanks, draft.read()[0])
    if wrong:
        saving.told(wrong)
    with st.expander("YAML", icon=":material/code:", expanded=bool(wrong), key="rule_yaml_box"):
        form.yaml_view(draft, locked=locked)
    if locked:
        return
    if draft.touched or standing is None:
        with panel("What saving changes"):
            saving.saving(draft, wrong=bool(wrong) or stale)
    elif not stale:
        with st.expander("Set the day to look at it again", icon=":material/event:", key="rule_review_box"):
            saving.saving(draft, wrong=bool(wrong))


def replayed(standing: Standing | None) -> None:
    """What the rule, and the text being edited, would have done in the past."""
    draft = state.draft(standing)
    if draft.touched:
        st.caption("Your change is replayed beside the rule in force. It is not saved.")
    asked = replaying.controls(draft)
    if reason := replaying.failure(asked):
        replaying.said(reason)
    elif asked is not None and not asked.run.over:
        replaying.progress(asked)
    elif asked is not None and asked.run.result is not None:
        if asked.texts != (draft.before, draft.text):
            st.caption(":orange-badge[◆ Old] The rule was changed after this replay: replay it again.")
        outcome.result(asked, asked.run.result)
    else:
        st.caption(
            "A replay evaluates the rule over the past as if it had been in force: when it would have fired, and who would have been told."
        )


def one_rule(name: str) -> None:
    standing, there = found(name)
    if not there:
        st.button("All rules", icon=":material/arrow_back:", on_click=state.open_rule, key="rules_back")
        return
    refused()
    locked = not state.may_edit()
    view = heading(name, standing, locked=locked)
    if view == "History" and standing is not None:
        with panel("History"):
            past.history(standing, locked=locked)
    elif view == "Replay":
        with panel("Replay"):
            replayed(standing)
    else:
        editor(standing, locked=locked)


saving.saved()
state.go_on()
st.title("Rules", anchor=False)
state.drawn_unseen()
if state.chosen():
    one_rule(state.chosen())
else:
    live(rules)
