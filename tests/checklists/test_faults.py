"""F22 for ticks: a database that is full, locked or away is told plainly, nothing is half-saved, and it works again as it is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from lib.checklists import deeds, questions
from lib.checklists.model import ItemState
from lib.errors import SourceUnavailable
from lib.state import database
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from tests.checklists.world import NOW, SEEN, act, item, opened


def tick(state: State, note: str = "") -> None:
    run = opened(state)
    act(state, deeds.tick(run, item(state, run), SEEN, note, clock=lambda: NOW))


def untouched(state: State) -> bool:
    run = opened(state)
    return item(state, run).state is ItemState.OPEN and run.done == 0 and questions.journal(state, run.id) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.fail("a small file system cannot be mounted")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.live
def test_a_full_disk_is_told_and_the_tick_is_kept_when_there_is_room_again(small_disk: Path) -> None:
    state = open_state(sqlite_url(small_disk / "state.sqlite"))
    opened(state)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)

    with pytest.raises(SourceUnavailable, match="full"):
        for _ in range(200):  # what is free in its own files is used first
            tick(state, "x" * 2000)
            opened(state)
            run = opened(state)
            act(state, deeds.undo(run, item(state, run), clock=lambda: NOW))
    before = questions.journal(state, opened(state).id)
    ballast.unlink()

    run = opened(state)
    if item(state, run).state is ItemState.OPEN:
        tick(state)
    else:
        act(state, deeds.undo(run, item(state, run), clock=lambda: NOW))

    assert len(questions.journal(state, run.id)) == len(before) + 1
    state.close()


def test_a_lock_that_stays_is_told_and_then_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT_S", 1)
    url = sqlite_url(tmp_path / "state.sqlite")
    state, other = open_state(url), open_state(url)
    opened(state)

    with other.connected() as connection:
        connection.execute(text("SELECT 1"))
        with pytest.raises(SourceUnavailable, match="another process has kept it locked"):
            tick(state)

    assert untouched(state)
    tick(state)
    assert not untouched(state)
    state.close()
    other.close()


def test_a_database_that_may_not_be_written_is_told_and_then_it_works(tmp_path: Path) -> None:
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    opened(state)
    with state.reading() as session:
        session.execute(text("PRAGMA query_only = ON"))

    with pytest.raises(SourceUnavailable, match="readonly"):
        tick(state)

    assert untouched(state)
    tick(state)
    assert opened(state).done == 1
    state.close()
