"""A replay from the page: what is replayed, how far it is, and a way to end it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from lib.alerts import editing, replay_run, silences
from lib.alerts.channels import open_channels
from lib.alerts.delivery.dispatch import Plan
from lib.alerts.delivery.routes import channels_of, read_inhibitions, read_routes
from lib.alerts.editing import Standing
from lib.alerts.model import Alert, AlertState, Origin
from lib.alerts.replay_run import Run, Task
from lib.alerts.rules import Rule
from lib.alerts.silences import Silence
from lib.errors import OpsError
from lib.ui import clock, runtime, text
from lib.ui.rules import state
from lib.ui.rules.state import Draft
from lib.window import DAY, Window

DAYS = (1, 3, 7, 14, 30)
NOBODY = "a channel"
"""Stands for the one that would be told where none is set up."""

_RUN = "_rule_replay"
_AGAIN_S = 0.7
NOW, EDITED = "now", "edited"


@dataclass(frozen=True, slots=True)
class Asked:
    """A replay that was begun here: of which rule, and whether of its edited text as well."""

    name: str
    texts: tuple[str, ...]
    names: tuple[str, ...]
    run: Run
    nobody: bool


def versions(draft: Draft) -> list[tuple[str, Rule]]:
    """What would be replayed: the rule in force, and the text being edited where that is another rule."""
    standing = draft.standing
    now = editing.read(standing.text, standing)[0] if standing else None
    edited = draft.read()[0] if draft.touched or standing is None else None
    return [(name, in_group(rule, standing)) for name, rule in ((NOW, now), (EDITED, edited)) if rule is not None]


def in_group(rule: Rule, standing: Standing | None) -> Rule:
    """The rule with the interval, limit and offset of its group. Raises SourceUnavailable."""
    group = standing.group if standing else editing.OWN_GROUP
    one = next((one for one in state.rulebook().shipped() if one.group == group), None)
    if one is None:
        return replace(rule, group=group)
    return replace(rule, group=group, interval_s=one.interval_s, limit=one.limit, offset_s=one.offset_s)


def controls(draft: Draft) -> Asked | None:
    """How many days, and the button. Gives the replay of this very text, under way or done; None where there is none."""
    found = versions(draft)
    asked: Asked | None = st.session_state.get(_RUN)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control("Days of history", DAYS, default=7, key="replay_days", bind="query-params", required=True)
        busy = asked is not None and not asked.run.over
        st.button("Replay", type="primary", icon=":material/replay:", key="replay_start", disabled=busy or not found,
                  on_click=_begin, args=(draft,))  # fmt: skip
    if not found:
        st.caption("The rule has a mistake: it can be replayed once it reads as a rule.")
        return None
    asked = st.session_state.get(_RUN)
    return asked if asked is not None and asked.name == draft.name else None


def _begin(draft: Draft) -> None:
    try:
        found, telling, nobody = versions(draft), *_telling()
        window = Window.last(int(st.session_state["replay_days"]) * DAY, clock.now(), clock.display_zone())
        quiet = _silences(window)
    except OpsError as error:
        st.session_state["_replay_error"] = str(error)
        return
    st.session_state.pop("_replay_error", None)
    settings = runtime.current().settings
    task = Task(tuple(rule for _, rule in found), window, telling, tuple(quiet), settings.rules_interval_s)
    run = replay_run.start(task, runtime.current().stores.metrics, clock.now())
    texts = (draft.before, draft.text)
    st.session_state[_RUN] = Asked(draft.name, texts, tuple(name for name, _ in found), run, nobody)


def _telling() -> tuple[Plan, bool]:
    """Who would be told, by the settings; as if there were a channel where none is set up."""
    settings = runtime.current().settings
    names = tuple(open_channels(settings))
    if not names:
        return Plan((NOBODY,)), True
    return Plan(names, read_routes(settings.routes, names), read_inhibitions(settings.inhibit)), False


def who_is_told(rule: Rule) -> str:
    """The channels that an alert of this rule would go to by the settings, in words."""
    try:
        telling, nobody = _telling()
    except OpsError as error:
        return f"◆ {error}"
    if nobody:
        return "No channel is set up: nobody would be told."
    alert = Alert(Origin.ENGINE, {**rule.labels, "alertname": rule.name}, AlertState.FIRING, clock.now())
    names = channels_of([alert], telling.routes, telling.channels)[0]
    return f"Goes to {', '.join(names)}." if names else "◆ No route leads to a channel: nobody would be told."


def _silences(window: Window) -> list[Silence]:
    database = runtime.current().state
    if database is None:
        return []
    with database.reading() as session:
        return silences.every(session, window.start)


def progress(asked: Asked) -> None:
    """How far a replay under way is; the page is drawn anew when it is over."""
    st.fragment(lambda: _progress(asked), run_every=_AGAIN_S)()


def _progress(asked: Asked) -> None:
    if asked.run.over:
        st.rerun(scope="app")
    words = "Waits for another replay to end" if asked.run.waiting else f"{asked.run.share:.0%} of the past"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.progress(asked.run.share, words, width="stretch")
        st.button("Cancel", icon=":material/close:", key="replay_cancel", on_click=asked.run.cancel)


def failure(asked: Asked | None) -> str:
    """Why there is no result, in words; "" where there is one, or one to come."""
    if told := st.session_state.get("_replay_error"):
        return str(told)
    if asked is None or not asked.run.over:
        return ""
    return asked.run.error or ("Cancelled." if asked.run.cancelled else "")


def said(words: str) -> None:
    """The reason why there is no result."""
    st.markdown(f":orange-badge[◆ No replay] {text.esc_md(words)}")
