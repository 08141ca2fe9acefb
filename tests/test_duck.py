"""A database file has one owner, is locked down, and survives bad files and failing writes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lib.duck import Database, open_database
from lib.errors import SourceRejected, SourceUnavailable

SCHEMA = ("CREATE TABLE IF NOT EXISTS t (n BIGINT, s VARCHAR)",)
OWNER = """
import sys; from pathlib import Path
from lib.duck import open_database
database = open_database(Path(sys.argv[1]), ["CREATE TABLE IF NOT EXISTS t (n BIGINT, s VARCHAR)"], name="test")
with database.write() as writer: writer.execute("INSERT INTO t VALUES (1, 'kept')")
if sys.argv[2] == "half":
    with database.write() as writer:
        writer.execute("INSERT INTO t VALUES (2, 'lost')")
        print("ready", flush=True); sys.stdin.read()
print("ready", flush=True); sys.stdin.read()
"""


def opened(path: Path) -> Database:
    """The database of the tests."""
    return open_database(path, SCHEMA, name="test")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An open, empty database."""
    return opened(tmp_path / "x.duckdb")


@pytest.fixture
def owner(tmp_path: Path, request: pytest.FixtureRequest) -> subprocess.Popen[str]:
    """Another process that owns tmp_path/x.duckdb with one row; "half" is in the middle of writing a second."""
    arguments = [sys.executable, "-c", OWNER, str(tmp_path / "x.duckdb"), getattr(request, "param", "whole")]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    request.addfinalizer(lambda: (process.kill(), process.communicate()))
    return process


def test_a_second_process_is_told_at_once_who_holds_the_file(tmp_path: Path, owner: subprocess.Popen[str]) -> None:
    started = time.monotonic()

    with pytest.raises(SourceUnavailable, match=f"x.duckdb is in use by process {owner.pid}"):
        opened(tmp_path / "x.duckdb")

    assert time.monotonic() - started < 2


@pytest.mark.parametrize("owner", ["half"], indirect=True)
def test_a_killed_owner_leaves_what_it_committed_and_no_lock(tmp_path: Path, owner: subprocess.Popen[str]) -> None:
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()

    database = opened(tmp_path / "x.duckdb")

    assert database.rows("SELECT * FROM t") == [(1, "kept")]
    assert database.recovered_from is None
    database.close()


def test_the_same_process_cannot_open_it_twice_but_again_after_closing(tmp_path: Path, database: Database) -> None:
    with pytest.raises(SourceUnavailable, match=f"in use by process {os.getpid()}"):
        opened(tmp_path / "x.duckdb")

    database.close()
    database.close()
    again = opened(tmp_path / "x.duckdb")
    database.close()  # an old handle does not let go of the new one's lock

    with pytest.raises(SourceUnavailable, match="in use"):
        opened(tmp_path / "x.duckdb")
    again.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_json('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '/etc/passwd'",
        "COPY t TO 'stolen.csv'",
        "COPY t FROM '/etc/passwd'",
        "EXPORT DATABASE 'stolen'",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET TimeZone",
        "SELECT * FROM database",  # a Python variable of the caller
    ],
)
def test_asvs_1_3_no_question_reaches_beyond_the_database(database: Database, sql: str) -> None:
    with pytest.raises(SourceRejected):
        database.rows(sql)
    with pytest.raises(SourceRejected), database.write() as writer:
        writer.execute(sql)
    database.close()


def test_times_are_utc(database: Database) -> None:
    assert database.rows("SELECT current_setting('TimeZone')") == [("UTC",)]
    database.close()


