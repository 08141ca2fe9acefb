"""How an admin changes a checklist: item by item in a form, or all of it as YAML, with what changes and what was before."""

from __future__ import annotations

import difflib
from dataclasses import replace

import pandas as pd
import streamlit as st

from lib.checklists import calendar, definition, versions
from lib.checklists.evidence_keys import EVIDENCE
from lib.checklists.model import Checklist, Item
from lib.checklists.versions import History, Version
from lib.errors import SettingsError
from lib.state.audit import Deed
from lib.ui import clock, text
from lib.ui.identity import act, named

NEW = """name: my-checklist
title: My checklist
period: day  # day, week or month
items:
  - key: first
    title: What is to be done
    why: What happens if nobody does it
    how: How it is done
    due: "10:00"
"""
FORM, YAML, HISTORY, ANOTHER = "Form", "YAML", "History", "New checklist"


def draw(history: History, chosen: Checklist | None) -> None:
    """The chosen checklist's form, its YAML, or its history; another can be begun. Raises SourceError."""
    name = chosen.name if chosen is not None else ""
    ways = (FORM, YAML, HISTORY, ANOTHER) if chosen is not None else (ANOTHER, HISTORY)
    way = st.segmented_control(
        "Edit by", ways, default=ways[0], key="edit_by", required=True, label_visibility="collapsed"
    )
    st.caption("A change holds from the next run on: runs that are open keep the items that they began with.")
    version = history.newest(name)
    if way == FORM and chosen is not None and version is not None:
        _form(history, chosen, version)
    elif way == YAML and chosen is not None and version is not None:
        _yaml(history, name, definition.dump(chosen), version.version)
    elif way == HISTORY:
        _history(history)
    else:
        _yaml(history, "", NEW, 0)


def _form(history: History, checklist: Checklist, version: Version) -> None:
    titles = {item.key: item.title for item in checklist.items}
    key = st.selectbox("Item", list(titles), key=f"edit_item_{checklist.name}", format_func=lambda k: titles.get(k, k),
                       filter_mode=None)  # fmt: skip
    item = next((one for one in checklist.items if one.key == key), checklist.items[0])
    at = f"{checklist.name}_{item.key}_{version.version}"
    with st.form(f"form_{at}"):
        title = st.text_input("Title", item.title, key=f"title_{at}", max_chars=definition.LONGEST_TITLE)
        why = st.text_area("Why", item.why, key=f"why_{at}", height=80, max_chars=definition.LONGEST_TEXT)
        how = st.text_area("How", item.how, key=f"how_{at}", height=120, max_chars=definition.LONGEST_TEXT)
        left, middle, right = st.columns(3)
        owner = left.text_input("Owner", item.owner, key=f"owner_{at}", max_chars=definition.LONGEST_TITLE)
        due = middle.text_input(
            f"Due, such as {calendar.FORMS[checklist.period]}", item.due, key=f"due_{at}", max_chars=20
        )
        known = ["", *sorted(EVIDENCE)]
        evidence = right.selectbox("Evidence", known, known.index(item.evidence), key=f"evidence_{at}", filter_mode=None,
                                   format_func=lambda k: k.replace("_", " ") or "none")  # fmt: skip
        limits = _limits(item, at)
        note = st.text_input("Why this change?", key=f"note_{at}", max_chars=200)
        given = st.form_submit_button("Save", type="primary")
    if given:
        kept = limits if evidence == item.evidence else {}
        changed = Item(
            item.key, title.strip(), why.strip(), how.strip(), str(evidence), owner.strip(), due.strip(), kept
        )
        items = tuple(changed if one.key == item.key else one for one in checklist.items)
        _save(history, definition.dump(replace(checklist, items=items)), version.version, note)


