"""F1 for imports: kill -9 of the command, of its children and of the process that owns the stores; every record once."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from lib.collect import spool
from lib.collect.import_progress import load_progress
from lib.collect.sources import find
from lib.collect.stretches import keep, stretches
from lib.logs.duckdb import DuckLogs

ROOT = Path(__file__).parents[2]
COUNT = 16_000
KILLS = [pytest.param(3, marks=pytest.mark.live), pytest.param(40, marks=pytest.mark.faults)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Numbered lines, 9 MB of them: three stretches."""
    path = tmp_path / "combined.log"
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()  # the owner drops what is past its retention
    line = b'{"timestamp":"' + now + b'","level":"INFO","message":"seq","seq":%d,"pad":"' + b"x " * 230 + b'"}\n'
    path.write_bytes(b"".join(line % number for number in range(COUNT)))
    return path


def started(module: str, folder: Path, *arguments: str, tailed: str = "") -> subprocess.Popen[str]:
    environment = os.environ | {"HALO_OPS_DATA_DIR": str(folder), "HALO_OPS_LOG_FILES": tailed}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()  # nothing where it had ended by itself: the caller counts those that were at work
    process.communicate()


def at_work(run: subprocess.Popen[str], folder: Path) -> bool:
    """Whether this import has begun and, as far as it told, not ended."""
    told = load_progress(folder / "spool")
    return told is not None and told.job.startswith(f"{run.pid}-") and not told.done


def finished(process: subprocess.Popen[str]) -> str:
    said = process.communicate(timeout=100)[0]
    assert process.returncode == 0, said
    return said


def stored(folder: Path) -> tuple[int, int, int]:
    """(records, distinct ones, their count in the sums)."""
    logs = DuckLogs(folder / "logs.duckdb")
    records = logs._db.rows("SELECT count(*), count(DISTINCT fields) FROM records WHERE message = 'seq'")[0]
    sums = logs._db.rows("SELECT CAST(sum(records) AS BIGINT) FROM minute_totals")[0]
    logs.close()
    return (*records, *sums)  # type: ignore[return-value]


@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.timeout(900)
def test_an_import_that_is_killed_at_any_moment_goes_on(log: Path, tmp_path: Path, kills: int) -> None:
    dice, folder, midway = random.Random(5), tmp_path / "data", 0
    began = time.monotonic()
    finished(started("lib.collect.backfill", tmp_path / "undisturbed", str(log)))
    whole_s = time.monotonic() - began
    for number in range(kills):
        run = started("lib.collect.backfill", folder, str(log))
        if number % 2:
            while run.poll() is None and not at_work(run, folder):
                time.sleep(0.002)
        else:
            time.sleep(dice.uniform(0.2, 0.9) * whole_s)  # at any moment, also before and after its work
        children = psutil.Process(run.pid).children() if run.poll() is None else []
        killed(run)
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == [], "what parsed for it goes with it"
        midway += at_work(run, folder)
    assert midway >= kills // 2, "hardly any of them was at work"

    finished(started("lib.collect.backfill", folder, str(log)))

    assert stored(folder) == (COUNT, COUNT, COUNT)


@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.timeout(900)
def test_the_owner_may_be_killed_while_it_takes_the_import_in(log: Path, tmp_path: Path, kills: int) -> None:
    """Each time with some of the waiting parts taken in, others not, and perhaps one in the middle of its transaction."""
    dice, folder = random.Random(6), tmp_path / "data"
    files = in_many_files(log, tmp_path / "many", 12 * kills)
    waiting = spool.folder_of(folder)
    writer = spool.Writer(waiting)
    for source in find(files)[0]:
        for stretch, _ in stretches(source.name, source.pieces()):
            keep(writer, stretch)
    for _ in range(kills):
        before = len(spool.pending(waiting))
        owner = started("lib.worker", folder)
        taken = dice.randint(1, 8)
        while len(spool.pending(waiting)) > before - taken:
            assert owner.poll() is None
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 0.05))  # a transaction takes about as long
        killed(owner)
        assert spool.pending(waiting), "it had done all of it"

    again = finished(started("lib.collect.backfill", folder, *files))

    assert stored(folder) == (COUNT, COUNT, COUNT)
    assert f"there already: {COUNT}" in again


def in_many_files(log: Path, folder: Path, count: int) -> list[str]:
    """The log's lines in so many files: each is one part of an import."""
    folder.mkdir()
    lines = log.read_bytes().splitlines(keepends=True)
    paths = [folder / f"combined{number}.log" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(b"".join(lines[number::count]))
    return [str(path) for path in paths]


@pytest.mark.live
@pytest.mark.timeout(300)
def test_grown_packed_and_followed_files_are_known_beside_a_running_owner(log: Path, tmp_path: Path) -> None:
    folder, followed = tmp_path / "data", tmp_path / "followed" / "combined.log"
    followed.parent.mkdir()
    followed.write_bytes(log.read_bytes().replace(b'"seq":', b'"seq":1000000')[: 200 * 542])
    lines = followed.read_bytes().count(b"\n")
    followed.write_bytes(b"".join(followed.read_bytes().splitlines(keepends=True)[:lines]))
    whole = log.read_bytes()
    log.write_bytes(b"".join(whole.splitlines(keepends=True)[: COUNT // 2]))
    owner = started("lib.worker", folder, tailed=str(followed))

    finished(started("lib.collect.backfill", folder, str(log)))
    log.write_bytes(whole)
    packed = tmp_path / "combined.log.1.gz"
    packed.write_bytes(gzip.compress(whole, compresslevel=1))
    said = finished(started("lib.collect.backfill", folder, str(packed), str(log), str(followed)))
    owner.terminate()
    owner.communicate(timeout=20)

    assert f"New in the stores: {COUNT - COUNT // 2} records" in said
    assert stored(folder) == (COUNT + lines, COUNT + lines, COUNT + lines)
