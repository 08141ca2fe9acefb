"""kill -9 while ticking: every tick is whole, with its line in the audit and in the counts, or it is not there at all."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import URL, func, select

from lib.checklists import questions
from lib.checklists.model import ItemState
from lib.checklists.tables import EventRow, RunRow
from lib.state.audit import AuditRow
from lib.state.migrate import open_state

CHILD = Path(__file__).with_name("tick_child.py")


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.faults)])
@pytest.mark.timeout(600)
def test_no_tick_is_half_kept(state_url: URL, kills: int) -> None:
    dice, told = random.Random(7), 0
    for _ in range(kills):
        told += killed(state_url, dice)

    state = open_state(state_url)
    with state.reading() as session:
        events = session.scalar(select(func.count(EventRow.id)))
        audited = session.scalar(select(func.count(AuditRow.id)).where(AuditRow.action == "checklist.tick"))
        ids = list(session.scalars(select(RunRow.id)))
    for run_id in ids:
        run, items = questions.items(state, run_id, datetime.now(UTC))
        assert run.done == sum(one.state is ItemState.DONE for one in items)
    state.close()
    assert events == audited
    assert told <= (events or 0) <= told + kills, (
        "what was told is kept; at most one more a kill was committed but not told"
    )
    assert told >= kills, "one was killed before its first tick"


def killed(url: URL, dice: random.Random) -> int:
    """How many ticks it told of before it was killed."""
    address = url.render_as_string(hide_password=False)
    with subprocess.Popen([sys.executable, str(CHILD), address], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        assert child.stdout.readline(), "it ticks"
        time.sleep(dice.uniform(0, 0.4))
        child.kill()
        return 1 + len(child.stdout.read().splitlines())
