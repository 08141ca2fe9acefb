"""Audit: who did what, to what, when and from where."""

import streamlit as st

from lib.ui import audit, cards, text
from lib.ui.live import live
from lib.ui.panel import nothing_in_range, panel


def table() -> None:
    """The newest actions that match, one of them whole."""
    wanted = [str(st.session_state.get(f"audit_{name}") or "") for name in ("who", "action", "text")]
    found = audit.entries(*wanted)
    if found.empty:
        nothing_in_range("No such action" if any(wanted) else "No action")
        return
    if len(found) == audit.MOST_ROWS:
        st.caption(f"The newest {text.number(audit.MOST_ROWS)}: narrow the range or the search to see others.")
    columns = {
        "at": st.column_config.DatetimeColumn("When", format="D MMM YYYY HH:mm:ss", width=150),
        "who": st.column_config.TextColumn("Who", width=200),
        "role": st.column_config.TextColumn("Role", width=80),
        "action": st.column_config.TextColumn("What", width=160),
        "subject": st.column_config.TextColumn("On what", width="large"),
        "details": st.column_config.TextColumn("Details", width="large"),
        "via": st.column_config.TextColumn("Known by", width=90),
        "address": st.column_config.TextColumn("From", width=120),
        "session": st.column_config.TextColumn("Session", width=90),
    }
    chosen = cards.table(found, key="audit", topic="audit", columns=columns, select=True)
    if chosen is not None:
        st.code(str(chosen["details"]), language="json", wrap_lines=True)


def body() -> None:
    with panel("What was done"):
        table()


st.title("Audit", anchor=False)
with st.container(horizontal=True, vertical_alignment="bottom"):
    st.text_input("Who", key="audit_who", bind="query-params", max_chars=80)
    st.selectbox("What", ("", *audit.ACTIONS), key="audit_action", bind="query-params",
                 format_func=lambda action: action or "anything")  # fmt: skip
    st.text_input("On what", key="audit_text", bind="query-params", max_chars=80, placeholder="or in the details")
live(body, analysis=True)