def test_a_failing_write_is_undone_and_the_next_one_works(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as writer:
        writer.execute("INSERT INTO t VALUES (1, 'a')")
        raise ZeroDivisionError
    with pytest.raises(SourceRejected), database.write() as writer:
        writer.execute("INSERT INTO t VALUES (1, 'a')")
        writer.execute("INSERT INTO t VALUES ('no number', 'a')")
    with database.write() as writer:
        writer.execute("INSERT INTO t VALUES (2, 'b')")

    assert database.rows("SELECT * FROM t") == [(2, "b")]
    database.close()


def test_a_long_question_is_stopped_and_the_next_one_answered(database: Database) -> None:
    started = time.monotonic()

    with pytest.raises(SourceUnavailable, match="too long"):
        database.rows("SELECT count(*) FROM range(1000000000000) AS r(x) WHERE x % 7 = 3", timeout_s=0.2)

    assert time.monotonic() - started < 5
    assert database.rows("SELECT 1") == [(1,)]
    database.close()


def test_asvs_1_2_9_a_regular_expression_takes_linear_time(database: Database) -> None:
    started = time.monotonic()

    assert database.rows("SELECT regexp_matches(?, ?)", ["a" * 30_000 + "!", "(a+)+$"]) == [(False,)]

    assert time.monotonic() - started < 2  # Python's re needs longer than the universe has
    database.close()


def test_readers_see_whole_transactions_while_one_writes(database: Database) -> None:
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            seen.add(database.rows("SELECT count(*) % 10 FROM t")[0][0])

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for _ in range(30):
        with database.write() as writer:
            for n in range(10):
                writer.execute("INSERT INTO t VALUES (?, '')", [n])
    stop.set()
    for reader in readers:
        reader.join()

    assert seen == {0}
    assert database.rows("SELECT count(*) FROM t") == [(300,)]
    database.close()


def test_a_row_keeps_its_place_within_a_snapshot_though_others_are_dropped_and_the_file_is_tidied(
    database: Database,
) -> None:
    with database.write() as writer:
        writer.execute("INSERT INTO t SELECT range, 'row ' || range FROM range(400000)")
    database.checkpoint()

    with database.snapshot() as ask:
        places = ask("SELECT rowid FROM t WHERE n % 50021 = 300", ())["rowid"].tolist()
        with database.write() as writer:
            writer.execute("DELETE FROM t WHERE n < 300000")
            writer.execute("INSERT INTO t SELECT range, 'late' FROM range(200000)")
        database.checkpoint()
        found = ask("SELECT n, s FROM t WHERE rowid IN (SELECT unnest(?)) ORDER BY n", (places,))

    assert found["n"].tolist() == list(range(300, 400_000, 50_021))
    assert found["s"].tolist() == [f"row {n}" for n in found["n"]]
    assert database.rows("SELECT count(*) FROM t") == [(300_000,)]


def test_frames_hold_nulls_and_values(database: Database) -> None:
    frame = database.read("SELECT * FROM (VALUES (1, 'a'), (NULL, NULL)) AS v(n, s) WHERE n IS NULL OR n = ?", [1])

    assert frame["n"].isna().tolist() == [False, True]
    assert frame["s"].isna().tolist() == [False, True]
    database.close()


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"no database " * 1000, bytes(12_288), b"SQLite format 3\0" + bytes(4080)],
    ids=["empty", "short", "text", "zeros", "sqlite"],
)
def test_a_file_that_is_no_database_is_moved_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.duckdb"
    path.write_bytes(content)
    path.with_name("x.duckdb.wal").write_bytes(b"junk")

    database = opened(path)

    assert database.rows("SELECT count(*) FROM t") == [(0,)]
    if content:  # an empty file is simply a new database
        assert database.recovered_from is not None
        assert database.recovered_from.name.startswith("x.duckdb.corrupt-")
        assert database.recovered_from.read_bytes() == content
    database.close()


def _filled(path: Path) -> bytes:
    database = opened(path)
    with database.write() as writer:
        writer.execute("INSERT INTO t SELECT range, repeat('x', 20) || range FROM range(20000)")
    database.close()
    return path.read_bytes()


