"""F24: positions in the real store that do not fit the files, and a store that was put back from a copy."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from lib.collect.tail import Tail
from lib.logs.duckdb import DuckLogs
from tests.collect.log_files import line_of

EDITS = {
    "ahead of the file": 'UPDATE checkpoints SET "offset" = "offset" + 100000',
    "behind what was read": 'UPDATE checkpoints SET "offset" = "offset" - 80',
    "another file's prints": """UPDATE checkpoints SET info = regexp_replace(info, '"[0-9a-f]{24}', '"000000000000000000000000')""",
    "no JSON": "UPDATE checkpoints SET info = 'x'",
}


def write(path: Path, first: int, last: int) -> list[str]:
    """Appends numbered lines; their messages."""
    messages = [f"line {n}" for n in range(first, last)]
    with path.open("ab") as file:
        file.write(b"".join(map(line_of, messages)))
    return messages


def read(database: Path, pattern: str, edit: str = "") -> Counter[str]:
    """Opens the store, edits its positions, reads what there is to read and closes it; every message with its count."""
    store = DuckLogs(database)
    if edit:
        before = store.checkpoints()
        with store._db.write() as writer:
            writer.execute(edit)
        assert store.checkpoints() != before, "the edit did nothing"
    tail = Tail([pattern], store)
    while tail.poll().more:
        pass
    tail.close()
    found = Counter(row[0] for row in store._db.rows("SELECT message FROM records"))
    store.close()
    return found


@pytest.mark.parametrize("name", EDITS)
def test_f24_positions_that_do_not_fit_begin_a_new_generation_at_its_start(tmp_path: Path, name: str) -> None:
    path, database = tmp_path / "combined.log", tmp_path / "logs.duckdb"
    old = write(path, 0, 40)
    assert read(database, str(path)) == Counter(old)

    found = read(database, str(path), EDITS[name])
    new = write(path, 40, 45)
    after = read(database, str(path))

    assert found == Counter(old * 2), "nothing is lost: what cannot be placed is read again"
    assert after == Counter(old * 2 + new), "and only once: the new generation has a position of its own"


def test_f24_a_store_from_a_copy_goes_on_where_that_was(tmp_path: Path) -> None:
    path, database, copy = tmp_path / "combined.log", tmp_path / "logs.duckdb", tmp_path / "copy.duckdb"
    messages = write(path, 0, 40)
    read(database, str(path))
    shutil.copy(database, copy)
    messages += write(path, 40, 60)
    path.rename(tmp_path / "combined.log.1")
    messages += write(path, 60, 70)
    assert read(database, f"{path}*") == Counter(messages)

    shutil.copy(copy, database)

    assert read(database, f"{path}*") == Counter(messages)
