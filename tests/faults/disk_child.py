"""A worker on a disk that fails, as a process of its own: prints what it saw as one JSON object."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[2]))

from lib.errors import SourceError
from lib.logs.base import LogQuery
from lib.logs.duckdb import DuckLogs
from lib.settings import Settings
from lib.status import TaskStatus
from lib.window import Window
from lib.wiring import open_stores
from lib.worker import Worker
from tests.collect.log_files import line_of

NOW = datetime.now(UTC)
WINDOW = Window(NOW - timedelta(hours=1), NOW + timedelta(hours=1))


class Service:
    """Writes numbered lines that do not compress."""

    def __init__(self, file: Path) -> None:
        self._file, self._dice, self.written = file, Random(1), 0

    def write(self, count: int) -> None:
        with self._file.open("ab") as file:
            for _ in range(count):
                more = {"timestamp": NOW.isoformat(), "noise": self._dice.randbytes(1000).hex(" ", 3)}
                file.write(line_of(f"line {self.written}", **more))
                self.written += 1


def until(condition: Callable[[], object], within_s: float = 40) -> float:
    """How long it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within_s:
            raise TimeoutError(condition.__name__)
        time.sleep(0.02)
    return time.monotonic() - began


def fail_syncs(trace: Path) -> subprocess.Popen[str]:
    """From now on the third to fifth sync of every thread fails."""
    inject = "inject=fsync,fdatasync:error=EIO:when=3..5"
    command = ["strace", "-f", "-o", str(trace), "-e", "trace=fsync,fdatasync", "-e", inject, "-p", str(os.getpid())]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert strace.stderr is not None
    assert "attached" in strace.stderr.readline()
    return strace


def stored(logs: DuckLogs) -> Counter[str]:
    try:
        return Counter(row[0] for row in logs._db.rows("SELECT message FROM records"))
    except SourceError:
        return Counter()


def tail_of(worker: Worker) -> TaskStatus:
    return next(task for task in worker.status().tasks if task.name == "tail")


def main(way: str, data: Path, logs_folder: Path) -> dict[str, object]:
    if way == "full":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(data)], check=True)
    service = Service(logs_folder / "combined.log")
    stores = open_stores(Settings(data_dir=data))
    worker = Worker(Settings(data_dir=data, log_files=(f"{logs_folder}/combined*.log",)), stores)
    worker.start()
    assert isinstance(stores.logs, DuckLogs)
    trace = data / "trace"
    strace = fail_syncs(trace) if way == "sync" else None

    def failing() -> bool:
        service.write(120)
        time.sleep(0.3)
        return bool(tail_of(worker).error)

    until(failing)
    said, verdict = tail_of(worker).error, worker.status().as_json()["status"]
    failed_writes = worker.status().tail["failed_writes"]
    service.write(10)
    time.sleep(1)
    if way == "full":
        subprocess.run(["mount", "-o", "remount,size=64m", str(data)], check=True)
    whole = Counter(f"line {n}" for n in range(service.written))
    took_s = until(lambda: stored(stores.logs) == whole)
    until(lambda: not tail_of(worker).error)
    summed = int(stores.logs.totals(LogQuery(WINDOW))["records"].sum())
    if strace is not None:
        strace.terminate()
        strace.wait()
    worker.stop()
    stores.close()
    again = DuckLogs(data / "logs.duckdb")
    kept = stored(again) == whole
    again.close()
    return {
        "said": said, "verdict": verdict, "failed_writes": failed_writes, "took_s": took_s, "written": service.written,
        "summed": summed, "kept": kept, "replaced": dict(worker.status().replaced),
        "injected": trace.read_text().count("(INJECTED)") if strace is not None else 0,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
