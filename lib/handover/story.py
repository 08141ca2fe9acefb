"""Everything that happened in a shift, in one order: what broke and mended, what was deployed, alerts, checklists, notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import or_, select

from lib.alerts.model import AlertState
from lib.alerts.tables import AlertRow
from lib.checklists.model import Kind, RunState
from lib.checklists.tables import EventRow, RunRow
from lib.errors import SourceError, SourceUnavailable
from lib.handover.notes import notes
from lib.personal import hide_text
from lib.signals import errors, health, system
from lib.state.answer import SERVICE
from lib.state.database import State
from lib.stores import Stores
from lib.window import Window
from lib.words import NONE

ALERT, ERROR, HEALTH, DEPLOY, CHECKLIST, NOTE = "alert", "error", "health", "deploy", "checklist", "note"
KINDS = {
    ALERT: "Alerts", ERROR: "New error patterns", HEALTH: "Health", DEPLOY: "Deploys and restarts",
    CHECKLIST: "Checklists", NOTE: "Notes",
}  # fmt: skip
"""The parts of a hand-over, in the order in which they are read."""

COLUMNS = ["at", "kind", "what", "who", "page"]
MOST = 1000
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Story:
    """`events` as COLUMNS: `at` (UTC), `kind` of KINDS, `what` and `who` (foreign text), `page`; oldest first. `silent` are
    the parts that could not be asked, each with the reason: what they hold is missing."""

    window: Window
    events: pd.DataFrame
    silent: tuple[str, ...] = ()


def story(stores: Stores, state: State | None, window: Window) -> Story:
    """What happened in the window. A source that does not answer is named and costs only its part."""
    rows: Rows = []
    silent: list[str] = []
    asks: list[Callable[[], Rows]] = [
        lambda: _new_patterns(stores, window), lambda: _deploys(stores, window), lambda: _health(stores, window),
    ]  # fmt: skip
    if state is not None:
        asks += [lambda: _alerts(state, window), lambda: _done(state, window), lambda: _missed(state, window),
                 lambda: _notes(state, window)]  # fmt: skip
    else:
        silent.append("state: this process has no state database, so alerts, checklists and notes are missing")
    for ask in asks:
        try:
            rows += ask()
        except SourceError as error:
            silent.append(f"{error.source}: {error}")
    events = pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[1:], "str"))
    events["at"] = pd.DatetimeIndex(pd.to_datetime(events["at"], utc=True)).as_unit("ns")
    return Story(window, events.sort_values("at", kind="stable", ignore_index=True), tuple(dict.fromkeys(silent)))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _new_patterns(stores: Stores, window: Window) -> Rows:
    oldest = stores.logs.oldest()
    if oldest is not None and oldest > window.start:
        raise SourceUnavailable(
            "the log begins only within this time: which error patterns are new cannot be told", "logs"
        )
    new = _rows(errors.new_error_patterns(stores, window))
    return [(row["first_seen"], ERROR, f"{hide_text(row['pattern'])} ({row['records']})", "", "errors") for row in new]


def _deploys(stores: Stores, window: Window) -> Rows:
    """Versions that began to log; what started besides a deploy is a restart."""
    rows: Rows = []
    for row in _rows(system.version_changes(stores, window)):
        after = f" after {row['before']}" if row["before"] else ""
        rows.append((row["ts"], DEPLOY, f"version {row['version']}{after}", "", "system"))
    for row in _rows(system.restarts(stores, window)):
        rows.append((row["ts"], DEPLOY, f"{row['instance'] or 'A process'} started", "", "system"))
    return rows


def _health(stores: Stores, window: Window) -> Rows:
    """Checks that went down, and those that came up again."""
    rows: Rows = []
    start, end = pd.Timestamp(window.start), pd.Timestamp(window.end)
    outages = _rows(health.outages(stores, window))
    for row in [row for row in outages if not _is_said_by_a_check(row, outages)]:
        name, why = f"{row['check']} on {row['target']}", hide_text(row["reason"])
        if row["since"] >= start:
            rows.append((row["since"], HEALTH, f"{name} down: {why}", "", "health"))
        elif row["ongoing"]:
            rows.append((start, HEALTH, f"{name} still down: {why}", "", "health"))
        if not row["ongoing"] and start <= row["until"] < end:
            rows.append((row["until"], HEALTH, f"{name} up again", "", "health"))
    return rows


def _is_said_by_a_check(row: dict[str, Any], outages: list[dict[str, Any]]) -> bool:
    """Whether the service as a whole was down only because of a check that is listed itself."""
    return row["check"] == SERVICE and any(
        other["check"] != SERVICE and other["target"] == row["target"]
        and other["since"] <= row["until"] and other["until"] >= row["since"] for other in outages
    )  # fmt: skip


def _alerts(state: State, window: Window) -> Rows:
    """Alerts that fired or were resolved; those that fire from before are said at the start."""
    query = select(AlertRow).where(
        AlertRow.fired_at.is_not(None), AlertRow.fired_at < window.end,
        or_(AlertRow.resolved_at.is_(None), AlertRow.resolved_at >= window.start),
    ).order_by(AlertRow.fired_at.desc()).limit(MOST)  # fmt: skip
    rows: Rows = []
    with state.reading("alerts") as session:
        for row in session.scalars(query):
            rows += _alert(row, window)
    return rows


def _alert(row: AlertRow, window: Window) -> Rows:
    summary = row.annotations.get("summary", "")
    name = f"{row.name}, {row.severity}" + (f": {hide_text(summary)}" if summary else "")
    fired, resolved, who = row.fired_at, row.resolved_at, row.acked_by
    rows: Rows = []
    if fired is not None and fired >= window.start:
        rows.append((fired, ALERT, f"fired: {name}", who, "alerts"))
    elif row.state == AlertState.FIRING.value:
        rows.append((window.start, ALERT, f"still firing: {name}", who, "alerts"))
    if resolved is not None and window.start <= resolved < window.end:
        rows.append((resolved, ALERT, f"resolved: {name}", "", "alerts"))
    return rows


_WORDS = {
    Kind.TICK.value: "ticked", Kind.SKIP.value: "skipped", Kind.UNDO.value: "taken back", Kind.NOTE.value: "note on",
    Kind.SIGN.value: "signed off", Kind.UNSIGN.value: "sign-off withdrawn",
}  # fmt: skip


def _done(state: State, window: Window) -> Rows:
    """Ticks, skips and the like."""
    query = (
        select(EventRow, RunRow.title, RunRow.items)
        .join(RunRow, RunRow.id == EventRow.run_id)
        .where(EventRow.at >= window.start, EventRow.at < window.end, EventRow.kind.in_(_WORDS))
        .order_by(EventRow.id.desc())
        .limit(MOST)
    )
    with state.reading("checklists") as session:
        return [
            (row.at, CHECKLIST, _event(row, title, items), row.who, "checklists")
            for row, title, items in session.execute(query)
        ]


def _event(row: EventRow, title: str, items: list[dict[str, Any]]) -> str:
    named = next((str(one.get("title", row.item)) for one in items if one.get("key") == row.item), row.item)
    seen = str((row.evidence or {}).get("value", "")) if row.kind == Kind.TICK.value else ""
    seen = "" if seen == NONE else seen
    what = f"{_WORDS[row.kind]}: {named or title}" + (f" ({seen})" if seen else "")
    return what + (f" – {row.words}" if row.words else "")


def _missed(state: State, window: Window) -> Rows:
    """Runs that ended with something left undone."""
    ended = (RunState.PARTIAL.value, RunState.MISSED.value)
    query = select(RunRow).where(RunRow.ends_at >= window.start, RunRow.ends_at < window.end, RunRow.state.in_(ended))
    with state.reading("checklists") as session:
        return [
            (row.ends_at, CHECKLIST, f"missed: {row.missed} of {row.total} items of {row.title}", "", "checklists")
            for row in session.scalars(query)
        ]


def _notes(state: State, window: Window) -> Rows:
    return [(row["at"], NOTE, row["words"], row["who"], "handover") for row in _rows(notes(state, window))]
