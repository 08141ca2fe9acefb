"""F22 for the state store, by ticks: no sync, no write, no space, read-only, and locked for ten seconds by another process."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from lib.checklists import deeds, questions
from lib.checklists.tables import EventRow
from lib.state.audit import AuditRow
from lib.state.database import PERHAPS, State, sqlite_url
from lib.state.migrate import open_state
from tests.checklists.world import NOW, SEEN, act, item, opened

CHILD = Path(__file__).with_name("tick_disk_child.py")
pytestmark = pytest.mark.live


def rows(state: State) -> tuple[int, int, int]:
    """Events, lines of the audit, and the count of the run: one tick is one of each."""
    with state.reading() as session:
        events = session.scalar(select(func.count(EventRow.id)))
        audited = session.scalar(select(func.count(AuditRow.id)).where(AuditRow.action == "checklist.tick"))
    return events or 0, audited or 0, opened(state).done


def outcome(way: str, folder: Path) -> dict[str, Any]:
    """What the child saw."""
    command = [sys.executable, str(CHILD), way, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    saw: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert saw["injected"] >= 2
    assert saw["readable"] == 2  # pages go on reading
    return saw


@pytest.mark.parametrize(
    ("way", "words"), [("write", "disk I/O error"), ("read-only", "disk I/O error"), ("full", "full")]
)
def test_a_disk_that_takes_nothing_is_told_nothing_is_kept_and_it_works_again_as_it_is(
    tmp_path: Path, way: str, words: str
) -> None:
    saw = outcome(way, tmp_path)

    assert all(words in told and PERHAPS not in told for told in saw["told"]), saw["told"]
    assert (saw["meanwhile"], saw["after"]) == ([0, 0], "")
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    assert rows(state) == (1, 1, 1)
    state.close()


def test_a_tick_that_was_written_but_not_synced_is_told_as_doubtful_and_is_whole_or_not_there(tmp_path: Path) -> None:
    saw = outcome("sync", tmp_path)

    first, second = saw["told"]
    assert "disk I/O error" in first and PERHAPS in first
    assert "ticked it at" in second or PERHAPS in second  # a retry does nothing twice
    assert saw["meanwhile"] in ([0, 0], [1, 1])
    assert saw["after"] == "" or "ticked it at" in saw["after"]
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    assert rows(state) == (1, 1, 1)
    state.close()


HOLDER = textwrap.dedent(
    """
    import sqlite3, sys, time
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
    connection.execute("ROLLBACK")
    """
)


@pytest.mark.parametrize("held_s", [2.0, pytest.param(10.0, marks=pytest.mark.faults)])
def test_a_tick_waits_for_another_process_that_holds_the_database_and_is_kept_once(
    tmp_path: Path, held_s: float
) -> None:
    file = tmp_path / "state.sqlite"
    state = open_state(sqlite_url(file))
    run = opened(state)
    seen = item(state, run)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file), str(held_s)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        began = time.monotonic()
        assert questions.items(state, run.id, NOW)[0].done == 0
        read_s = time.monotonic() - began

        act(state, deeds.tick(run, seen, SEEN, clock=lambda: NOW))
        waited_s = time.monotonic() - began

    assert read_s < 1  # who only looks does not wait
    assert held_s * 0.8 < waited_s < held_s + 15
    assert rows(state) == (1, 1, 1)
    state.close()
