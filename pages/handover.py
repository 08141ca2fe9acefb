"""Hand-over: what the next shift has to know, since a person last took over."""

import pandas as pd
import streamlit as st

from lib.errors import Refused
from lib.handover.story import Story
from lib.ui import cards, clock, handover, text
from lib.ui.identity import act
from lib.ui.live import live
from lib.ui.panel import panel

COLUMNS = {
    "at": st.column_config.DatetimeColumn("When", format="D MMM HH:mm", width=105),
    "what": st.column_config.TextColumn("What", width="large"),
    "who": st.column_config.TextColumn("Who", width=150),
    "kind": None,
    "page": None,
}


def summary(found: Story) -> None:
    """How much of each there was."""
    counts = found.events["kind"].value_counts()
    items = [(title, text.number(int(counts.get(kind, 0))), "", "") for kind, title in handover.TITLES.items()]
    cards.figures(items)


def notes(found: Story) -> None:
    """What people wrote, and a note to add."""
    for row in handover.part(found, "note").to_dict("records"):
        with st.container(gap=None):
            st.caption(f"{clock.stamp(row['at'].to_pydatetime())} · {text.esc_md(row['who'])}")
            st.text(text.visible(row["what"]))
    with st.form("note", border=False, clear_on_submit=True):
        st.text_area("A note for the next shift", key="note_words", max_chars=handover.LONGEST_NOTE, height=90)
        if st.form_submit_button("Add note", icon=":material/edit_note:"):
            add(str(st.session_state["note_words"]))
    st.caption("A note stays as it is written: it can be added to, not changed.")


def add(words: str) -> None:
    """Keeps a note, or says why it is none."""
    try:
        act(handover.written(words))
    except Refused as refused:
        st.error(text.esc_md(refused).capitalize())
    else:
        handover.forget()
        st.rerun(scope="fragment")


def events(frame: pd.DataFrame, kind: str) -> None:
    """One part, newest first."""
    if frame.empty:
        st.caption("None.")
        return
    shown = frame if frame["who"].any() else frame.drop(columns="who")
    columns = {name: config for name, config in COLUMNS.items() if name in shown}
    cards.table(shown, key=f"part_{kind}", topic=f"hand-over {kind}", columns=columns,
                height=420 if len(frame) > cards.FEW_ROWS else None)  # fmt: skip


def body() -> None:
    window, remark = handover.window()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control("Since", handover.CHOICES, default=handover.LAST, key=handover.KEY, bind="query-params",
                             required=True)  # fmt: skip
        found = handover.told(window)
        if st.button("I have read this: take over", icon=":material/how_to_reg:", key="take_over", type="primary",
                     help="Your next hand-over begins here. It is recorded."):  # fmt: skip
            act(handover.taken_over(window.end))
            st.toast("Taken over. The next hand-over begins here.")
        st.download_button("Markdown", lambda: handover.report(found), handover.report_name(found), "text/markdown",
                           icon=":material/download:", key="report", on_click="ignore")  # fmt: skip
    st.caption(f"From {clock.stamp(window.start)} to {clock.stamp(window.end)}. {remark}")
    for words in found.silent:
        st.markdown(f":orange-badge[◆ Not all is here] {text.esc_md(words)}")
    with panel(""):
        summary(found)
    with panel("Notes"):
        notes(found)
    for kind, title in handover.TITLES.items():
        if kind != "note":
            with panel(title):
                events(handover.part(found, kind), kind)


st.title("Hand-over", anchor=False)
live(body)
