"""F1: kill -9 while reading into the real store: every line once."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from lib.logs.duckdb import DuckLogs

READER = textwrap.dedent(
    """
    import sys, threading
    from pathlib import Path
    from lib.collect.tail import Tail
    from lib.logs.duckdb import DuckLogs
    logs = DuckLogs(Path(sys.argv[1]))
    print("ready", flush=True)
    Tail([sys.argv[2]], logs, budget=64 * 1024).run(threading.Event())
    """
)
WRITER = textwrap.dedent(
    """
    import os, sys, time
    folder, count = sys.argv[1], int(sys.argv[2])
    for i in range(count):
        if i % 1500 == 1499:
            os.rename(folder + "/combined.log", f"{folder}/combined.log.{i}")
        with open(folder + "/combined.log", "ab") as file:
            file.write(b'{"timestamp": "2024-11-01T11:00:00Z", "level": "INFO", "message": "seq", "seq": %d}\\n' % i)
        if i % 20 == 0:
            time.sleep(0.01)
    """
)


@pytest.mark.parametrize(
    "kills", [pytest.param(4, marks=pytest.mark.live), pytest.param(100, marks=pytest.mark.faults)]
)
@pytest.mark.timeout(900)
def test_no_line_is_lost_or_doubled_by_kills_while_files_are_renamed(tmp_path: Path, kills: int):
    dice, written = random.Random(7), 4000 + 1000 * kills
    folder, database = tmp_path / "logs", tmp_path / "logs.duckdb"
    folder.mkdir()
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(written)])

    for _ in range(kills):
        reader = start(database, folder)
        time.sleep(dice.uniform(0.1, 0.9))  # at any moment of its work: there is no condition to wait for
        os.kill(reader.pid, signal.SIGKILL)
        reader.communicate()
    assert writer.wait(600) == 0
    found = read_the_rest(database, folder, written)

    assert len(found) == len(set(found)) == written


def start(database: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", READER, str(database), f"{folder}/combined*"]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    return reader


def read_the_rest(database: Path, folder: Path, written: int) -> list[str]:
    from lib.collect.tail import Tail

    logs = DuckLogs(database)
    tail = Tail([f"{folder}/combined*"], logs)
    while tail.poll().bytes_read:
        pass
    tail.close()
    found = [row[0] for row in logs._db.rows("SELECT fields FROM records WHERE message = 'seq'")]
    logs.close()
    assert len(found) >= min(written, 1)
    return found
