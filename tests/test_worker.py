"""The worker on real stores and a real address: it fills them, outlives failures, and ends quickly."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lib import notes
from lib.collect import spool
from lib.collect.cadence import utc_now
from lib.collect.import_progress import ImportProgress
from lib.errors import SourceUnavailable
from lib.logs.base import LogQuery
from lib.settings import Settings
from lib.status import ImportStatus
from lib.ui import loops
from lib.window import Window
from lib.wiring import OpenStores, open_stores
from lib.worker import Worker
from tests import fault_server as faults
from tests.fault_server import FaultServer

REPORT = {"status": "healthy", "checks": {"database": {"status": "healthy", "response_time": 5}}}


def until(condition: Callable[[], object], within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        running.says("/metrics", faults.answer(b"queue_size 7\n"))
        running.says("/health", faults.json_answer(REPORT))
        yield running


@pytest.fixture
def settings(tmp_path: Path, server: FaultServer) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        scrape_targets=(server.url("/metrics"),),
        health_targets=(server.url("/health"),),
        scrape_interval_s=1,
        probe_interval_s=1,
    )


@pytest.fixture
def stores(settings: Settings) -> Iterator[OpenStores]:
    opened = open_stores(settings)
    yield opened
    opened.close()


def test_what_is_scraped_and_probed_is_there_to_ask_for(settings: Settings, stores: OpenStores) -> None:
    worker = Worker(settings, stores)
    worker.start()

    until(lambda: stores.metrics.instant("queue_size", utc_now()).scalar() == 7)
    until(lambda: set(stores.health.now()["check"]) == {"service", "database"})
    until(lambda: stores.metrics.instant('health_check_up{check="database"}', utc_now()).scalar() == 1)

    assert worker.stop()
    status = worker.status()
    assert [target.up for target in (*status.scrapes, *status.probes)] == [True, True]
    assert (status.stuck, status.last_error) == ((), "")
    assert status.scrape_age_s is not None


def test_a_state_database_that_was_away_is_asked_about_alerts_again_within_five_seconds(
    settings: Settings, stores: OpenStores
) -> None:
    worker = Worker(settings, stores)

    waits = {loop.name: loop.longest_wait_s for loop in worker._loops}

    alerting = ("lease", "evaluation", "keeping alerts", "decide")
    assert [waits[name] for name in alerting] == [5, 5, 5, 5], (
        "with the usual minute nobody is told, or follows, so long"
    )
    assert waits["retention"] == 3600


def test_a_prometheus_that_came_back_is_not_called_down_for_the_length_of_a_wait(
    settings: Settings, tmp_path: Path
) -> None:
    asked = settings.model_copy(update={"prometheus_url": "http://127.0.0.1:9", "data_dir": tmp_path / "remote"})
    opened = open_stores(asked)
    worker = Worker(asked, opened)

    [look] = [loop for loop in worker._loops if loop.name == "metric freshness"]

    assert look.longest_wait_s <= 15, "MetricSourceDown fires after two minutes"
    opened.close()


@pytest.mark.slow
def test_a_line_that_is_written_can_be_searched_and_a_restart_reads_it_once(
    settings: Settings, stores: OpenStores, tmp_path: Path
) -> None:
    file = tmp_path / "logs" / "combined.log"
    file.parent.mkdir()
    line = {"timestamp": utc_now().isoformat(), "level": "ERROR", "message": "it broke", "service": "s", "version": "1"}
    file.write_text(json.dumps(line) + "\n", encoding="utf-8")
    following = settings.model_copy(update={"log_files": (f"{file.parent}/combined*.log",)})
    worker = Worker(following, stores)
    worker.start()

    until(lambda: worker.status().newest_log is not None)

    assert worker.stop()
    assert worker.status().tail["records"] == 1
    again = Worker(following, stores)
    again.start()
    with file.open("a", encoding="utf-8") as more:
        more.write(json.dumps(line | {"message": "again"}) + "\n")
    until(lambda: again.status().tail["records"])
    assert again.stop()
    found = stores.logs.search(LogQuery(Window.last("1h", utc_now() + timedelta(minutes=1))))
    assert sorted(found["message"]) == ["again", "it broke"]


@pytest.mark.slow
def test_what_waits_in_the_spool_is_taken_in_and_progress_is_shown(settings: Settings, stores: OpenStores) -> None:
    folder, now = spool.folder_of(settings.data_dir), utc_now()
    past = {"target": "b:2", "ts": (now - timedelta(days=1)).isoformat(), "status_code": 200, "body": REPORT}
    spool.Writer(folder).health([json.dumps(past).encode()])
    ImportProgress("job", 3, 10, 1, now, now, current="health.jsonl").save(folder)
    worker = Worker(settings, stores)
    worker.start()

    until(lambda: "b:2" in set(stores.health.now()["target"]))
    until(lambda: worker.status().imports == ImportStatus(3, 10, "health.jsonl"))
    ImportProgress("job", 10, 10, 1, now, now, done=True).save(folder)
    until(lambda: not worker.status().imports.running)

    assert worker.stop()


def test_an_import_that_died_is_not_shown_for_ever(settings: Settings, stores: OpenStores) -> None:
    folder, then = spool.folder_of(settings.data_dir), utc_now() - timedelta(minutes=3)
    ImportProgress("job", 3, 10, 1, then, then).save(folder)
    worker = Worker(settings, stores)
    worker.start()

    until(lambda: all(task.last_beat > worker.status().started_at for task in worker.status().tasks))

    assert not worker.status().imports.running
    assert worker.stop()


@pytest.mark.slow
def test_it_ends_in_three_seconds_although_an_address_hangs(
    settings: Settings, stores: OpenStores, server: FaultServer
) -> None:
    server.says("/metrics", faults.hang())
    server.says("/health", faults.hang())
    slow = settings.model_copy(update={"scrape_interval_s": 30, "probe_interval_s": 30})
    worker = Worker(slow, stores)
    worker.start()
    until(lambda: server.seen("/metrics") and server.seen("/health"))

    began = time.monotonic()

    assert worker.stop()
    assert time.monotonic() - began < 3


def test_a_part_that_fails_is_told_and_the_others_go_on(
    settings: Settings, stores: OpenStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> datetime | None:
        raise SourceUnavailable("the disk is full", "logs")

    monkeypatch.setattr(stores.logs, "newest", broken)
    worker = Worker(settings, stores)
    worker.start()

    until(lambda: worker.status().last_error == "freshness: the disk is full")
    seen = worker.status().scrapes[0].attempts
    until(lambda: worker.status().scrapes[0].attempts > seen)

    assert worker.stop()


def test_a_worker_without_targets_or_files_starts_and_ends(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    stores = open_stores(settings)
    worker = Worker(settings, stores)

    worker.start()

    until(lambda: all(task.last_beat > worker.status().started_at for task in worker.status().tasks))
    assert worker.stop()
    assert worker.status().scrape_age_s is None
    stores.close()


def test_every_loop_has_words_for_people(settings: Settings, stores: OpenStores) -> None:
    names = {task.name for task in Worker(settings, stores).status().tasks}

    assert [name for name in names if loops.words(name) == name] == []


def test_new_errors_are_unknown_while_the_log_store_is_silent_and_a_partial_answer_takes_none_away_f17(
    settings: Settings, stores: OpenStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, answers = Worker(settings, stores), iter([(3, False), (0, True), None, (0, True), (2, True), (0, False)])

    def told(*_: object) -> int:
        answer = next(answers)
        if answer is None:
            raise SourceUnavailable("no answer in time", "logs")
        if answer[1]:
            notes.say("logs", "2 of 5 shards did not answer")
        return answer[0]

    monkeypatch.setattr("lib.worker.bursts", told)
    known = []
    for _ in range(6):
        with suppress(SourceUnavailable):
            worker._look_for_new_errors()
        known.append(worker.status().new_error_patterns)

    assert known == [3, 3, None, None, 2, 0]
