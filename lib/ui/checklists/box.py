"""The line of an item with its box: ticked by a request of its own, which takes less than drawing a page would."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import streamlit as st

from lib.checklists.model import ItemState, Run, RunItem
from lib.identity.roles import Action
from lib.ui import text
from lib.ui.checklists import acts, book, words
from lib.ui.identity import lacking

HERE = Path(__file__).parent
ADDRESS = "/api/checklists"

_BOX = st.components.v2.component(
    "checklist_box",
    html="""<div class="check-row"><label><input type="checkbox"><span class="check-title"></span></label>
      <span class="check-badge"></span><span class="check-told"></span><span class="check-failed" role="alert"></span></div>""",
    css=(HERE / "box.css").read_text(encoding="utf-8"),
    js=(HERE / "box.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)
_WATCH = st.components.v2.component(
    "checklist_watch", js=(HERE / "watch.js").read_text(encoding="utf-8"), isolate_styles=False
)


def box(run: Run, one: RunItem, now: datetime) -> None:
    """The box, the title, when it is due and who did it. After a click the fragment that it is in is drawn anew."""
    what = acts.UNDO if one.state is ItemState.DONE else acts.TICK
    shown = row(run, one, now)
    shown["open"] = shown["open"] and not lacking(Action.TICK)
    _BOX(
        data={"row": shown, "address": f"{ADDRESS}/{run.id}/{one.item.key}"},
        key=f"tick_{run.id}_{one.item.key}",
        on_changed_change=_drawn_anew,
        on_asked_change=lambda: acts.intend(what, run.id, one.item.key, one.seen),
    )


def _drawn_anew() -> None:
    """All that is to be done after a click that was kept or refused; being called back at all draws the fragment."""


def watch(run: Run, mark: str, every_s: float) -> None:
    """Asks every so often (0: never) whether the run still is what `mark` says; the fragment is drawn anew once it is not."""
    with st.container(key="checklist_watch"):
        _WATCH(
            data={"mark": mark, "address": f"{ADDRESS}/{run.id}", "every_ms": int(1000 * every_s)},
            key=f"watch_{run.id}",
            on_changed_change=_drawn_anew,
        )


def row(run: Run, one: RunItem, now: datetime) -> dict[str, Any]:
    """The line as plain values, for the page and as the answer to a click: `seen` (what the person has seen of it), `done`,
    `open` (whether it can be clicked), `title`, `badge` and its `colour`, `told` (who did what when, and who has it)."""
    badge, colour = _badge(run, one, now)
    done = [words.done_line(one.last, run.zone, now, text.visible)] if one.last is not None else []
    has = [f"for {text.visible(one.assignee)}"] if one.assignee else []
    still = book.is_over(run, now) or bool(run.signed_by)
    return {
        "seen": one.seen, "done": one.state is ItemState.DONE, "open": not still and one.state is not ItemState.SKIPPED,
        "title": text.visible(one.item.title), "badge": badge, "colour": colour, "told": " · ".join([*done, *has]),
    }  # fmt: skip


def _badge(run: Run, one: RunItem, now: datetime) -> tuple[str, str]:
    if one.state is ItemState.DONE:
        return "", ""
    if one.state is ItemState.OPEN:
        due = words.when(one.due_at, run.zone, now)
        return (f"▲ Overdue since {due}", "red") if one.overdue(now) else (f"due {due}", "gray")
    return words.plain(words.ITEMS[one.state]), words.ITEMS[one.state][0].badge
