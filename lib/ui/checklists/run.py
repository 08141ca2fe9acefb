"""A run as one works through it: progress, each item with its evidence, a box to tick; drawn anew by itself."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import parse_qsl

import streamlit as st

from lib.checklists.model import Evidence, ItemState, Run, RunItem, RunState
from lib.identity.roles import Action
from lib.ui import clock, text, time_range
from lib.ui.checklists import acts, book, box, words
from lib.ui.checklists.words import RUNS
from lib.ui.identity import lacking
from lib.ui.links import link_over
from lib.ui.pages import PAGES, entry
from lib.ui.panel import collect, panel

EVERY_S = 3.0
"""So soon one sees what others did."""


@st.fragment
def board(run_id: int) -> None:
    """The head and a card for each item, as they are now, after each click and when somebody else did something.

    A database that does not answer costs this, not the page.
    """
    with panel(""):
        intent = acts.taken(run_id)
        if intent is not None and acts.needs_words(intent):
            acts.to_dialog(intent)
        try:
            run, items = book.items(run_id)
        except KeyError:
            st.markdown("○ This run is not there any more: the database is another one.")
            return
        box.watch(run, book.mark_of(run, items), 0 if time_range.is_paused() else EVERY_S)
        head = st.container(key="checklist_head")
        for place, one in enumerate(items):
            with st.container(border=True, key=f"item_{one.item.key}", gap="xsmall"):
                run, items[place] = _card(run, one, intent)
        with head:  # last: what a click changed is in it
            _head(run, items, clock.now())


def _card(run: Run, one: RunItem, intent: acts.Intent | None) -> tuple[Run, RunItem]:
    """One item, after what was clicked in it is done; the run and the item as they are by then."""
    if intent is not None and intent.item == one.item.key:
        acts.do(intent, run, book.as_seen(one, intent.seen))
        run, one = book.item(run.id, one.item.key)
    _item(run, one, clock.now())
    return run, one


def _head(run: Run, items: list[RunItem], now: datetime) -> None:
    late, over = sum(one.overdue(now) for one in items), book.is_over(run, now)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="checklist_progress"):
        st.markdown(f"**{text.esc_md(words.days(run))}**", width="content")
        if run.state is not RunState.OPEN:
            st.markdown(words.badge(RUNS[run.state]), width="content")
        if late and not over:
            st.markdown(f":red-badge[▲ {late} overdue]", width="content")
        _signed(run, now)
    if not over and (lacks := lacking(Action.TICK)):
        st.caption(lacks)
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
            st.button(acts.WITHDRAW, key="withdraw", type="tertiary", disabled=bool(lacking(Action.SIGN_OFF)),
                      on_click=acts.intend, args=(acts.WITHDRAW, run.id, "", 0))  # fmt: skip
    elif run.settled == run.total:
        st.button(acts.SIGN, key="sign_off", type="primary", icon=":material/draw:", disabled=bool(lacking(Action.SIGN_OFF)),
                  on_click=acts.intend, args=(acts.SIGN, run.id, "", 0))  # fmt: skip


def _item(run: Run, one: RunItem, now: datetime) -> None:
    evidence = _evidence(run, one)
    collect(one.item.title, book.asked(run, one))
    with st.container(horizontal=True, vertical_alignment="top", gap="small", key=f"check_line_{one.item.key}"):
        box.box(run, one, now)
        if not (book.is_over(run, now) or run.signed_by or lacking(Action.TICK)):
            _menu(run, one)
    _evidence_line(run, one, evidence, now)
    if one.notes:
        st.caption("  \n".join(words.done_line(note, run.zone, now) for note in one.notes))
    _why(run, one, evidence)


def _menu(run: Run, one: RunItem) -> None:
    key = f"more_{run.id}_{one.item.key}"
    st.menu_button(
        f"More for {text.esc_md(one.item.title)}", acts.choices(one), key=key, icon=":material/more_horiz:",
        type="tertiary", on_click=acts.from_menu, args=(key, run.id, one.item.key, one.seen),
    )  # fmt: skip


def _evidence(run: Run, one: RunItem) -> Evidence | None:
    """What was seen when it was done; until then, or where nothing was kept with it, what is seen now; None where nothing is (yet)."""
    return book.kept(one) or book.evidence_of(run, one)


def _evidence_line(run: Run, one: RunItem, evidence: Evidence | None, now: datetime) -> None:
    if not one.item.evidence:
        return
    line = _seen(run, one, evidence, now)
    before = words.previous_line(one, run.zone, now)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"seen_{one.item.key}"):
        st.markdown(f"{line} :gray[· {before}]" if before else line, width="content")
        if evidence is not None and evidence.link:
            _link(evidence.link, one.item.key)


def _seen(run: Run, one: RunItem, evidence: Evidence | None, now: datetime) -> str:
    """The evidence as a line of markdown; of an item that was done without any, what is seen now is said to be that."""
    undone = one.state in (ItemState.OPEN, ItemState.MISSED)
    if evidence is None:
        return ":gray[○ looking …]" if undone and not book.is_over(run, now) else ":gray[○ nothing was collected]"
    then = "" if undone or book.kept(one) is not None else ":gray[○ nothing was collected then · now:] "
    return then + words.evidence_line(evidence)


def _link(address: str, item: str) -> None:
    """Leads to the page that shows more, over the range that the evidence is about."""
    path, _, query = address.partition("?")
    asked, key = dict(parse_qsl(query)), f"link_{item}"
    if path == "checklists":  # a link to its own page would change nothing: what stands there is the person's choice
        view = asked.get(book.VIEW, book.CALENDAR)
        st.button(view, key=key, type="tertiary", icon=":material/calendar_month:", on_click=book.show, args=(view,))
    elif path in {one.url_path for one in PAGES}:
        link_over(path, entry(path).title, asked, key=key)


def _why(run: Run, one: RunItem, evidence: Evidence | None) -> None:
    detail = evidence.detail if evidence is not None else ""
    if not (one.item.why or one.item.how or detail):
        return
    shown = st.expander("Why and how", key=f"why_{run.id}_{one.item.key}", type="compact", on_change="rerun")
    if not shown.open:
        return  # most never are: a card costs less without
    with shown:
        for part in (one.item.why, one.item.how):
            if part:
                st.text(text.visible(part))
        if detail:
            st.code(text.visible(detail), language=None, wrap_lines=True)
