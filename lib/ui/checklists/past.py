"""The runs that were: a calendar whose missed days are plain to see, and what became of each item over time."""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from lib.checklists import questions
from lib.checklists.model import Checklist, ItemState, Period, Run, RunState
from lib.ui import cards, clock, text
from lib.ui.checklists import book, words
from lib.ui.checklists.words import ITEMS, RUNS
from lib.ui.panel import panel
from lib.ui.runtime import current

_MONTH = "_checklist_month"
_DAY = timedelta(days=1)
RUNS_SHOWN = {Period.DAY: 30, Period.WEEK: 26, Period.MONTH: 12}


def calendar(checklist: Checklist) -> None:
    """One month of daily runs, or one year of weekly and monthly ones; a click opens the run. Raises SourceError."""
    first, last = _shown(checklist.period)
    found = questions.calendar(book.state(), checklist.name, first, last)
    with panel("Calendar of runs"):
        _steps(checklist.period, first, last)
        counted = Counter(words.standing(run) for run in found)
        st.markdown(" ".join(f"{words.badge(RUNS[s])} {counted[s]}" for s in RunState))
        if checklist.period is Period.DAY:
            _weeks(found, first, last)
        else:
            _row_of(found)


def _shown(period: Period) -> tuple[date, date]:
    """The first and the last day of the month (daily) or the year that is looked at."""
    chosen = st.session_state.get(_MONTH, _today())
    if period is Period.DAY:
        return chosen.replace(day=1), chosen.replace(day=monthrange(chosen.year, chosen.month)[1])
    return date(chosen.year, 1, 1) - 6 * _DAY, date(chosen.year, 12, 31)  # the first week may begin in December


def _today() -> date:
    return clock.now().astimezone(ZoneInfo(current().settings.zone)).date()


def _steps(period: Period, first: date, last: date) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        before = first - _DAY if period is Period.DAY else date(last.year - 1, 12, 1)
        after = last + _DAY
        st.button("Earlier", icon=":material/chevron_left:", key="runs_before", on_click=_look, args=(before,))
        st.markdown(f"**{last:%B %Y}**" if period is Period.DAY else f"**{last.year}**", width="content")
        st.button("Later", icon=":material/chevron_right:", key="runs_after", on_click=_look, args=(after,),
                  disabled=after > _today())  # fmt: skip


def _look(month: date) -> None:
    st.session_state[_MONTH] = month


def _weeks(found: list[Run], first: date, last: date) -> None:
    runs = {run.first_day: run for run in found}
    monday = first - first.weekday() * _DAY
    with st.container(key="run_week_head", gap="xsmall"):
        for column, name in zip(st.columns(7), ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"), strict=True):
            column.caption(name, text_alignment="center")
    while monday <= last:
        with st.container(key=f"run_week_{monday}", gap="xsmall"):
            for column, day in zip(st.columns(7), (monday + n * _DAY for n in range(7)), strict=True):
                with column:
                    if first <= day <= last:
                        _cell(runs.get(day), str(day.day), day)
        monday += 7 * _DAY


def _row_of(found: list[Run]) -> None:
    if not found:
        st.markdown("○ No run in this year.")
    with st.container(horizontal=True, gap="small"):
        for run in found:
            week = run.period is Period.WEEK
            _cell(run, f"W{run.first_day.isocalendar().week}" if week else f"{run.first_day:%b}", run.first_day)


def _cell(run: Run | None, label: str, day: date) -> None:
    """A run as a button: its shape and colour, its day, and how much of it was done in the words under the pointer."""
    if run is None:
        st.button(f":gray[{label}]", key=f"run_{day}", disabled=True, width="stretch", type="tertiary")
        return
    shape, word = RUNS[words.standing(run)]
    told = f"{words.days(run)}: {word.lower()}, {run.settled} of {run.total}"
    signed = f", signed off by {text.esc_md(run.signed_by)}" if run.signed_by else ""
    width = "content" if run.period is not Period.DAY else "stretch"
    st.button(
        f":{shape.badge}[{shape.glyph}] {label}", key=f"run_{day}", help=told + signed, on_click=book.open_day, args=(day,),
        width=width,  # type: ignore[arg-type]
    )  # fmt: skip


def items(checklist: Checklist) -> None:
    """What became of each item in the last runs, and all that was ever done to one of them. Raises SourceError."""
    runs = RUNS_SHOWN[checklist.period]
    found = questions.completion(book.state(), checklist.name, runs, clock.now())
    over = found[found["state"] != ItemState.OPEN.value]
    with panel("Completion per item", help=f"The last {runs} runs, the one that goes on as far as it is done"):
        if over.empty:
            st.markdown("○ Nothing was due yet.")
        else:
            _completion(over)
    with panel("History of an item"):
        _history(checklist, found)


def _completion(over: pd.DataFrame) -> None:
    """A line per item: the share that was done or skipped, and run by run a shape, the newest last."""
    told = []
    for _, rows in over.groupby("key", sort=False):
        states = rows["state"].map(ItemState)
        count = states.value_counts()
        done, skipped, missed = (int(count.get(s, 0)) for s in (ItemState.DONE, ItemState.SKIPPED, ItemState.MISSED))
        told.append(
            {
                "item": rows["title"].iloc[-1], "done": (done + skipped) / len(rows), "ticked": done, "skipped": skipped,
                "missed": missed, "runs": " ".join(ITEMS[s][0].glyph for s in states),
            }
        )  # fmt: skip
    columns = {
        "item": st.column_config.TextColumn("Item", width=300),
        "done": st.column_config.ProgressColumn(
            "Done or skipped", format="percent", min_value=0, max_value=1, width=150
        ),
        "ticked": st.column_config.NumberColumn("Done", width=70),
        "skipped": st.column_config.NumberColumn("Skipped", width=70),
        "missed": st.column_config.NumberColumn("Missed", width=70),
        "runs": st.column_config.TextColumn("Run by run, newest last", width="large"),
    }
    st.dataframe(pd.DataFrame(told), key="completion", hide_index=True, column_config=columns, height="content",
                 placeholder=text.NONE)  # fmt: skip
    st.caption(" · ".join(words.plain(ITEMS[s]) for s in (ItemState.DONE, ItemState.SKIPPED, ItemState.MISSED)))


def _history(checklist: Checklist, found: pd.DataFrame) -> None:
    """Of the items that are, and of those that were in the last runs."""
    titles = {item.key: item.title for item in checklist.items}
    titles = titles | {key: title for key, title in zip(found["key"], found["title"], strict=True) if key not in titles}
    key = st.selectbox(
        "Item", list(titles), key=f"history_{checklist.name}", format_func=lambda k: titles.get(k, k), filter_mode=None
    )
    found = questions.item_history(book.state(), checklist.name, str(key))
    if found.empty:
        st.markdown("○ Nothing was done to it yet.")
        return
    columns = {
        "at": st.column_config.DatetimeColumn("When", format="D MMM YYYY HH:mm", width=150),
        "first_day": st.column_config.DateColumn("Run of", format="D MMM YYYY", width=110),
        "what": st.column_config.TextColumn("What", width=110),
        "who": st.column_config.TextColumn("Who", width=160),
        "value": st.column_config.TextColumn("Seen", width="medium"),
        "verdict": st.column_config.TextColumn("Verdict", width=80),
        "words": st.column_config.TextColumn("Note or reason", width="large"),
        "number": None,
    }
    cards.table(found, key=f"item_history_{key}", topic=f"{checklist.name} {key}", columns=columns)
