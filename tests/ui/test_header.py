"""The line on top of every page says plainly what was lost, what fails, and which store began anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from streamlit.testing.v1 import AppTest

from lib.settings import load
from lib.status import GapStatus, SourceStatus, TaskStatus, WorkerStatus
from lib.ui import runtime

NOW = datetime.now(UTC)
WELL = WorkerStatus(NOW, NOW, newest_log=NOW, tasks=(TaskStatus("tail", 0.5, NOW, errors=4, last_error="old"),))


def shown(status: WorkerStatus) -> str:
    """All words of the header."""
    runtime.install(runtime.Runtime(load(), cast("Any", None), lambda: status))

    def page() -> None:
        from lib.ui.header import header

        header()

    test = AppTest.from_function(page).run()
    assert [str(error) for error in test.exception] == []
    popovers = [block.proto.popover.label for block in test.get("popover")]
    return " ".join([*(one.value for one in test.markdown), *popovers]).replace("\\", "")


def test_a_healthy_collection_says_nothing_of_losses_or_failures() -> None:
    words = shown(WELL)

    assert "lost" not in words
    assert "Fails" not in words


@pytest.mark.parametrize(
    ("gaps", "said"),
    [
        (GapStatus(lost=2, lost_bytes=1_000_000), "▲ 976.6 KiB lost"),
        (GapStatus(lost=1), "▲ data lost"),
        (GapStatus(unread=7), "◆ 7 lines unread"),
    ],
)
def test_what_was_lost_or_kept_unread_is_said_with_its_unit(gaps: GapStatus, said: str) -> None:
    assert said in shown(replace(WELL, gaps=gaps))


def test_what_fails_is_said_in_words_and_a_cause_only_once() -> None:
    away = "Elasticsearch does not answer"
    tasks = (
        TaskStatus("freshness", 2, NOW, errors=1, error=away),
        TaskStatus("tail", 0.5, NOW, errors=1, error="the disk is full"),
        TaskStatus("new errors", 15, NOW, errors=1, error=away),
        TaskStatus("drill", 1, NOW - timedelta(hours=1)),
    )

    words = shown(replace(WELL, tasks=tasks))

    assert "▲ Stands still: alert drills" in words
    assert "▲ Fails: age of the newest log, new error patterns (Elasticsearch does not answer)" in words
    assert "▲ Fails: reading of log files (the disk is full)" in words
    assert words.count("Fails") == 2


def test_a_metric_store_that_is_away_is_said_once() -> None:
    away = "connection refused"
    source = SourceStatus("Prometheus", "prometheus:9090", error=away)

    words = shown(
        replace(WELL, metric_source=source, tasks=(TaskStatus("metric freshness", 15, NOW, errors=1, error=away),))
    )

    assert "▲ Prometheus does not answer" in words
    assert "Fails" not in words


def test_a_store_that_began_anew_names_the_file_that_was_moved() -> None:
    words = shown(replace(WELL, replaced={"logs": "logs.duckdb.corrupt-1", "metrics": "metrics.duckdb.corrupt-2"}))

    assert "logs store was damaged and began anew; the old file is logs.duckdb.corrupt-1, the log files still" in words
    assert words.rstrip("]").endswith("metrics.duckdb.corrupt-2")
