"""Setup: whether each source answers, and where each setting comes from."""

import pandas as pd
import streamlit as st

from lib import settings as configuration
from lib.setup import checks
from lib.setup.base import RUNNER, Check, Grade, Result
from lib.ui import cards, clock, text
from lib.ui.panel import panel
from lib.ui.runtime import current
from lib.ui.severity import LOOKS, Status

LOOK = {
    Grade.FAILED: (LOOKS[Status.CRITICAL], "Failed"), Grade.WARNING: (LOOKS[Status.WARNING], "Look at it"),
    Grade.OK: (LOOKS[Status.OK], "OK"), Grade.OFF: (LOOKS[Status.NO_DATA], "Not configured"),
}  # fmt: skip
AGAIN_S = 1.0
COLUMNS = {
    "status": st.column_config.TextColumn("Status", width=120),
    "what": st.column_config.TextColumn("What", width=300),
    "said": st.column_config.TextColumn("Found", width="large"),
}
SETTINGS = {
    "name": st.column_config.TextColumn("Setting", width=260),
    "value": st.column_config.TextColumn("Value", width=260),
    "unit": st.column_config.TextColumn("Unit", width=60),
    "origin": st.column_config.TextColumn(
        "Comes from", width=200, help="The environment wins over files, these over .env"
    ),
    "default": st.column_config.TextColumn("Default", width=150),
    "help": st.column_config.TextColumn("Meaning", width="large"),
}


def source(check: Check) -> None:
    """One source: its button, and what its last check found."""
    busy, result = RUNNER.busy(check.key), RUNNER.result(check.key)
    told = when(result) if result else "Checking …" if busy else "Not checked yet."
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap=None):
            st.markdown(f"**{check.title}** {grade(result) if result else ''}")
            st.caption(f"{check.about} {told}")
        st.button("Check", key=f"check_{check.key}", on_click=RUNNER.start, args=(check,), disabled=busy)
    if result is not None:
        rows(check.key, result)


def grade(result: Result) -> str:
    """The worst that was found, as a badge."""
    shape, word = LOOK[result.grade]
    return f":{shape.badge}-badge[{shape.glyph} {word}]"


def when(result: Result) -> str:
    """At what time it was checked, and how long that took."""
    took = f", took {text.duration_s(result.took_s)}" if result.took_s is not None else ""
    return f"Checked {clock.stamp(result.at, seconds=True)}{took}."


def rows(key: str, result: Result) -> None:
    """What was found, a line each; under the table in full why something failed, and what to do."""
    frame = pd.DataFrame(
        {
            "status": [f"{LOOK[row.grade][0].glyph} {LOOK[row.grade][1]}" for row in result.rows],
            "what": [row.what for row in result.rows],
            "said": [row.said for row in result.rows],
        }
    )
    st.dataframe(frame, key=f"rows_{key}", hide_index=True, column_config=COLUMNS, width="stretch", height="content",
                 placeholder=text.NONE)  # fmt: skip
    for row in result.rows:
        if row.hint:
            shape = LOOK[row.grade][0]
            st.markdown(f":{shape.badge}-badge[{shape.glyph} {text.esc_md(row.what)}] {text.esc_md(row.hint)}")
        if row.grade is Grade.FAILED:
            st.code(text.visible(row.said), language=None, wrap_lines=True)


def settings_table() -> None:
    """Every setting; secrets only as set or unset. And what somebody set that is none."""
    for said in configuration.unknown_settings():
        st.markdown(f":orange-badge[◆ Not used] {text.esc_md(said)}")
    found = pd.DataFrame(configuration.table(current().settings))
    only = st.toggle("Only what differs from the default", key="changed", bind="query-params")
    shown = found[found["origin"] != "default"] if only else found
    if shown.empty:
        st.caption("Every setting has its default.")
        return
    cards.table(shown, key="settings", topic="settings", columns=SETTINGS, height=520)


def sources() -> None:
    """Every source; drawn again each second while a check is at work."""
    found = checks(current().settings, current().stores)
    with panel("Sources", help="Each check takes 10 s at most, and none of them changes anything."):
        if st.button("Check all", icon=":material/play_arrow:", key="check_all"):
            for check in found:
                RUNNER.start(check)
            st.rerun()
        for check in found:
            source(check)
    if not any(RUNNER.busy(check.key) for check in found) and st.session_state.get("_checking"):
        st.session_state["_checking"] = False
        st.rerun()


st.title("Setup", anchor=False)
at_work = any(RUNNER.busy(check.key) for check in checks(current().settings, current().stores))
st.session_state["_checking"] = at_work
st.fragment(sources, run_every=AGAIN_S if at_work else None)()
with panel("Settings"):
    settings_table()
