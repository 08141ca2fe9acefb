"""What is kept against what is declared: a line each, with a verdict and its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from lib.capacity.lines import Line, retention_lines
from lib.errors import SourceUnavailable
from lib.logs.inventory import Index, Inventoried
from lib.settings import Settings
from lib.state.database import sqlite_url
from lib.state.migrate import open_state
from tests.checklists.evidence.world import DAY, HOUR, NOW, World
from tests.seed import empty_stores


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with empty_stores(tmp_path) as stores:
        state = open_state(sqlite_url(tmp_path / "state.sqlite"))
        yield World(stores, state, Settings(data_dir=tmp_path))
        state.close()


def lines(world: World) -> dict[str, Line]:
    found = retention_lines(world.settings, world.stores, world.state, world.status, NOW)
    return {line.what: line for line in found}


class Cluster:
    """A log store on a cluster that has these indices."""

    name = "logs (Elasticsearch)"

    def __init__(self, *indices: Index, down: bool = False) -> None:
        self._indices, self._down = indices, down

    def inventory(self) -> tuple[Index, ...]:
        if self._down:
            raise SourceUnavailable("no connection", self.name)
        return self._indices


def on_cluster(world: World, *indices: Index, down: bool = False) -> dict[str, Line]:
    cluster = Cluster(*indices, down=down)
    assert isinstance(cluster, Inventoried)
    world.stores = replace(world.stores, logs=cast("Any", cluster))
    return lines(world)


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (30 * DAY, "ok"),
        (30 * DAY + 2 * HOUR, "ok"),  # retention drops whole hours, once an hour
        (31 * DAY, "look"),
        (33 * DAY, "bad"),
    ],
)
def test_the_embedded_log_is_judged_by_its_oldest_record(world: World, age: timedelta, verdict: str) -> None:
    world.requests(age, age - HOUR, HOUR)

    line = lines(world)["Log records: logs (embedded)"]

    assert (line.verdict, line.declared_days, line.oldest) == (verdict, 30, NOW - age)


def test_what_is_empty_or_does_not_answer_is_never_ok(world: World) -> None:
    empty = lines(world)
    world.state = cast("Any", None)

    without = lines(world)

    assert {line.verdict for line in empty.values()} == {"no data"}
    assert without["Health episodes: state database"].reason == "this process has no state database"


INDEX = Index("halopsa-integration-2026.02.20", 1000, 5 * 2**20, NOW - 10 * DAY, managed=True, phase="warm", policy="p")


@pytest.mark.parametrize(
    ("index", "verdict", "words"),
    [
        (INDEX, "ok", "nothing is older than 30 d"),
        (replace(INDEX, oldest=NOW - 40 * DAY), "bad", "kept 10 d longer"),
        (replace(INDEX, managed=False), "look", "no lifecycle policy"),
        (
            replace(INDEX, managed=False, oldest=NOW - 40 * DAY),
            "bad",
            "kept 10 d longer than declared; no lifecycle policy",
        ),
        (replace(INDEX, managed=None, unknown="HTTP 403: no rights"), "no data", "HTTP 403: no rights"),
        (replace(INDEX, error="index is read-only"), "bad", "its lifecycle stands still: index is read-only"),
        (replace(INDEX, oldest=None), "no data", "it holds no record"),
    ],
)
def test_each_index_is_judged_by_its_age_and_its_lifecycle(
    world: World, index: Index, verdict: str, words: str
) -> None:
    line = on_cluster(world, index)[f"Index {index.name}"]

    assert (line.verdict, words in line.reason) == (verdict, True), line
    assert (line.phase, line.bytes, line.records) == ("warm", 5 * 2**20, 1000)


def test_a_cluster_that_does_not_answer_is_said(world: World) -> None:
    line = on_cluster(world, down=True)["Log records: Elasticsearch"]

    assert (line.verdict, line.reason) == ("no data", "the cluster does not tell: no connection")


def test_log_files_are_counted_and_one_that_only_grows_is_pointed_out(world: World, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for name, size in (("combined.log", 1000), ("combined1.log", 5 * 2**20)):
        (logs / name).write_bytes(b"x" * size)
    world.settings = Settings(data_dir=tmp_path, log_files=(str(logs / "combined*.log"), str(logs / "gone*.log")))

    found = lines(world)
    with (logs / "combined.log").open("wb") as file:
        file.truncate(150 * 2**20)
    grown = lines(world)["Log files logs/combined*.log"]

    assert (found["Log files logs/combined*.log"].records, found["Log files logs/gone*.log"].verdict) == (2, "no data")
    assert (grown.verdict, "is it rotated?" in grown.reason) == ("look", True)


@pytest.mark.parametrize(
    ("age", "error", "verdict"), [(HOUR, "", "ok"), (5 * HOUR, "", "bad"), (HOUR, "the disk is full", "bad")]
)
def test_the_hourly_retention_is_held_to_its_hour(world: World, age: timedelta, error: str, verdict: str) -> None:
    world.retained(age, error)

    assert lines(world)["Hourly retention"].verdict == verdict
