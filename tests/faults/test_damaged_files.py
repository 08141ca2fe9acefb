"""F23: a damaged database file is moved aside and rebuilt from the logs still on disk, at the start or in mid-run."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lib.collect.cadence import utc_now
from lib.collect.tail import Tail
from lib.errors import SourceError, SourceUnavailable
from lib.logs.base import LogQuery
from lib.logs.duckdb import DuckLogs
from lib.metrics.duckdb import DuckMetrics
from lib.metrics.ingest import Samples
from lib.settings import Settings
from lib.window import Window
from lib.wiring import open_stores
from lib.worker import Worker
from tests.collect.log_files import line_of

LINES, WITHIN_S = 3000, 10.0
STARTED = datetime.now(UTC)
EVERYTHING = LogQuery(Window(STARTED - timedelta(hours=2), STARTED + timedelta(hours=2)))


class Home:
    """A data folder beside a folder of logs that are all stored; `kept` is a copy of the files, taken in mid-run."""

    def __init__(self, folder: Path, lines: int = LINES) -> None:
        self.logs, self.data, self.kept = folder / "logs", folder / "data", folder / "kept"
        for made in (self.logs, self.data, self.kept):
            made.mkdir()
        self.pattern = f"{self.logs}/combined*.log"
        self.messages = [f"line {n}" for n in range(lines)]
        stamp = (STARTED - timedelta(hours=1)).isoformat()
        half = lines // 2
        write = (self.logs / "combined.log").write_bytes
        texts = [line_of(m, timestamp=stamp, error=f"no {m} of {hash(m)}") for m in self.messages]
        store = DuckLogs(self.database)
        tail = Tail([self.pattern], store)
        write(b"".join(texts[:half]))
        tail.poll()
        store._db.checkpoint()  # the first half is in the file, the second in the write-ahead log
        write(b"".join(texts))
        tail.poll()
        for path in self.data.glob("logs.duckdb*"):
            if path.suffix != ".lock":
                shutil.copy(path, self.kept)
        store.close()
        assert self.wal.name in {path.name for path in self.kept.iterdir()}

    @property
    def database(self) -> Path:
        return self.data / "logs.duckdb"

    @property
    def wal(self) -> Path:
        return self.data / "logs.duckdb.wal"

    def restore(self) -> None:
        """The files as they were in mid-run."""
        for path in self.data.glob("logs.duckdb*"):
            path.unlink()
        for path in self.kept.iterdir():
            shutil.copy(path, self.data)

    def damage(self, dice: random.Random) -> str:
        """One thing that a disk does; what it was."""
        path = dice.choice([self.database, self.database, self.wal])
        content = bytearray(path.read_bytes())
        how = dice.choice(["flip", "flip", "flip", "burst", "cut"])
        at = dice.randrange(len(content)) if dice.random() < 0.7 else dice.randrange(min(12_288, len(content)))
        match how:
            case "flip":
                content[at] ^= 1 << dice.randrange(8)
            case "burst":
                content[at : at + 512] = dice.randbytes(len(content[at : at + 512]))
            case "cut":
                del content[at:]
        path.write_bytes(bytes(content))
        return f"{how} at {at} of {path.name}"


def everything(store: DuckLogs) -> Counter[str]:
    """Every message with its count, by a question that reads every column; and the sums must say the same."""
    store.compact()
    found = store.search(EVERYTHING, limit=10_000)
    assert store.totals(EVERYTHING)["records"].sum() == len(found)
    assert store.patterns(EVERYTHING)["records"].sum() == len(found)
    return Counter(found["message"])


@pytest.mark.parametrize(
    "damages", [pytest.param(10, id="a-few"), pytest.param(200, id="many", marks=pytest.mark.faults)]
)
@pytest.mark.timeout(1800)
def test_whatever_a_disk_does_to_the_log_store_every_line_is_there_once_within_ten_seconds(
    tmp_path: Path, damages: int
) -> None:
    home, dice, outcomes = Home(tmp_path), random.Random(23), Counter[str]()
    state = home.data / "state.sqlite"
    state.write_bytes(b"not to be touched")

    for _ in range(damages):
        home.restore()
        what, began = home.damage(dice), time.monotonic()
        store = DuckLogs(home.database)
        tail = Tail([home.pattern], store)
        found: Counter[str] = Counter()
        noticed = store.recovered_from is not None
        while found != Counter(home.messages) and time.monotonic() - began < WITHIN_S:
            try:
                if store.mend():
                    tail.start_over()
                tail.poll()
                found = everything(store)
            except SourceUnavailable as error:
                noticed = True
                assert "damaged" in str(error), f"{what}: {error}"
        moved = store.recovered_from
        outcomes["replaced" if moved else "unharmed"] += 1
        tail.close()
        store.close()

        assert found == Counter(home.messages), f"{what}: {sum(found.values())} records, {len(found)} different"
        assert noticed == (moved is not None), what
        assert moved is None or moved.exists()

    assert outcomes["replaced"] >= damages / 4, "hardly any damage was done"
    assert state.read_bytes() == b"not to be touched"


def hidden_damage(path: Path, opened: Callable[[Path], Any], ask: Callable[[Any], object]) -> None:
    """Flips a bit of a closed database that the start does not read, but a question does."""
    dice, whole = random.Random(5), path.read_bytes()
    for _ in range(300):
        content = bytearray(whole)
        content[dice.randrange(12_288, len(content))] ^= 4
        path.write_bytes(bytes(content))
        store = opened(path)
        try:
            ask(store)
        except SourceError:
            if store.recovered_from is None:
                return
        finally:
            store.close()
    pytest.fail("no such bit was found")


def search(store: DuckLogs) -> pd.DataFrame:
    return store.search(EVERYTHING, limit=10_000)


def test_damage_that_shows_while_people_look_is_said_and_put_right_by_itself(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.restore()
    DuckLogs(home.database).close()  # all of it is in the file
    hidden_damage(home.database, DuckLogs, search)
    settings = Settings(data_dir=home.data, log_files=(home.pattern,))
    stores = open_stores(settings)
    worker = Worker(settings, stores)
    worker.start()

    with pytest.raises(SourceUnavailable, match=r"logs\.duckdb is damaged; it is moved aside"):
        search(stores.logs)
    began, found = time.monotonic(), Counter[str]()
    while found != Counter(home.messages) and time.monotonic() - began < WITHIN_S:
        time.sleep(0.05)
        try:
            found = Counter(search(stores.logs)["message"])
        except SourceUnavailable:
            continue
    status = worker.status()
    assert worker.stop()
    gaps = stores.logs.gaps(EVERYTHING.window)
    stores.close()

    assert found == Counter(home.messages)
    assert status.replaced["logs"].startswith("logs.duckdb.corrupt-")
    assert "damaged and began anew" in gaps["reason"][0]


def test_a_damaged_metric_store_begins_anew_and_says_so(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    store = DuckMetrics(tmp_path / "metrics.duckdb")
    now_ms = int(utc_now().timestamp() * 1000)
    for series in range(40):
        times = now_ms - np.arange(5000, 0, -1, dtype=np.int64) * 15_000
        labels = ({"__name__": "m", "n": str(series)},)
        values = np.random.default_rng(series).random(len(times))
        store.append(Samples(labels, np.zeros(len(times), dtype=np.int32), times, values), live=False)
    store.close()
    window = Window(utc_now() - timedelta(hours=22), utc_now())
    hidden_damage(
        tmp_path / "metrics.duckdb", DuckMetrics, lambda metrics: metrics.range("sum(m)", window, timedelta(minutes=1))
    )
    stores = open_stores(settings)
    worker = Worker(settings, stores)

    with pytest.raises(SourceUnavailable, match=r"metrics\.duckdb is damaged"):
        stores.metrics.range("sum(m)", window, timedelta(minutes=1))
    worker.start()
    deadline = time.monotonic() + WITHIN_S
    while "metrics" not in worker.status().replaced:
        assert time.monotonic() < deadline
        time.sleep(0.02)

    assert stores.metrics.range("sum(m)", window, timedelta(minutes=1)).frame().empty
    one = Samples(({"__name__": "m"},), np.zeros(1, dtype=np.int32), np.array([now_ms]), np.ones(1))
    assert stores.metrics.append(one).stored == 1
    assert worker.stop()
    stores.close()
