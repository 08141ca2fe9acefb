"""F9 and F10: whatever bytes stand in a log, each line is one record in the real store, and the next line is whole."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.collect.parse import MAX_LINE
from lib.collect.tail import Tail
from lib.logs.duckdb import DuckLogs
from tests.collect.log_files import line_of

CORPUS = {
    "invalid UTF-8": b'{"message": "\xff\xfe"}',
    "overlong UTF-8": b'{"message": "\xc0\xaf"}',
    "NUL": b'{"message": "a\x00b"}',
    "escaped NUL": rb'{"message": "a\u0000b"}',
    "byte order mark": b'\xef\xbb\xbf{"message": "m"}',
    "lone surrogate": rb'{"message": "\ud800"}',
    "lone surrogate in a key": rb'{"\udfff": 1}',
    "NaN": b'{"value": NaN}',
    "too large a number": b'{"value": 1e999, "duration": 1e999}',
    "an integer of 5,000 digits": b'{"value": ' + b"9" * 5000 + b"}",
    "100,000 deep": b"[" * 30_000 + b"]" * 30_000,
    "100,000 deep and cut": b'{"a":' * 100_000,
    "deep and whole": b'{"a":' * 500 + b"1" + b"}" * 500,
    "carriage returns": b'{"message": "a"}\r',
    "terminal codes": b'{"message": "\\u001b[2J\\u202e"}',
    "an array": b"[1, 2]",
    "a timestamp from nowhere": b'{"timestamp": "99999-13-45", "message": "m"}',
    "a timestamp of infinity": b'{"timestamp": 1e308, "message": "m"}',
    "fields of other types": b'{"message": {"a": 1}, "level": 7, "status": "x", "stats": {"processed": 1e300}}',
    "the last 64 bits": b'{"responseSize": 9223372036854775807, "status": 32768}',
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
Read = Callable[[bytes], list[tuple[str, str, str]]]
NAMES = st.sampled_from(["message", "level", "timestamp", "status", "duration", "stats", "error", "value", "url"])


def _dumped(fields: dict[str, object]) -> bytes:
    import json

    return json.dumps(fields).encode()  # with NaN, Infinity and lone surrogates, as some writers do


LINES = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(NAMES, JSON, max_size=4).map(_dumped),
    st.sampled_from(list(CORPUS.values())),
)  # fmt: skip


@pytest.fixture(scope="module")
def read() -> Read:
    """Reads bytes through the tail into a real store: (level, message, reason) of each record, in order."""
    with tempfile.TemporaryDirectory() as folder:
        logs, turn = DuckLogs(Path(folder) / "logs.duckdb"), 0

        def through(content: bytes) -> list[tuple[str, str, str]]:
            nonlocal turn
            turn += 1
            path = Path(folder) / f"combined{turn}.log"
            path.write_bytes(line_of(f"file {turn}") + content)  # the very same content again would be a copy, not read
            tail = Tail([str(path)], logs)
            while tail.poll().more:
                pass
            tail.close()
            path.unlink()
            sql = "SELECT level, message, reason FROM records WHERE file = ? ORDER BY rowid"
            return logs._db.rows(sql, [path.name])[1:]

        yield through
        logs.close()


@pytest.mark.parametrize("name", CORPUS)
def test_f9_no_line_stops_its_file(read: Read, name: str) -> None:
    before, wild, after = read(line_of("before") + CORPUS[name] + b"\n" + line_of("after"))

    assert (before[1], after[1]) == ("before", "after")
    assert wild[0] != "UNPARSED" or wild[2], "kept without a reason"


def each_is_one_record(read: Read, lines: list[bytes]) -> None:
    content = line_of("before") + b"".join(line + b"\n" for line in lines) + line_of("after")
    whole = [line for line in content.split(b"\n") if line.strip(b" \t\r\x00")]

    found = read(content)

    assert len(found) == len(whole)
    assert (found[0][1], found[-1][1]) == ("before", "after")


MINUTES, EACH_TURN = 10, 200
WILD = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@settings(WILD, max_examples=60)
@given(st.lists(LINES, max_size=8))
def test_f9_every_line_of_wild_bytes_is_one_record(read: Read, lines: list[bytes]) -> None:
    each_is_one_record(read, lines)


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_f9_every_line_of_ten_minutes_of_wild_files_is_one_record(read: Read) -> None:
    ends, turn = time.monotonic() + MINUTES * 60, 0

    while time.monotonic() < ends:
        turn += 1

        @settings(WILD, max_examples=EACH_TURN, derandomize=False)  # others each time
        @given(st.lists(LINES, max_size=8))
        def wild(lines: list[bytes]) -> None:
            each_is_one_record(read, lines)

        wild()

    print(f"{turn * EACH_TURN} files")


SANDWICH = textwrap.dedent(
    """
    import re, sys
    from pathlib import Path
    from lib.collect.tail import Tail
    from tests.collect.log_files import MemoryLogs, line_of

    def peak_kib():
        return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

    path, sink = Path(sys.argv[1]), MemoryLogs()
    path.write_bytes(b"".join(line_of("warm up " + str(n)) for n in range(300)))
    tail = Tail([str(path)], sink)
    while tail.poll().more:
        pass
    sink.rows.clear()
    before = peak_kib()
    with path.open("ab") as file:
        file.write(line_of("before"))
        for _ in range(100):
            file.write(b"x" * 100_000)
        file.write(b"\\n" + line_of("after"))
    while tail.poll().more:
        pass
    rows = [(row["message"][:6], len(row["message"]), row["truncated"]) for row in sink.rows]
    print([(peak_kib() - before) / 1024, rows])
    """
)


def test_f10_a_line_of_ten_megabytes_costs_little_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SANDWICH, str(tmp_path / "combined.log")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])

    grown_mib, (before, cut, after) = eval(done.stdout)

    assert (before, after) == (("before", 6, False), ("after", 5, False))
    assert cut == ("xxxxxx", MAX_LINE, True)
    print(f"{grown_mib:.1f} MiB more at the peak")
    assert grown_mib <= 32
