"""How the numbers of a page were asked: under every page, drawn only for those who open it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import streamlit as st

from lib.ui import cache, clock, open_in, panel, text
from lib.ui.runtime import current

COLUMNS = {
    "card": st.column_config.TextColumn("Card", width=180),
    "store": st.column_config.TextColumn("Store", width=130),
    "question": st.column_config.TextColumn("Question", width="large"),
    "took_ms": st.column_config.NumberColumn("Took (ms)", format="%.1f", width=80),
    "rows": st.column_config.NumberColumn("Rows", help="Series, for PromQL", width=70),
    "at": st.column_config.DatetimeColumn("Answered", format="HH:mm:ss", width=90),
    "age": st.column_config.TextColumn("Age", help="Answers are shared by all viewers for a while", width=70),
}


WINDOW = "window"
"""The range that a question was for; not shown."""


@contextmanager
def how_asked() -> Iterator[list[tuple[str, cache.Asked]]]:
    """Draws the page's cards inside, and under them what each asked of which store, how long it took, and its rows.

    Gives the list of (card, question) that they fill.
    """
    collected: list[tuple[str, cache.Asked]] = []
    token = panel.of_page.set(collected)
    try:
        yield collected
    finally:
        panel.of_page.reset(token)
    shown = st.expander(
        "How these numbers were asked", icon=":material/help_center:", key="how_asked", on_change="rerun"
    )
    if shown.open:
        with shown:
            _table(_rows(collected))


def _rows(collected: list[tuple[str, cache.Asked]]) -> pd.DataFrame:
    """One row per card and question; a question that several signals of a card put is there once."""
    zone, moment = clock.display_zone(), clock.now()
    rows = [
        (title, put.source, put.text, put.took_ms, put.rows, pd.Timestamp(asked.at).tz_convert(zone),
         text.span(moment - asked.at), asked.window)
        for title, asked in collected
        for put in asked.questions
    ]  # fmt: skip
    found = pd.DataFrame(rows, columns=[*COLUMNS, WINDOW])
    found["rows"] = found["rows"].where(found["rows"] >= 0)  # not every database says how many
    return found.drop_duplicates(["card", "question"], ignore_index=True)


def _table(rows: pd.DataFrame) -> None:
    if rows.empty:
        st.caption("This page asked nothing of a store.")
        return
    total = text.number(rows["took_ms"].sum())
    st.caption(
        f"{len(rows)} questions, {total} ms in all. Answers are shared by all viewers. Click a row to read it whole."
    )
    chosen = st.dataframe(
        rows[list(COLUMNS)],
        key="how_asked_rows",
        hide_index=True,
        column_config=COLUMNS,
        on_select="rerun",
        selection_mode="single-row",
        placeholder=text.NONE,
    )["selection"]["rows"]
    if chosen and chosen[0] < len(rows):
        row = rows.iloc[chosen[0]]
        st.code(row["question"], language=None, wrap_lines=True)
        _open_in(row)


def _open_in(row: pd.Series[Any]) -> None:
    """The question in the team's own tools, where the settings name any."""
    found = open_in.links(current().settings, row["store"], row["question"], row[WINDOW])
    if found:
        with st.container(horizontal=True, gap="small"):
            for tool, url in found:
                st.link_button(f"Open in {tool}", url, icon=":material/open_in_new:", type="tertiary")
