"""Scenarios: how a course of events would be told, step by step on a simulated clock."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.alerts.console import desk, scenario
from lib.alerts.console.draft import Draft
from lib.alerts.console.scenario import Step
from lib.alerts.console.stories import STORIES, story
from lib.ui import cards, clock, text
from lib.ui.alert_test.preview import preview
from lib.ui.alert_test.receipts import sending
from lib.ui.runtime import current

COLUMNS = {
    "time": st.column_config.TextColumn("After", width=64, help="Simulated time since the start: minutes:seconds"),
    "state": st.column_config.TextColumn("Alert", width=76),
    "decision": st.column_config.TextColumn("Decision", width=112),
    "what": st.column_config.TextColumn("What happened", width="medium"),
    "reason": st.column_config.TextColumn("Reason", width="large"),
    "message": st.column_config.TextColumn("Message", width="large"),
}


def scenarios(draft: Draft) -> None:
    """The chosen scenario, played with the alert of the form."""
    titles = {one.title: one.key for one in STORIES}
    chosen = st.segmented_control(
        "Scenario", list(titles), default=STORIES[0].title, required=True, key="at_scenario", bind="query-params"
    )
    told = story(titles[str(chosen)])
    start = clock.now().replace(second=0, microsecond=0)
    steps = scenario.play(told, draft, start, public_url=current().settings.public_url)
    sent = scenario.messages(steps)
    st.caption(
        f"{text.esc_md(told.about)} Simulated: {text.span(told.lasts)}, evaluated every 15 s, a rule that waits 30 s; "
        f"{len(steps)} steps, **{len(sent)} messages**. Nothing is stored and nothing leaves."
    )
    _table(steps)
    _messages(told.title, steps)


def _table(steps: list[Step]) -> None:
    frame = pd.DataFrame(
        {
            "time": [scenario.clock(one) for one in steps],
            "what": [one.what for one in steps],
            "state": [one.state for one in steps],
            "decision": [f"{'✓ ' if one.notice else ''}{one.decision}" for one in steps],
            "reason": [one.reason for one in steps],
            "message": [text.visible(scenario.headline(one)) for one in steps],
        }
    )
    cards.table(frame, key="scenario", topic="scenario", columns=COLUMNS)


def _messages(title: str, steps: list[Step]) -> None:
    kept = [one for one in steps if one.notice is not None]
    if not kept:
        return
    with st.expander(f"See the {len(kept)} messages", key="at_messages", on_change="rerun") as messages:
        if messages.open:
            labels = [f"{scenario.clock(one)} {text.visible(scenario.headline(one))}" for one in kept]
            number = st.selectbox("Message", range(len(kept)), format_func=lambda at: labels[at], key="at_message")
            notice = kept[number].notice
            if notice is not None:
                preview(notice, key="scenario_message")
    ready = tuple(desk.configured(current().settings))
    with st.expander("Send them to a real channel", key="at_real", on_change="rerun") as real:
        if real.open:
            chosen = (
                st.pills("Channel", ready, key="at_real_channel", format_func=lambda name: desk.TITLES[name])
                if ready
                else None
            )
            sending(f"scenario {title}", scenario.messages(steps), (chosen,) if chosen else (), "scenario")
