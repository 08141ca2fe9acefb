"""Ticks and takes back for ever, until it is killed: prints a line after each commit."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from lib.checklists import deeds, questions, runs, versions
from lib.identity.roles import Actor, Role, Via
from lib.state import audit
from lib.state.migrate import open_state

WHO = Actor("anna", Role.OPERATOR, Via.NAME)


def main(url: str) -> None:
    state, now = open_state(url), datetime.now(UTC)
    runs.keep(state, versions.history(state, versions.Folder().checklists()), "UTC", now)
    found = questions.newest(state, "monthly", now)
    assert found is not None
    print("ready", flush=True)
    while True:
        run, items = questions.items(state, found.id, now)
        for item in items:
            audit.act(
                state, WHO, deeds.undo(run, item) if item.last and item.state == "done" else deeds.tick(run, item, None)
            )
            print(item.item.key, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
