"""Hand-over: what the next shift has to know, since a person last took over."""

from functools import partial

import pandas as pd
import streamlit as st

from lib.errors import Refused
from lib.handover.story import Story
from lib.identity.roles import Action
from lib.ui import cards, clock, handover, text
from lib.ui.identity import act, gate
from lib.ui.live import live
from lib.ui.panel import panel

COLUMNS = {
    "at": st.column_config.DatetimeColumn("When", format="D MMM HH:mm", width=105),
    "what": st.column_config.TextColumn("What", width=860),
    "who": st.column_config.TextColumn("Who", width=150),
    "kind": None,
    "page": None,
}


def summary(found: Story) -> None:
    """How much of each there was; what there was none of is said below."""
    counts = found.events["kind"].value_counts()
    items = [
        (title, text.number(int(counts[kind])), "", "") for kind, title in handover.TITLES.items() if kind in counts
    ]
    if items:
        cards.figures(items)


def notes(found: Story) -> None:
    """What people wrote, and a note to add."""
    for row in handover.part(found, "note").to_dict("records"):
        with st.container(gap=None):
            st.caption(f"{clock.stamp(row['at'].to_pydatetime())} · {text.esc_md(row['who'])}")
            st.text(text.visible(row["what"]))
    with st.form("note", border=False):
        words = st.text_area(
            "A note for the next shift", key=handover.note_key(), max_chars=handover.LONGEST_NOTE, height=90
        )
        if st.form_submit_button("Add note", icon=":material/edit_note:", **gate(Action.WRITE_NOTE)):
            add(str(words or ""))
    st.caption("A note stays as it is written: it can be added to, not changed.")


def add(words: str) -> None:
    """Keeps a note, or says why it is none."""
    try:
        kept = act(handover.note(words))
    except Refused as refused:
        st.error(text.esc_md(refused).capitalize())
        return
    if kept:
        st.rerun()


def events(frame: pd.DataFrame, kind: str) -> None:
    """One part, newest first."""
    shown = frame if frame["who"].any() else frame.drop(columns="who")
    columns = {name: config for name, config in COLUMNS.items() if name in shown}
    cards.table(shown, key=f"part_{kind}", topic=f"hand-over {kind}", columns=columns,
                height=420 if len(frame) > cards.FEW_ROWS else None)  # fmt: skip


def body() -> None:
    deed = handover.taking_over()
    if deed is not None and act(deed):
        st.toast("Taken over. Your next hand-over begins here.")
    window, remark = handover.window()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control("Since", handover.CHOICES, default=handover.LAST, key=handover.KEY, bind="query-params",
                             required=True)  # fmt: skip
        found = handover.told(window)
        st.button("I have read this: take over", icon=":material/how_to_reg:", key="take_over", type="primary",
                  help="Your next hand-over begins here. It is recorded.", on_click=handover.mark_read,
                  args=(window.end,))  # fmt: skip
        st.download_button("Markdown", partial(handover.report, found, clock.display_zone()), handover.report_name(found), "text/markdown",
                           icon=":material/download:", key="report", on_click="ignore")  # fmt: skip
    st.caption(f"From {clock.stamp(window.start)} to {clock.stamp(window.end)}. {remark}")
    for words in found.silent:
        st.markdown(f":orange-badge[◆ Not all is here] {text.esc_md(words)}")
    with panel(""):
        handover.tell(window)
        summary(found)
    with panel("Notes"):
        handover.tell(window)
        notes(found)
    parts = {kind: handover.part(found, kind) for kind in handover.TITLES if kind != "note"}
    for kind, part in parts.items():
        if len(part):
            with panel(handover.TITLES[kind]):
                handover.tell(window)
                events(part, kind)
    empty = [kind for kind, part in parts.items() if part.empty]
    for said, kinds in (
        ("Nothing to tell", [kind for kind in empty if kind not in found.unknown]),
        ("Not known, see above", [kind for kind in empty if kind in found.unknown]),
    ):
        if kinds:
            st.caption(f"{said}: {', '.join(handover.TITLES[kind] for kind in kinds)}.")


st.title("Hand-over", anchor=False)
live(body, analysis=True)