def _limits(item: Item, at: str) -> dict[str, float]:
    usual = EVIDENCE.get(item.evidence, {})
    if not usual:
        return {}
    st.caption("Verdict")
    found: dict[str, float] = {}
    with st.container(horizontal=True, gap="small"):
        for name, value in usual.items():
            now = float(item.limits.get(name, value))
            found[name] = st.number_input(name.replace("_", " "), 0.0, None, now, key=f"limit_{name}_{at}", width=170,
                                          format="%g")  # fmt: skip
    return {name: value for name, value in found.items() if name in item.limits or value != usual[name]}


def _yaml(history: History, name: str, before: str, base: int) -> None:
    at = f"{name}_{base}"
    edited = st.text_area("YAML", before, key=f"yaml_{at}", height=420, max_chars=definition.LONGEST_FILE)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        note = st.text_input("Why this change?", key=f"yaml_note_{at}", max_chars=200)
        if st.button("Save", type="primary", key=f"yaml_save_{at}", disabled=edited == before and bool(name)):
            _save(history, edited, base, note)
        if name:
            st.download_button("Export", before, f"{name}.yaml", "application/yaml", key=f"yaml_export_{at}",
                               on_click="ignore", icon=":material/download:")  # fmt: skip
            _remove(name, base, note)
    if edited != before:
        _mistakes(edited)
        _diff(before, edited, f"version {base}", "your change")


def _remove(name: str, base: int, note: str) -> None:
    with st.popover("Take away", key=f"remove_{name}"):
        st.write("No run is opened any more; those that were stay. Its history can bring it back.")
        if st.button("Take it away", key=f"remove_now_{name}") and named():
            _act(versions.remove(name, base, note))


def _mistakes(edited: str) -> None:
    try:
        definition.parse(edited, "your change")
    except SettingsError as error:
        st.error("This cannot be saved yet.")
        st.code(text.visible(error), language=None, wrap_lines=True)


def _diff(before: str, after: str, was: str, now: str) -> None:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), was, now, lineterm="", n=2)
    st.caption("What changes")
    st.code(text.visible("\n".join(lines)) or "nothing", language="diff")


def _history(history: History) -> None:
    names = list(history.versions)
    name = st.selectbox("Checklist", names, key="history_of", filter_mode=None)
    told = history.versions.get(str(name), ())[::-1]
    rows = [
        {
            "version": v.version, "at": clock.local(v.at) if v.at else None, "who": v.who or "shipped",
            "note": text.visible(v.note), "items": len(v.checklist.items) if v.checklist else 0,
            "what": "saved" if v.checklist else "taken away",
        }
        for v in told
    ]  # fmt: skip
    columns = {
        "version": st.column_config.NumberColumn("Version", width=80),
        "at": st.column_config.DatetimeColumn("When", format="D MMM YYYY HH:mm", width=160),
        "who": st.column_config.TextColumn("Who", width=180),
        "note": st.column_config.TextColumn("Why", width="large"),
        "items": st.column_config.NumberColumn("Items", width=70),
        "what": st.column_config.TextColumn("What", width=110),
    }
    event = st.dataframe(pd.DataFrame(rows), key=f"versions_{name}", hide_index=True, column_config=columns,
                         on_select="rerun", selection_mode="single-row", height="content",
                         placeholder=text.NONE)  # fmt: skip
    picked = event["selection"]["rows"]
    if not picked or picked[0] >= len(told):
        st.caption("Click a version to see what it changed, and to bring it back.")
        return
    version = told[picked[0]]
    older = told[picked[0] + 1] if picked[0] + 1 < len(told) else None
    _diff(older.yaml if older else "", version.yaml, f"version {older.version}" if older else "nothing",
          f"version {version.version}")  # fmt: skip
    if version is not told[0] and version.checklist is not None and st.button("Bring this version back"):
        _save(history, version.yaml, told[0].version, f"version {version.version} again")


def _save(history: History, edited: str, base: int, note: str) -> None:
    try:
        deed = versions.save(edited, base, note, history=history)
    except SettingsError as error:
        st.error("Not saved; what was there before still holds.")
        st.code(text.visible(error), language=None, wrap_lines=True)
        return
    if named():
        _act(deed)


def _act(deed: Deed) -> None:
    if act(deed):
        st.rerun()