def _half_written(folder: Path, rows: int = 20_000) -> Path:
    """A file whose rows are still in its write-ahead log, as a kill leaves it."""
    path, database = folder / "x.duckdb", opened(folder / "whole.duckdb")
    with database.write() as writer:
        writer.execute("INSERT INTO t SELECT range, 'row ' || range FROM range(?)", [rows])
    for end in ("", ".wal"):
        shutil.copy(folder / f"whole.duckdb{end}", f"{path}{end}")
    database.close()
    return path


def test_a_file_that_is_cut_or_has_the_log_of_another_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    whole = _filled(path)
    (tmp_path / "other").mkdir()
    other = _half_written(tmp_path / "other")

    for content, log in ((whole[: len(whole) // 2], b""), (whole, other.with_name("x.duckdb.wal").read_bytes())):
        path.write_bytes(content)
        path.with_name("x.duckdb.wal").write_bytes(log)
        database = opened(path)
        assert database.recovered_from is not None
        assert database.recovered_from.read_bytes() == content
        database.close()


def test_a_log_that_cannot_be_done_again_is_moved_aside_with_its_file(tmp_path: Path) -> None:
    path, wal = tmp_path / "x.duckdb", tmp_path / "whole.duckdb.wal"
    database, logs = opened(tmp_path / "whole.duckdb"), []
    database.checkpoint()
    for statement in ("INSERT INTO t VALUES (1, '')", "CREATE TABLE once (n BIGINT)"):
        with database.write() as writer:
            writer.execute(statement)
        logs.append(wal.read_bytes())
    shutil.copy(database.path, path)
    database.close()
    path.with_name("x.duckdb.wal").write_bytes(logs[1] + logs[1][len(logs[0]) :])

    again = opened(path)

    assert again.recovered_from is not None
    assert again.rows("SELECT count(*) FROM t") == [(0,)]
    again.close()


def _newer(whole: bytes) -> bytes:
    """The file as a later release of DuckDB would have marked it."""
    header = whole[8:12] + (10_000).to_bytes(8, "little") + whole[20:4096]
    checksum = 5381
    for at in range(0, len(header), 8):
        checksum ^= int.from_bytes(header[at : at + 8], "little") * 0xBF58476D1CE4E5B9 % 2**64
    return checksum.to_bytes(8, "little") + header + whole[4096:]


@pytest.mark.parametrize("wrong", ["memory", "statement", "release", "folder"])
def test_a_file_that_is_not_to_blame_stays_where_it_is_and_is_named(tmp_path: Path, wrong: str) -> None:
    path = _half_written(tmp_path)
    if wrong == "release":
        opened(path).close()
        path.write_bytes(_newer(path.read_bytes()))
    elif wrong == "folder":
        path.rename(tmp_path / "kept")
        path.mkdir()
    schema = ("CREATE TABEL t (n BIGINT)",) if wrong == "statement" else SCHEMA

    with pytest.raises(SourceUnavailable, match=r"x\.duckdb cannot be opened and was left as it is: "):
        open_database(path, schema, name="test", memory_limit="1MB" if wrong == "memory" else "1GB")

    assert path.exists()
    assert not list(tmp_path.glob("*.corrupt-*"))
    if wrong in ("memory", "statement"):
        database = opened(path)
        assert database.rows("SELECT count(*) FROM t") == [(20_000,)]
        database.close()


def test_flipped_bits_never_stop_the_start(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    whole = _filled(path)
    dice = random.Random(23)

    for _ in range(15):
        broken = bytearray(whole)
        broken[dice.randrange(12_288 if dice.random() < 0.5 else len(whole))] ^= 1 << dice.randrange(8)
        path.write_bytes(bytes(broken))
        database = opened(path)
        try:
            assert database.rows("SELECT count(*) FROM t")[0][0] in (0, 20_000)
        finally:
            database.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SourceUnavailable, match="file"):
        opened(tmp_path / "file" / "x.duckdb")


def test_a_folder_that_is_made_is_closed_to_other_users(tmp_path: Path) -> None:
    open_database(tmp_path / "data" / "x.duckdb", SCHEMA, name="test").close()

    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
