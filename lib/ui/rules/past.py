"""Who changed a rule, when and why; what differs; and the way back."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.alerts import editing
from lib.alerts.editing import Standing, Version
from lib.alerts.rule_text import diff
from lib.errors import OpsError
from lib.ui import cards, text
from lib.ui.rules import state
from lib.ui.rules.saving import do, why

_COLUMNS = {
    "version": st.column_config.NumberColumn("Version", width=70, format="%d"),
    "at": st.column_config.DatetimeColumn("When", format="D MMM YYYY HH:mm", width=150),
    "who": st.column_config.TextColumn("Who", width=180),
    "what": st.column_config.TextColumn("What", width=110),
    "note": st.column_config.TextColumn("Why", width="large"),
    "review": st.column_config.DateColumn("Look again by", width=110),
}


def history(standing: Standing, *, locked: bool) -> None:
    """Every version, newest first; a click shows what it changed and offers to restore it. Raises SourceError."""
    versions = editing.history(state.database(), standing.name)
    if not versions:
        st.caption("Nobody has changed this rule here: it is the shipped one.")
        return
    frame = pd.DataFrame([_row(version) for version in versions])
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    if frame["review"].isna().all():
        frame = frame.drop(columns="review")
    chosen = cards.table(frame, key="rule_history", topic=f"history of {standing.name}", columns=_COLUMNS, select=True)
    number = int(chosen["version"]) if chosen is not None else versions[0].number
    version = next(one for one in versions if one.number == number)
    _changed(standing, version, versions)
    if not locked:
        _back(standing, version)


def _row(version: Version) -> dict[str, object]:
    return {
        "version": version.number, "at": version.at, "who": text.visible(version.who),
        "what": "removed" if version.removed else "as shipped" if not version.text else "edited",
        "note": text.visible(version.note), "review": version.review_by,
    }  # fmt: skip


def _text(standing: Standing, version: Version | None) -> str:
    """The entry that a version meant; None is the shipped rule."""
    shipped = standing.shipped.text if standing.shipped else ""
    return (version.text or shipped) if version is not None else shipped


def _changed(standing: Standing, version: Version, versions: list[Version]) -> None:
    before = next((one for one in versions if one.number == version.number - 1), None)
    name = f"version {before.number}" if before else "shipped" if standing.shipped else "nothing"
    shown = diff(_text(standing, before), _text(standing, version), names=(name, f"version {version.number}"))
    st.caption(f"What version {version.number} changed")
    st.code(text.visible(shown) or "No line of the rule.", language="diff")


def _back(standing: Standing, version: Version) -> None:
    """Restoring the chosen version, or going back to what was shipped."""
    old = version.number != standing.number
    if not old and not (standing.shipped and standing.edited):
        return
    with st.form("rule_back", border=False):
        st.text_input("Why go back", key="rule_back_note", max_chars=editing.LONGEST_NOTE)
        with st.container(horizontal=True):
            restore = old and st.form_submit_button(f"Restore version {version.number}", icon=":material/undo:")
            reset = (
                standing.shipped is not None
                and standing.edited
                and st.form_submit_button("Back to the shipped rule", icon=":material/restart_alt:")
            )
    if not restore and not reset:
        return
    try:
        deed = (
            editing.restore(standing, version, why("rule_back_note", review_by=version.review_by))
            if restore
            else editing.reset(standing, why("rule_back_note"))
        )
    except OpsError as error:
        st.error(f"Not done: {text.esc_md(error)}")
        return
    do(deed, standing.name)


def removal(standing: Standing) -> None:
    """Taking the rule out of evaluation, or putting it back."""
    words = "Evaluate it again" if standing.removed else "Remove"
    with st.popover(words, icon=":material/delete:" if not standing.removed else ":material/undo:", key="rule_removal"):
        st.caption(
            "It is evaluated again, as it was."
            if standing.removed
            else "Nobody evaluates it from then on, and its open alerts end. Its history stays, and it can come back."
        )
        with st.form("rule_remove", border=False):
            st.text_input(
                "Why evaluate it again" if standing.removed else "Why remove it",
                key="rule_remove_note",
                max_chars=editing.LONGEST_NOTE,
            )
            if not st.form_submit_button(words, type="primary"):
                return
        try:
            build = editing.enable if standing.removed else editing.remove
            deed = build(standing, why("rule_remove_note", review_by=standing.review_by))
        except OpsError as error:
            st.error(f"Not done: {text.esc_md(error)}")
            return
        do(deed, standing.name)
