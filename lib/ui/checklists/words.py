"""Runs, items and evidence in words, shapes and colours, as every part of the page shows them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from lib.checklists.model import Event, Evidence, ItemState, Kind, Period, Run, RunItem, RunState, Verdict
from lib.ui import text
from lib.ui.severity import LOOKS, Look, Status

VERDICTS: dict[Verdict, tuple[Look, str]] = {
    Verdict.OK: (LOOKS[Status.OK], "OK"),
    Verdict.LOOK: (LOOKS[Status.WARNING], "Look at it"),
    Verdict.BAD: (LOOKS[Status.CRITICAL], "Bad"),
    Verdict.NO_DATA: (LOOKS[Status.NO_DATA], "No data"),
}
RUNS: dict[RunState, tuple[Look, str]] = {
    RunState.DONE: (LOOKS[Status.OK], "Done"),
    RunState.PARTIAL: (LOOKS[Status.WARNING], "Partly done"),
    RunState.MISSED: (LOOKS[Status.CRITICAL], "Missed"),
    RunState.OPEN: (LOOKS[Status.INFO], "Open"),
}
ITEMS: dict[ItemState, tuple[Look, str]] = {
    ItemState.DONE: (LOOKS[Status.OK], "Done"),
    ItemState.SKIPPED: (LOOKS[Status.MAINTENANCE], "Skipped"),
    ItemState.MISSED: (LOOKS[Status.CRITICAL], "Missed"),
    ItemState.OPEN: (LOOKS[Status.NO_DATA], "Open"),
}
PERIODS = {Period.DAY: "Daily", Period.WEEK: "Weekly", Period.MONTH: "Monthly"}
_DONE = {
    Kind.TICK: "ticked", Kind.SKIP: "skipped", Kind.UNDO: "taken back", Kind.NOTE: "noted", Kind.ASSIGN: "assigned",
    Kind.SIGN: "signed off", Kind.UNSIGN: "sign-off withdrawn",
}  # fmt: skip


def standing(run: Run) -> RunState:
    """Where the run is, as the calendar shows it: one that goes on with nothing left to do is done."""
    return RunState.DONE if run.state is RunState.OPEN and run.settled == run.total else run.state


def badge(look: tuple[Look, str]) -> str:
    """Shape and word on its colour, as markdown."""
    shape, word = look
    return f":{shape.badge}-badge[{shape.glyph} {word}]"


def plain(look: tuple[Look, str]) -> str:
    """Shape and word, for a table or a file."""
    shape, word = look
    return f"{shape.glyph} {word}"


def when(moment: datetime, zone: str, now: datetime) -> str:
    """On the run's clock: "09:14", "yesterday 09:14", "28 Mar 09:14", "28 Mar 2025"."""
    local, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    if local.date() == today:
        return f"{local:%H:%M}"
    if local.date() == today - timedelta(days=1):
        return f"yesterday {local:%H:%M}"
    return f"{local:%d %b %H:%M}" if local.year == today.year else f"{local:%d %b %Y}"


def days(run: Run) -> str:
    """Which day, week or month: "Mon 2 Mar 2026", "Week 10, 2 Mar – 8 Mar 2026", "March 2026"."""
    first, last = run.first_day, run.last_day
    if run.period is Period.DAY:
        return f"{first:%a} {first.day} {first:%b %Y}"
    if run.period is Period.WEEK:
        return f"Week {first.isocalendar().week}, {first.day} {first:%b} – {last.day} {last:%b %Y}"
    return f"{first:%B %Y}"


def why(seen: Evidence) -> str:
    """Why it is not ok, without the value where it begins with that; "" where it is."""
    if seen.verdict is Verdict.OK:
        return ""
    return seen.reason.removeprefix(seen.value).lstrip(" ,;:") if seen.value != text.NONE else seen.reason


def evidence_line(seen: Evidence) -> str:
    """The verdict, the value and what is normal, as one line of markdown."""
    parts = [f"**{text.esc_md(seen.value)}**"] if seen.value not in ("", text.NONE) else []
    parts += [text.esc_md(reason)] if (reason := why(seen)) else []
    parts += [f":gray[normal: {text.esc_md(seen.normal)}]"] if seen.normal else []
    return f"{badge(VERDICTS[seen.verdict])} {' · '.join(parts)}"


def previous_line(item: RunItem, zone: str, now: datetime) -> str:
    """What was seen the last time, as markdown; "" where nothing was."""
    if item.previous is None:
        return ""
    seen = item.previous.evidence
    shape, _ = VERDICTS[seen.verdict]
    value = text.esc_md(seen.value) if seen.value else "no data"
    return f"before: {shape.glyph} {value} ({when(item.previous.at, zone, now)})"


def done_line(event: Event, zone: str, now: datetime, shown: Callable[[object], str] = text.esc_md) -> str:
    """Who did what when, and what they said to it: as markdown, or as `shown` makes foreign text fit."""
    words = f"{shown(event.who)} {_DONE[event.kind]}" if event.kind in (Kind.TICK, Kind.SKIP) else ""
    words = words or f"{_DONE[event.kind]} by {shown(event.who)}"
    told = f"{words} {when(event.at, zone, now)}"
    return told + (f": “{shown(event.words)}”" if event.words else "")


def did(event: Event, title: str) -> str:
    """What was done to what, after the name of who did it, as plain text: "took back Check the queues"."""
    given = f" to {event.words}" if event.words else " to nobody"
    return (
        {
            Kind.TICK: f"ticked {title}", Kind.SKIP: f"skipped {title}", Kind.UNDO: f"took back {title}",
            Kind.NOTE: f"noted to {title}", Kind.ASSIGN: f"gave {title}{given}", Kind.SIGN: "signed off",
            Kind.UNSIGN: "withdrew the sign-off",
        }[event.kind]
        + (f": {event.words}" if event.words and event.kind is not Kind.ASSIGN else "")
    )  # fmt: skip
