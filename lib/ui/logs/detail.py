"""One record whole: its fields to filter by, its stack, its neighbours, and what else happened to its request and lead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import pandas as pd
import streamlit as st

from lib.logs.base import FOLLOWED
from lib.ui import address, cache, cards, clock, text
from lib.ui.charts import logs as log_charts
from lib.ui.live_chart import live_chart
from lib.ui.logs import reveal, state
from lib.ui.logs.fields import flat
from lib.ui.logs.rows import level_label
from lib.window import Window

VIEWS = ("Fields", "Stack", "JSON", "Around it")
_LONG = ("message", "error", "stack")
_NAMED = {"request_id": "request", "lead_id": "lead"}


def detail(window: Window, record_id: str) -> None:
    """The record, in one of VIEWS."""
    masked = cache.frame("log_record", window, record_id=record_id)["record"]
    _bar(record_id, masked)
    if not masked:
        st.caption("This record is not kept any more.")
        return
    record = reveal.revealed(record_id, masked)
    reveal.said(record_id)
    view = st.segmented_control("View", VIEWS, default=VIEWS[0], key=state.VIEW, bind="query-params", required=True,
                                label_visibility="collapsed")  # fmt: skip
    if view == "Stack":
        st.code(text.visible(_stack(record)), language=None, wrap_lines=True)
    elif view == "JSON":
        st.code(text.visible(_json(record)), language="json", wrap_lines=True)
    elif view == "Around it":
        _around(window, record_id)
    else:
        _fields(record)


def _bar(record_id: str, record: Mapping[str, Any]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if record:
            st.text(f"{level_label(record['level'])}  {clock.stamp(record['ts'].to_pydatetime(), seconds=True)}")
            for field in FOLLOWED:
                if record[field]:
                    st.button(f"Follow its {_NAMED[field]}", icon=":material/timeline:", key=f"follow_{field}",
                              on_click=state.follow, args=(field, record[field]), type="secondary")  # fmt: skip
            st.button("Its pattern", icon=":material/filter_alt:", key="its_pattern", type="tertiary",
                      help="Records of the same normalised text", on_click=state.add,
                      args=("pattern_id", record["pattern_id"]))  # fmt: skip
            reveal.button(record_id, record)
        st.button("Close", icon=":material/close:", key="close_record", on_click=state.open_record, args=("",),
                  type="tertiary")  # fmt: skip


def _fields(record: Mapping[str, Any]) -> None:
    for name in _LONG[:2]:
        if record[name]:
            st.caption(name.capitalize())
            st.code(text.visible(record[name]), language=None, wrap_lines=True)
    with st.container(gap=None, key="record_fields"):
        for number, (name, value) in enumerate(_values(record).items()):
            _field(number, name, value)


def _values(record: Mapping[str, Any]) -> dict[str, str]:
    """Every field that has a value and is not a long text of its own."""
    plain = {name: value for name, value in record.items() if name not in (*_LONG, "fields", "id", "ts")}
    shown = {name: _shown(value) for name, value in plain.items() if not _is_empty(value)}
    fields = record["fields"]
    return shown | (flat(fields) if isinstance(fields, dict) else {})


def _is_empty(value: Any) -> bool:
    return bool(pd.isna(value)) or value == "" or value is False


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def _field(number: int, name: str, value: str) -> None:
    usable = state.can_filter(name, value)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        for sign, words, negated in (("add", "Filter for", False), ("remove", "Filter out", True)):
            st.button(f"{words} {text.esc_md(name)}", icon=f":material/{sign}:", key=f"{sign}_{number}", type="tertiary",
                      disabled=not usable, help=f"{words} this value of {text.esc_md(name)}", on_click=state.add,
                      args=(name, value), kwargs={"negated": negated})  # fmt: skip
        st.text(name, width=150)
        st.text(text.visible(value[:2000]), width="stretch")


def _stack(record: Mapping[str, Any]) -> str:
    return str(record["stack"] or record["error"] or record["message"] or text.NONE)


def _json(record: Mapping[str, Any]) -> str:
    held = {name: value for name, value in record.items() if not (name != "fields" and _is_empty(value))}
    held["ts"] = record["ts"].isoformat()
    return orjson.dumps(held, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY, default=str).decode()


def _around(window: Window, record_id: str) -> None:
    found = cache.frame("log_around", window, record_id=record_id)
    st.caption("The ten records before and after it of the same service, newest first; ▶ is this one.")
    here = ["▶" if one == record_id else "" for one in found["id"]]
    _listed(
        found.assign(here=here),
        ("here", "ts", "level", "message", "error", "operation", "request_id", "lead_id"),
        "around",
    )


def followed(window: Window) -> None:
    """Everything of the followed request or lead, on a time line and in a table."""
    field, _, value = address.value(state.FOLLOW).partition(":")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.text(text.visible(f"{_NAMED.get(field, field)} {value}"))
        st.button("Close", icon=":material/close:", key="close_follow", on_click=state.follow, type="tertiary")
    if field not in FOLLOWED or not value:
        st.caption("Only a request or a lead can be followed.")
        return
    found = cache.frame("log_trace", window, field=field, value=value)
    if found.empty:
        st.caption("No record of it is kept.")
        return
    first, last = found["ts"].iloc[0], found["ts"].iloc[-1]
    took_ms = (last - first).total_seconds() * 1000
    length = text.duration_ms(took_ms) if took_ms < 10_000 else text.span(took_ms / 1000)
    more = " (the first thousand)" if len(found) >= 1000 else ""
    st.caption(
        f"{text.number(len(found))} record{'' if len(found) == 1 else 's'}{more} over {length}, from all kept data, oldest first."
    )
    if len(found) > 1:
        live_chart(log_charts.time_line(found, clock.display_zone()), key="time_line", height=180,
                   alt=f"{len(found)} records of one {_NAMED[field]} on a time line, by operation and level")  # fmt: skip
    offset = [f"+{text.duration_ms((ts - first).total_seconds() * 1000)}" for ts in found["ts"]]
    _listed(
        found.assign(offset=offset),
        ("ts", "offset", "level", "message", "error", "service", "operation", "status", "duration_ms"),
        "trace",
    )


def _listed(found: pd.DataFrame, columns: tuple[str, ...], key: str) -> None:
    shown = found.assign(level=[level_label(level) for level in found["level"]])[list(columns)]
    config = {
        "here": st.column_config.TextColumn("", width=30), "offset": st.column_config.TextColumn("After", width=90),
        "ts": st.column_config.DatetimeColumn("When", format="D MMM HH:mm:ss.SSS", width=150),
        "level": st.column_config.TextColumn("Level", width=85), "message": "Message", "error": "Error",
        "service": "Service", "operation": "Operation", "request_id": "Request", "lead_id": "Lead",
        "status": st.column_config.NumberColumn("Status", format="%d", width=65),
        "duration_ms": st.column_config.NumberColumn("Took (ms)", format="%.1f", width=85),
    }  # fmt: skip
    cards.table(shown, key=key, topic=key, columns={name: config[name] for name in columns})
