"""F1: kill -9 while reading into the real store: every line once."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

from lib.collect.tail import Tail
from lib.logs.duckdb import DuckLogs

READERS = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from lib.collect.tail import Tail
    from lib.logs.duckdb import DuckLogs

    class Told(DuckLogs):
        def write(self, *what):
            os.write(1, b"W")
            super().write(*what)
            os.write(1, b"w")

    def read():
        logs = Told(Path(sys.argv[1]))
        os.write(1, b"ready %d\\n" % os.getpid())
        tail = Tail([sys.argv[2]], logs, budget=64 * 1024)
        while True:
            os.write(1, b"P")
            tail.poll()
            os.write(1, b"p")

    while sys.stdin.readline():
        reader = os.fork()
        if not reader:
            read()
        os.write(1, b"\\nended %d\\n" % os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1]))
    """
)
"""Starts a reader for each line that it is given, and says how that one ended; to import all anew would take longest."""
WRITER = textwrap.dedent(
    """
    import os, sys, time
    folder, i = sys.argv[1], 0
    while not os.path.exists(folder + "/stop"):
        if i % 10_000 == 9_999:
            os.rename(folder + "/combined.log", f"{folder}/combined.log.{i}")
        with open(folder + "/combined.log", "ab") as file:
            file.write(b'{"timestamp": "2024-11-01T11:00:00Z", "level": "INFO", "message": "seq", "seq": %d}\\n' % i)
        if i % 20 == 0:
            time.sleep(0.04)
        i += 1
    print(i)
    """
)
"""Goes on for as long as there are kills, however slow the machine is; says how many lines it wrote."""


@pytest.mark.parametrize(
    "kills", [pytest.param(10, marks=pytest.mark.live), pytest.param(1000, marks=pytest.mark.faults)]
)
@pytest.mark.timeout(7200)
def test_no_line_is_lost_or_doubled_by_kills_while_files_are_renamed(tmp_path: Path, kills: int):
    dice = random.Random(7)
    folder, database = tmp_path / "logs", tmp_path / "logs.duckdb"
    folder.mkdir()
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
    readers = start_readers(database, folder)
    killed_in = Counter[str]()

    for number in range(kills):
        reader = next_reader(readers)
        if number % 2:
            told = told_until_it_writes(readers, dice.randint(1, 9))
        else:
            told = ""
            time.sleep(dice.uniform(0.1, 0.9))  # at any moment of its work
        os.kill(reader, signal.SIGKILL)
        rest, ended = lines(readers)
        assert ended == f"ended {-signal.SIGKILL}\n"
        killed_in[(told + rest).strip()[-1:]] += 1
    readers.communicate(timeout=60)
    (folder / "stop").touch()
    written = int(writer.communicate(timeout=60)[0])
    assert writer.returncode == 0
    found = read_the_rest(database, folder)

    print(f"{sum(killed_in.values())} kills, by what was being done: {dict(killed_in)}; {written} lines")
    assert len(found) == len(set(found)) == written
    assert killed_in["W"] >= kills / 10, f"too few kills hit a transaction to prove anything: {killed_in}"


def start_readers(database: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", READERS, str(database), f"{folder}/combined*"]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )


def next_reader(readers: subprocess.Popen[str]) -> int:
    """The process id of a fresh reader that has opened the store."""
    assert readers.stdin is not None and readers.stdout is not None
    readers.stdin.write("go\n")
    readers.stdin.flush()
    ready, number = readers.stdout.readline().split()
    assert ready == "ready"
    return int(number)


def told_until_it_writes(readers: subprocess.Popen[str], times: int) -> str:
    """What a reader tells up to its so-manieth transaction, in which it now is."""
    assert readers.stdout is not None
    told = ""
    while told.count("W") < times:
        told += readers.stdout.read(1)
    return told


def lines(readers: subprocess.Popen[str]) -> tuple[str, str]:
    """What the killed reader told besides, and how it ended."""
    assert readers.stdout is not None
    return readers.stdout.readline(), readers.stdout.readline()


def read_the_rest(database: Path, folder: Path) -> list[str]:
    logs = DuckLogs(database)
    tail = Tail([f"{folder}/combined*"], logs)
    while tail.poll().bytes_read:
        pass
    tail.close()
    found = [row[0] for row in logs._db.rows("SELECT fields FROM records WHERE message = 'seq'")]
    logs.close()
    return found
