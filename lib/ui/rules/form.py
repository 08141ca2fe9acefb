"""The rule as a sentence with blanks, and beside it the same as YAML; each follows the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from lib.alerts.engine.templates import unknown
from lib.alerts.rule_text import LONGEST
from lib.alerts.sentence import ANY, BLANKS, OPERATORS, Sentence
from lib.metrics.promql.parse import LONGEST_TEXT
from lib.ui import text, time_range
from lib.ui.promql_help import promql_help
from lib.ui.rules import replaying, state
from lib.ui.rules.state import Draft

SEVERITIES = ("critical", "warning", "info")
_NONE = "no severity"
_TYPED = tuple(blank for blank in BLANKS if blank not in ("labels", "annotations"))
_YAML, _LABELS, _ANNOTATIONS = "rule_yaml", "rule_labels", "rule_annotations"


def form(draft: Draft, *, locked: bool) -> None:
    """The sentence, and what the notice says. `locked` shows it without letting anybody change it."""
    for blank in (
        "name",
        "expression",
        "operator",
        "limit",
        "for_",
        "keep",
        "severity",
        "summary",
        "description",
        "runbook",
    ):
        st.session_state.setdefault(_key(blank, draft), getattr(draft.blanks, blank))
    if draft.standing is None:
        st.text_input(
            "Name", key=_key("name", draft), disabled=locked, on_change=_changed, args=(draft,), max_chars=200
        )
    _condition(draft, locked=locked)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="rule_sentence"):
        _comparison(draft, locked=locked)
        _times(draft, locked=locked)
        _severity(draft, locked=locked)
    rule = draft.read()[0]
    goes = f" {text.esc_md(replaying.who_is_told(rule))}" if rule is not None else ""
    st.caption(f"Reads: {text.esc_md(draft.blanks.spoken())}{goes}")
    _words(draft, locked=locked)


def _key(blank: str, draft: Draft) -> str:
    return f"rule_{blank}_{draft.edition}"


def _condition(draft: Draft, *, locked: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_area(
            "When", key=_key("expression", draft), height=100, max_chars=LONGEST_TEXT, disabled=locked,
            on_change=_changed, args=(draft,), placeholder="what is measured, in PromQL",
        )  # fmt: skip
        if not locked:
            with st.popover("Insert", icon=":material/add:", key="rule_help"):
                promql_help(time_range.time_window(), _key("expression", draft), lambda: _changed(draft))


def _comparison(draft: Draft, *, locked: bool) -> None:
    st.selectbox(
        "it", list(OPERATORS), format_func=OPERATORS.__getitem__, key=_key("operator", draft), disabled=locked,
        on_change=_changed, args=(draft,), width=130,
    )  # fmt: skip
    if draft.blanks.operator != ANY:
        st.text_input(
            "limit", key=_key("limit", draft), disabled=locked, on_change=_changed, args=(draft,), width=90,
            max_chars=40, help="In the expression's own unit: a share of 5 % is 0.05",
        )  # fmt: skip


def _times(draft: Draft, *, locked: bool) -> None:
    st.text_input(
        "for", key=_key("for_", draft), disabled=locked, on_change=_changed, args=(draft,), width=80, max_chars=40,
        placeholder="at once", help="How long it must hold without a break: 30s, 5m, 1h30m. Empty: at once",
    )  # fmt: skip
    st.text_input(
        "keep for", key=_key("keep", draft), disabled=locked, on_change=_changed, args=(draft,), width=90,
        max_chars=40, placeholder="–",
        help="How long the alert goes on after its condition ended, so that a short gap does not end it",
    )  # fmt: skip


def _severity(draft: Draft, *, locked: bool) -> None:
    told = draft.blanks.severity
    options = [*SEVERITIES, *([told] if told not in (*SEVERITIES, "") else []), ""]
    st.selectbox(
        "tell", options, format_func=lambda name: name or _NONE, key=_key("severity", draft), disabled=locked,
        on_change=_changed, args=(draft,), width=115, help="The severity decides which channels are told",
    )  # fmt: skip


def _words(draft: Draft, *, locked: bool) -> None:
    more: dict[str, Any] = {"disabled": locked, "on_change": _changed, "args": (draft,)}
    st.text_input("Title of the notice", key=_key("summary", draft), max_chars=500, **more,
                  help="`{{ $value | humanizePercentage }}` and `{{ $labels.name }}` are filled in")  # fmt: skip
    st.text_area("Text of the notice", key=_key("description", draft), height=80, max_chars=4000, **more)
    st.text_input("Runbook", key=_key("runbook", draft), max_chars=500, placeholder="https://…", **more)
    if unfilled := [one for told in (draft.blanks.summary, draft.blanks.description) for one in unknown(told)]:
        st.caption(
            f":orange-badge[◆ Note] Shown as it is written, nothing is filled in: {text.esc_md(', '.join(unfilled[:5]))}"
        )
    count = len(draft.blanks.labels) + len(draft.blanks.annotations)
    with st.expander(f"More labels and annotations{f' ({count})' if count else ''}"):
        left, right = st.columns(2)
        with left:
            _table("Labels", _LABELS, draft.blanks.labels, draft, locked=locked)
        with right:
            _table("Annotations", _ANNOTATIONS, draft.blanks.annotations, draft, locked=locked)


def _table(title: str, name: str, held: Mapping[str, str], draft: Draft, *, locked: bool) -> None:
    st.caption(title)
    rows = pd.DataFrame({"name": list(held), "value": list(held.values())}, dtype="str")
    key = f"{name}_{draft.edition}"
    kept = st.session_state.setdefault(f"_{key}", rows)  # the rows that the table's own changes are counted against
    columns = {
        "name": st.column_config.TextColumn("Name", max_chars=100),
        "value": st.column_config.TextColumn("Value"),
    }
    if locked:
        st.dataframe(kept, hide_index=True, column_config=columns, placeholder=text.NONE)
        return
    edited = st.data_editor(kept, key=key, num_rows="dynamic", hide_index=True, column_config=columns, width="stretch")
    found = _rows(edited)
    if found != {name: value for name, value in held.items() if value.strip()}:
        state.from_form(_filled(draft, "labels" if name == _LABELS else "annotations", found))
        st.rerun(scope="app")


def _rows(edited: pd.DataFrame) -> dict[str, str]:
    """The rows that have a name and a value."""
    pairs = zip(edited["name"], edited["value"], strict=True)
    found = {str(name).strip(): str(value) for name, value in pairs if not pd.isna(name) and not pd.isna(value)}
    return {name: value for name, value in found.items() if name and value.strip()}


def _filled(draft: Draft, table: str = "", rows: Mapping[str, str] | None = None) -> Sentence:
    """What is typed in the form now, and in one of its tables."""
    typed = {blank: st.session_state.get(_key(blank, draft)) for blank in _TYPED}
    changed: dict[str, Any] = {blank: value for blank, value in typed.items() if value is not None}
    if table:
        changed[table] = rows
    return replace(draft.blanks, **changed)


def _changed(draft: Draft) -> None:
    state.from_form(_filled(draft))


def yaml_view(draft: Draft, *, locked: bool) -> None:
    """The entry itself, which holds what the form cannot say."""
    key = f"{_YAML}_{hash(draft.text)}"
    st.session_state.setdefault(key, draft.text)
    st.text_area(
        "YAML", key=key, height=min(max(draft.text.count("\n") * 24 + 60, 200), 620), max_chars=LONGEST, disabled=locked,
        on_change=lambda: state.from_text(str(st.session_state[key])), label_visibility="collapsed",
    )  # fmt: skip
    st.caption("The entry as a Prometheus rule file holds it. Ctrl+Enter takes a change over into the form.")
