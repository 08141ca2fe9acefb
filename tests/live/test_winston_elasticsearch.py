"""winston-elasticsearch, from npm, writes a log that is mapped dynamically: the embedded store's answers come out of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from lib.collect.parse import Line, parse_lines
from lib.logs.duckdb import DuckLogs
from lib.redact import redact
from lib.window import DAY
from tests.logs.batches import NOON
from tests.logs.elastic.test_shapes import assert_same_answers, records
from tests.logs.indices import Indices

pytestmark = pytest.mark.live
LOGGER = Path(__file__).parent / "node" / "elastic_logger.js"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckLogs]:
    """The same records, read by the tail."""
    store = DuckLogs(tmp_path_factory.mktemp("logs") / "logs.duckdb")
    lines = [Line("o", n, "f", orjson.dumps(record)) for n, record in enumerate(records())]
    store.write(parse_lines(lines, NOON + DAY).batch)
    yield store
    store.close()


@pytest.mark.parametrize("flat", [False, True], ids=["as it comes", "flat"])
def test_what_winston_elasticsearch_writes_is_read_as_it_is(
    flat: bool, embedded: DuckLogs, elasticsearch8: str, node_modules: Path
) -> None:
    store = Indices(elasticsearch8, "winston", clean=lambda value: redact(value)[0], fresh_s=60, extent_s=60)
    environment = {"NODE_PATH": str(node_modules), "ELASTICSEARCH": elasticsearch8, "INDEX_PREFIX": store.prefix}

    logged = subprocess.run(
        ["node", str(LOGGER)], input=b"\n".join(map(orjson.dumps, records())), env=os.environ | environment | {"FLAT": str(int(flat))},
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip

    assert logged.returncode == 0, logged.stderr.decode()
    store.http.post(f"/{store.prefix}-*/_refresh").raise_for_status()
    assert_same_answers(embedded, store)
    store.close()
