"""The form of a test: about which rule or in which words, how severe, to whom."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from lib.alerts.console import desk, draft
from lib.alerts.console.draft import Draft
from lib.alerts.rules import Rule
from lib.errors import OpsError
from lib.ui import clock, text
from lib.ui.runtime import current

A_RULE, FREE_TEXT = "A rule", "Free text"
OWN = "the rule's own"
FIRING, RESOLVED = "Firing", "Resolved"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the form says. `channels` are those to send to, all of them set up."""

    draft: Draft
    resolved: bool
    channels: tuple[str, ...]


def composed(*, to_send: bool = True) -> Wanted:
    """Draws the form and reads it; where nothing is sent it asks for no channel."""
    if not to_send:
        return Wanted(_about(), resolved=False, channels=())
    left, right = st.columns([3, 2], gap="medium")
    with left:
        found = _about()
    with right:
        ended = st.segmented_control(
            "Says that it is", [FIRING, RESOLVED], default=FIRING, required=True, key="at_state", bind="query-params"
        )
        channels = _channels()
    return Wanted(found, ended == RESOLVED, channels)


def _about() -> Draft:
    rules = {rule.name: rule for rule in current().stores.rules}
    source = st.segmented_control(
        "About",
        [A_RULE, FREE_TEXT],
        default=A_RULE if rules else FREE_TEXT,
        required=True,
        key="at_about",
        bind="query-params",
    )
    return _rule(rules) if source == A_RULE and rules else _words()


def _rule(rules: dict[str, Rule]) -> Draft:
    name = st.selectbox("Rule", list(rules), key="at_rule", bind="query-params")
    severity = st.segmented_control("Severity", [OWN, *draft.SEVERITIES], default=OWN, required=True, key="at_severity")
    rule, wanted = rules[name], "" if severity == OWN else str(severity)
    try:
        found = draft.of_rule(rule, wanted, current().stores.metrics, clock.now())
    except OpsError as error:  # whether alerts can be told is asked most when something is down
        found = draft.without_value(rule, wanted, f"{error}, so there is no value")
    st.caption(f"{text.esc_md(rule.name)}: {text.esc_md(found.said)}.")
    return found


def _words() -> Draft:
    title = st.text_input("Title", "Trying out the alerts", key="at_title", max_chars=draft.LONGEST_TITLE)
    severity = st.segmented_control(
        "Severity", list(draft.SEVERITIES), default="warning", required=True, key="at_free_severity"
    )
    told = st.text_area("Description", key="at_text", max_chars=draft.LONGEST_TEXT, height=80)
    return draft.free(title, str(severity), told)


def _channels() -> tuple[str, ...]:
    ready = list(desk.configured(current().settings))
    chosen: list[str] = []
    if ready:
        chosen = st.pills(
            "Send to", ready, selection_mode="multi", default=ready, key="at_channels", format_func=lambda name: desk.TITLES[name]
        )  # fmt: skip
    missing = [name for name in desk.TITLES if name not in ready]
    if not ready:
        st.markdown(":gray-badge[○ No channel is set up] The preview works all the same.")
    for name in missing:
        st.caption(f"{desk.TITLES[name]} is not set up. {desk.WHAT_TO_SET[name]}")
    return tuple(name for name in ready if name in chosen)
