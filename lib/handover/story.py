"""Everything that happened in a shift, in one order: what broke and mended, what was deployed, alerts, checklists, notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd
from sqlalchemy import or_, select

from lib.alerts.model import AlertState
from lib.alerts.tables import AlertRow
from lib.errors import SourceError, SourceUnavailable
from lib.handover.checks import done, missed, overdue
from lib.handover.notes import notes
from lib.personal import hide_text
from lib.signals import errors, health, system
from lib.state.answer import SERVICE
from lib.state.database import State
from lib.stores import Stores
from lib.window import Window

ALERT, ERROR, HEALTH, DEPLOY, CHECKLIST, NOTE = "alert", "error", "health", "deploy", "checklist", "note"
KINDS = {
    ALERT: "Alerts", ERROR: "New error patterns", HEALTH: "Health", DEPLOY: "Deploys and restarts",
    CHECKLIST: "Checklists", NOTE: "Notes",
}  # fmt: skip
"""The parts of a hand-over, in the order in which they are read."""

COLUMNS = ["at", "kind", "what", "who", "page"]
MOST = 1000
QUIET = timedelta(minutes=10)
"""A log that says nothing for so long is not known to have nothing to say."""

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Story:
    """`events` as COLUMNS: `at` (UTC), `kind` of KINDS, `what` and `who` (foreign text), `page`; oldest first. `silent` are
    the sources that could not be asked, each with the reason, and `unknown` the kinds of which something is missing by that."""

    window: Window
    events: pd.DataFrame
    silent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def story(stores: Stores, state: State | None, window: Window) -> Story:
    """What happened in the window. A source that does not answer is named and costs only its part."""
    rows: Rows = []
    silent: list[str] = []
    unknown: list[str] = []
    for kind, ask in _asks(stores, state, window):
        try:
            rows += ask()
        except SourceError as error:
            silent.append(f"{error.source}: {error}")
            unknown.append(kind)
    if state is None:
        silent.insert(0, "state: this process has no state database, so alerts, checklists and notes are missing")
        unknown += [ALERT, CHECKLIST, NOTE]
    events = pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[1:], "str"))
    events["at"] = pd.DatetimeIndex(pd.to_datetime(events["at"], utc=True)).as_unit("ns")
    ordered = events.sort_values("at", kind="stable", ignore_index=True)
    return Story(window, ordered, tuple(dict.fromkeys(silent)), tuple(kind for kind in KINDS if kind in unknown))


def _asks(stores: Stores, state: State | None, window: Window) -> list[tuple[str, Callable[[], Rows]]]:
    asks: list[tuple[str, Callable[[], Rows]]] = [
        (ERROR, lambda: _new_patterns(stores, window)), (DEPLOY, lambda: _deploys(stores, window)),
        (HEALTH, lambda: _health(stores, window)),
    ]  # fmt: skip
    if state is not None:
        asks += [(ALERT, lambda: _alerts(state, window)), (CHECKLIST, lambda: _checks(state, window)),
                 (NOTE, lambda: _notes(state, window))]  # fmt: skip
    return asks


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _new_patterns(stores: Stores, window: Window) -> Rows:
    oldest, newest = stores.logs.oldest(), stores.logs.newest()
    if oldest is None or newest is None or (newest < window.start and window.end - newest > QUIET):
        raise SourceUnavailable("the log has no record from this time: nobody knows whether there were errors", "logs")
    if oldest > window.start:
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


def _checks(state: State, window: Window) -> Rows:
    told = [*done(state, window), *missed(state, window), *overdue(state, window)]
    return [(at, CHECKLIST, what, who, "checklists") for at, what, who in told]


def _notes(state: State, window: Window) -> Rows:
    return [(row["at"], NOTE, row["words"], row["who"], "handover") for row in _rows(notes(state, window))]
