"""A worker under a clock that jumps, as a process of its own: prints what it saw as one JSON object."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from lib.settings import Settings
from lib.window import Window
from lib.wiring import OpenStores, open_stores
from lib.worker import Worker
from tests.collect.log_files import line_of

_NEVER = threading.Event()  # waited for instead of `time.sleep`, which fails under libfaketime 0.9
JUMPS_S = (3600, -3600, 0)
"""Where the clock is put, one after the other, against the true one."""


def until(condition: Callable[[], object], within_s: float = 40) -> None:
    """Waits by the clock that nobody puts."""
    ends = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends, "the condition did not come true"
        _NEVER.wait(0.02)


def put_clock(against_true_s: int) -> float:
    """Puts this process's clock; by how much it was seen to move."""
    before = time.time() - time.monotonic()
    clock = Path(os.environ["FAKETIME_TIMESTAMP_FILE"])
    put = clock.with_suffix(".new")
    put.write_text(f"{against_true_s:+d}", encoding="ascii")
    put.replace(clock)
    until(lambda: abs(time.time() - time.monotonic() - before) > 60)
    return time.time() - time.monotonic() - before


def stand_still(seconds: float) -> float:
    """Suspends this process; how long it was away."""
    before = time.monotonic()
    wake = f"import os, signal, time; time.sleep({seconds}); os.kill({os.getpid()}, signal.SIGCONT)"
    os.spawnve(os.P_NOWAIT, sys.executable, [sys.executable, "-c", wake], {"PATH": os.environ["PATH"]})
    os.kill(os.getpid(), signal.SIGSTOP)
    return time.monotonic() - before


class Service:
    """Writes numbered lines all the while, and renames its file now and then."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.written, self._stop = folder, 0, threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        while not self._stop.wait(0.02):
            with (self._folder / "combined.log").open("ab") as file:
                file.write(line_of(f"line {self.written}", timestamp=datetime.now(UTC).isoformat()))
            self.written += 1
            if self.written % 50 == 0:
                (self._folder / "combined.log").rename(self._folder / f"combined.log.{self.written}")

    def end(self) -> int:
        """How many lines there are."""
        self._stop.set()
        self._thread.join()
        return self.written


def stored(stores: OpenStores) -> Counter[str]:
    return Counter(row[0] for row in stores.stores.logs._db.rows("SELECT message FROM records"))


def main() -> None:
    folder, address = Path(sys.argv[1]), sys.argv[2]
    (folder / "logs").mkdir()
    settings = Settings(data_dir=folder / "data", log_files=(f"{folder}/logs/combined*",), scrape_interval_s=1,
                        scrape_targets=(address,))  # fmt: skip
    stores = open_stores(settings)
    worker, service, jumped = Worker(settings, stores), Service(folder / "logs"), []
    worker.start()

    def goes_on() -> None:
        """More lines are stored, and the target is scraped twice more."""
        lines, attempts = sum(stored(stores).values()), worker.status().scrapes[0].attempts
        until(lambda: sum(stored(stores).values()) >= lines + 50)
        until(lambda: worker.status().scrapes[0].attempts >= attempts + 2)

    goes_on()
    for place in JUMPS_S:
        jumped.append(put_clock(place))
        goes_on()
    away_s = stand_still(3)
    goes_on()
    written = service.end()
    until(lambda: len(stored(stores)) == written)
    status, now = worker.status(), datetime.now(UTC)
    gaps = stores.stores.logs.gaps(Window(now - timedelta(hours=3), now + timedelta(hours=3)))
    print(json.dumps({
        "jumped_s": [round(moved) for moved in jumped], "away_s": away_s, "written": written,
        "stored": sum(stored(stores).values()), "different": len(stored(stores)), "stopped": worker.stop(),
        "dropped_samples": status.scrapes[0].dropped,
        "last_error": status.last_error,
        "gaps": sorted(set(gaps["kind"])),
    }))  # fmt: skip
    stores.close()


if __name__ == "__main__":
    main()
