"""The people of the demo: they worked through the checklists of the past days, by the product's own deeds and in its audit."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lib.checklists import deeds, questions, runs, versions
from lib.checklists.model import ItemState, Run, RunItem
from lib.checklists.versions import History
from lib.identity.roles import Actor, Role, Via
from lib.state import audit
from lib.state.audit import Deed
from lib.state.database import SQLITE_FILE, State, sqlite_url
from lib.state.migrate import open_state
from lib.window import DAY

ZONE = "UTC"
"""As the demo's dashboard has it, which is started without settings of the person's own."""

PEOPLE = tuple(Actor(f"{name} (demo)", Role.OPERATOR, Via.COMMAND) for name in ("Ada", "Bo"))
FOUND = {
    (0, "error-patterns"): "Apollo was away yesterday: their outage, nothing of ours. They were told.",
    (1, "performance"): "Went up with the deploy and came down again.",
    (2, "performance"): "A slow database yesterday morning; there is a ticket.",
}
"""What they wrote down, by how many days ago and of which item: in the run after it happened."""

SKIPPED = {(5, "backup"): "The storage is being moved today; looked at by hand tomorrow."}
MISSED = {(4, "queues")}
LEFT = (0, "performance")
"""One of today is left for whoever tries the demo: it is overdue from 10:00 on, as it would be."""


def work(state: State, until: datetime, days: int) -> None:
    """Does what was due in the last `days` days and today until now, day by day. Raises SourceError.

    The ticks hold no evidence: nothing was collected at those moments, and none is made up.
    """
    history = versions.history(state, versions.Folder().checklists())
    midnight = until.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for ago in range(days, -1, -1):
        morning = midnight - ago * DAY
        runs.keep(state, history, ZONE, morning)
        _day(state, history, ago, min(morning + DAY - timedelta(seconds=1), until))


def _day(state: State, history: History, ago: int, evening: datetime) -> None:
    for name in history.current():
        run = questions.newest(state, name, evening)
        if run is None or run.signed_by:
            continue
        items = questions.items(state, run.id, evening)[1]
        due = [one for one in items if one.state is ItemState.OPEN and one.due_at <= evening]
        for place, one in enumerate(due):
            _item(state, run, one, ago, one.due_at - timedelta(minutes=55 - 7 * place))
        _sign(state, run, evening)


def _item(state: State, run: Run, one: RunItem, ago: int, at: datetime) -> None:
    """Ticks an item, skips it or leaves it, as the story of that day has it."""
    which = (ago, one.item.key)
    if which in SKIPPED:
        _act(state, ago, deeds.skip(run, one, SKIPPED[which], clock=lambda: at))
    elif which not in MISSED and which != LEFT:
        _act(state, ago, deeds.tick(run, one, None, FOUND.get(which, ""), clock=lambda: at))


def _sign(state: State, run: Run, evening: datetime) -> None:
    """Signs it off where nothing is left to do, a little after the last of it."""
    now, items = questions.items(state, run.id, evening)
    if now.settled == now.total:
        last = max(one.last.at for one in items if one.last is not None)
        _act(state, now.first_day.day, deeds.sign_off(now, clock=lambda: last + timedelta(minutes=4)))


def _act(state: State, shift: int, deed: Deed) -> None:
    audit.act(state, PEOPLE[shift % len(PEOPLE)], deed)


def main(arguments: list[str]) -> int:
    """Writes it into the state of the data folder, which is made if missing. Exit code 0."""
    parser = argparse.ArgumentParser(prog="python -m lib.demo_people", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data folder of the demo's dashboard")
    parser.add_argument("--days", type=float, default=7, help="how far back (default 7)")
    parser.add_argument("--until", type=float, required=True, help="now, seconds since the epoch")
    given = parser.parse_args(arguments)
    given.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = open_state(sqlite_url(given.data / SQLITE_FILE))
    try:
        work(state, datetime.fromtimestamp(given.until, UTC), int(given.days))
    finally:
        state.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
