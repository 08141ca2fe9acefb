"""The real Elasticsearch servers that other tests ask."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.live


def test_a_server_takes_records_and_answers_questions(elasticsearch: str) -> None:
    records = "".join(f'{{"create":{{}}}}\n{{"level":"error","duration":{ms}}}\n' for ms in (1, 2, 3))
    with httpx.Client(base_url=elasticsearch, timeout=20) as client:
        client.post(
            "/harness/_bulk?refresh=true", content=records, headers={"content-type": "application/x-ndjson"}
        ).raise_for_status()

        question = {"size": 0, "aggs": {"sum": {"sum": {"field": "duration"}}}}
        found = client.post("/harness/_search", json=question).raise_for_status().json()
        client.delete("/harness").raise_for_status()

    assert found["hits"]["total"]["value"] == 3
    assert found["aggregations"]["sum"]["value"] == 6


def test_the_versions_are_what_they_are_called(elasticsearch8: str, elasticsearch9: str) -> None:
    for url, major in ((elasticsearch8, "8."), (elasticsearch9, "9.")):
        nodes = httpx.get(f"{url}/_nodes", timeout=20).raise_for_status().json()["nodes"]

        assert [node["version"].startswith(major) for node in nodes.values()] == [True]


@pytest.mark.faults
def test_a_server_ends_when_its_tests_are_killed() -> None:
    """`kill -9` of the process that started it closes the server's standard input."""
    code = (
        "from tests.servers import elastic; s = elastic.start('8'); print(s.process.pid, s.home, flush=True); input()"
    )
    tests = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert tests.stdout is not None
    pid, home = tests.stdout.readline().decode().split()

    tests.kill()
    tests.communicate()

    subprocess.run(["tail", f"--pid={pid}", "-f", "/dev/null"], timeout=30, check=True)
    subprocess.run(["rm", "-rf", home], check=True)
