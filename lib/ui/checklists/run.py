"""A run as one works through it: progress, each item with its evidence, a box to tick; drawn anew by itself."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import parse_qsl

import streamlit as st

from lib.checklists.model import Evidence, ItemState, Run, RunItem, RunState
from lib.ui import clock, text, time_range
from lib.ui.checklists import acts, book, words
from lib.ui.checklists.words import ITEMS, RUNS
from lib.ui.pages import PAGES, entry
from lib.ui.panel import panel

EVERY_S = 3.0
"""So soon one sees what others did."""


def board(run_id: int) -> None:
    """The run of this number, as it is now and after each click."""
    shown = st.fragment(_board, run_every=None if time_range.is_paused() else EVERY_S)
    shown(run_id)


def _board(run_id: int) -> None:
    """A database that does not answer costs a redraw, not the page: the next one may succeed."""
    with panel(""):
        try:
            _drawn(run_id)
        except KeyError:
            st.markdown("○ This run is not there any more: the database is another one.")


def _drawn(run_id: int) -> None:
    now = clock.now()
    intent = acts.taken(run_id)
    if intent is not None and acts.needs_words(intent):
        acts.to_dialog(intent)
    run, items = book.items(run_id)
    head = st.container(key="checklist_head")
    cards = {one.item.key: st.container(border=True, key=f"item_{one.item.key}", gap="xsmall") for one in items}
    clicked = next((one for one in items if intent is not None and one.item.key == intent.item), None)
    if intent is not None and clicked is not None:
        with cards[intent.item]:
            acts.do(intent, run, acts.as_seen(clicked, intent.seen))
        run, items = book.items(run_id)
    with head:
        _head(run, items, now)
    for one in items:
        with cards[one.item.key]:
            _item(run, one, now)


def _head(run: Run, items: list[RunItem], now: datetime) -> None:
    late, over = sum(one.overdue(now) for one in items), book.is_over(run, now)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="checklist_progress"):
        st.markdown(f"**{text.esc_md(words.days(run))}**", width="content")
        if run.state is not RunState.OPEN or over:
            st.markdown(
                words.badge(RUNS[run.state if run.state is not RunState.OPEN else RunState.PARTIAL]), width="content"
            )
        if late and not over:
            st.markdown(f":red-badge[▲ {late} overdue]", width="content")
        _signed(run, now)
    st.progress(run.settled / run.total if run.total else 0.0, f"{run.settled}/{run.total}" + _left(run, over))


def _left(run: Run, over: bool) -> str:
    parts = [f"{run.skipped} skipped"] if run.skipped else []
    missing = run.total - run.settled
    parts += [f"{missing} {'missed' if over else 'to do'}"] if missing else ["all done"] if not run.skipped else []
    return " · " + " · ".join(parts) if parts else ""


def _signed(run: Run, now: datetime) -> None:
    if run.signed_by and run.signed_at:
        told = f"signed off by {text.esc_md(run.signed_by)} {words.when(run.signed_at, run.zone, now)}"
        st.markdown(f":green-badge[✓ Signed] {told}", width="content")
        if not book.is_over(run, now):
            st.button(acts.WITHDRAW, key="withdraw", type="tertiary",
                      on_click=acts.intend, args=(acts.WITHDRAW, run.id, "", 0))  # fmt: skip
    elif run.settled == run.total:
        st.button(acts.SIGN, key="sign_off", type="primary", icon=":material/draw:",
                  on_click=acts.intend, args=(acts.SIGN, run.id, "", 0))  # fmt: skip


def _item(run: Run, one: RunItem, now: datetime) -> None:
    still = book.is_over(run, now) or bool(run.signed_by)
    evidence = _evidence(run, one, now)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"check_line_{one.item.key}"):
        _box(run, one, still)
        if one.state not in (ItemState.OPEN, ItemState.DONE):
            st.markdown(words.badge(ITEMS[one.state]), width="content")
        elif one.state is ItemState.OPEN:
            due = words.when(one.due_at, run.zone, now)
            late = one.overdue(now)
            st.markdown(f":red-badge[▲ Overdue since {due}]" if late else f":gray-badge[due {due}]", width="content")
        if not still:
            _menu(run, one)
    _evidence_line(run, one, evidence, now)
    facts = [_facts(run, one, now), *(words.done_line(note, run.zone, now) for note in one.notes)]
    if told := [fact for fact in facts if fact]:
        st.caption("  \n".join(told))
    _why(run, one, evidence)


def _menu(run: Run, one: RunItem) -> None:
    key = f"more_{run.id}_{one.item.key}"
    st.menu_button(
        f"More for {text.esc_md(one.item.title)}", acts.choices(one), key=key, icon=":material/more_horiz:",
        type="tertiary", on_click=acts.from_menu, args=(key, run.id, one.item.key, one.seen),
    )  # fmt: skip


def _box(run: Run, one: RunItem, still: bool) -> None:
    """The box stands as the run does, whatever was clicked: its key keeps the focus where it is."""
    key = f"tick_{run.id}_{one.item.key}"
    st.session_state[key] = one.state is ItemState.DONE
    what = acts.UNDO if one.state is ItemState.DONE else acts.TICK
    st.checkbox(
        f"**{text.esc_md(one.item.title)}**", key=key, disabled=still or one.state is ItemState.SKIPPED, width="stretch",
        on_change=acts.intend, args=(what, run.id, one.item.key, one.seen),
    )  # fmt: skip


def _evidence(run: Run, one: RunItem, now: datetime) -> Evidence | None:
    """What was seen when it was done; until then what is seen now; None where nothing is (yet)."""
    if one.last is not None and one.state in (ItemState.DONE, ItemState.SKIPPED):
        return one.last.evidence
    if not one.item.evidence or book.is_over(run, now):
        return None
    found = book.found(run, one)
    return found.evidence if found is not None else None


def _evidence_line(run: Run, one: RunItem, evidence: Evidence | None, now: datetime) -> None:
    if not one.item.evidence:
        return
    waiting = evidence is None and one.state is ItemState.OPEN and not book.is_over(run, now)
    line = ":gray[○ looking …]" if waiting else ":gray[○ nothing was collected]"
    if evidence is not None:
        line = words.evidence_line(evidence)
    before = words.previous_line(one, run.zone, now)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"seen_{one.item.key}"):
        st.markdown(f"{line} :gray[· {before}]" if before else line, width="content")
        if evidence is not None and evidence.link:
            _link(evidence.link)


def _link(address: str) -> None:
    """Leads to the page that shows more, with the range that the evidence is about."""
    path, _, query = address.partition("?")
    if path.strip("/") in {one.url_path for one in PAGES}:
        page = entry(path.strip("/"))
        st.page_link(str(page.path), label=page.title, icon=page.icon, query_params=dict(parse_qsl(query)))


def _facts(run: Run, one: RunItem, now: datetime) -> str:
    """Who did it and when, and who has it."""
    done = [words.done_line(one.last, run.zone, now)] if one.last is not None else []
    return " · ".join([*done, *([f"for {text.esc_md(one.assignee)}"] if one.assignee else [])])


def _why(run: Run, one: RunItem, evidence: Evidence | None) -> None:
    detail = evidence.detail if evidence is not None else ""
    if not (one.item.why or one.item.how or detail):
        return
    with st.expander("Why and how", key=f"why_{run.id}_{one.item.key}", type="compact"):
        for part in (one.item.why, one.item.how):
            if part:
                st.text(text.visible(part))
        if detail:
            st.code(text.visible(detail), language=None, wrap_lines=True)
