"""Ticks on a disk that fails, as a process of its own: prints what it saw as one JSON object."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from lib.checklists import deeds, questions
from lib.errors import OpsError
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from tests.checklists.world import NOW, SEEN, act, item, opened

FAILS = {
    "sync": ("fsync,fdatasync", "EIO"),
    "write": ("pwrite64,write", "EIO"),
    "read-only": ("pwrite64", "EROFS"),
    "full": ("pwrite64", "ENOSPC"),
}


@contextmanager
def failing(way: str, trace: Path) -> Iterator[None]:
    """Inside the block these calls of this process fail."""
    calls, error = FAILS[way]
    only = ["-P", str(trace.with_name("state.sqlite")), "-P", str(trace.with_name("state.sqlite-wal"))]
    inject = ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"]
    command = ["strace", "-f", "-o", str(trace), *only, *inject, "-p", str(os.getpid())]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert strace.stderr is not None
    while "attached" not in (said := strace.stderr.readline()):
        assert said, "strace ended"
    try:
        yield
    finally:
        strace.terminate()
        strace.wait()


def tick(state: State) -> str:
    """ "" where it was kept, else what was told."""
    run = opened(state)
    try:
        act(state, deeds.tick(run, item(state, run), SEEN, clock=lambda: NOW))
    except OpsError as error:
        return str(error)
    return ""


def main(way: str, folder: Path) -> dict[str, object]:
    state, trace = open_state(sqlite_url(folder / "state.sqlite")), folder / "trace"
    run = opened(state)
    with failing(way, trace):
        told = [tick(state), tick(state)]
        readable = len(questions.items(state, run.id, NOW)[1])
    meanwhile = len(questions.journal(state, run.id)), opened(state).done
    after = tick(state)
    return {
        "told": told, "readable": readable, "meanwhile": meanwhile, "after": after,
        "injected": trace.read_text().count("(INJECTED)"),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
