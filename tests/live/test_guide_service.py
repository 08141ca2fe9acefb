"""The guide's own Winston, prom-client and Express code, collected across rotation and restarts: nothing twice or lost."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import pytest

from lib.collect.probe import Prober
from lib.collect.scrape import Scraper
from lib.collect.tail import Tail
from lib.logs.base import LogQuery
from lib.logs.duckdb import DuckLogs
from lib.metrics.duckdb import DuckMetrics
from lib.state.database import sqlite_url
from lib.state.health_sql import SqlHealthLog
from lib.state.migrate import open_state
from lib.status import TargetStatus
from lib.window import Window

from .conftest import GuideService, Written

pytestmark = pytest.mark.live
Make = Callable[..., GuideService]
ROUTE = 'route="/api/leads"'
SCRAPE_S = 0.2


class Asking(Protocol):
    """A scraper or a prober."""

    async def run(self, stop: asyncio.Event) -> None: ...

    def status(self) -> tuple[TargetStatus, ...]: ...


@contextmanager
def running(part: Asking) -> Iterator[None]:
    """Runs it in a thread, as the worker does."""
    ended = threading.Event()

    async def go() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(part.run(stop))
        while not ended.is_set():
            await asyncio.sleep(0.02)
        stop.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(go()))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(20)
    assert not thread.is_alive()


def eventually(condition: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def asked_after(part: Asking, moment: datetime) -> Callable[[], bool]:
    """Whether the service answered a question put after this moment."""
    return lambda: all((status.last_success or moment) > moment for status in part.status())


def send_leads(service: GuideService, numbers: range) -> None:
    for number in numbers:
        body = {"id": f"L-{number}", "source": "apollo", "company": "ACME", "credentials": {"password": "hunter2"}}
        sent = service.client.post(f"/api/leads?seq=r-{number}", json=body, headers={"x-request-id": f"r-{number}"})
        assert sent.status_code == 201


def refuse_lead(service: GuideService, number: int) -> None:
    headers = {"x-request-id": f"f-{number}"}
    assert (
        service.client.post(f"/api/leads/L-{number}/fail?seq=f-{number}", json={}, headers=headers).status_code == 500
    )


def raw_total(metrics: DuckMetrics, selector: str, window: Window) -> float:
    """What a counter counted, by hand: its first value and every rise after; a fall is a restart from zero."""
    answer = metrics.range(selector, window, timedelta(milliseconds=100))
    assert len(answer.labels) == 1
    seen = answer.values[0][answer.present[0]]
    return float(seen[0] + sum(b - a if b >= a else b for a, b in pairwise(seen)))


def test_counters_and_histograms_equal_what_was_sent_across_two_restarts(guide_service: Make, tmp_path: Path) -> None:
    service, metrics, began = guide_service(), DuckMetrics(tmp_path / "metrics.duckdb"), datetime.now(UTC)
    service.start()
    scraper = Scraper([f"{service.url}/metrics"], "halopsa-integration", metrics, SCRAPE_S)

    with running(scraper):
        for run in range(3):
            if run:
                service.start()
            send_leads(service, range(run * 10, run * 10 + 1))
            eventually(asked_after(scraper, datetime.now(UTC)))
            send_leads(service, range(run * 10 + 1, run * 10 + 5 + run))
            eventually(asked_after(scraper, datetime.now(UTC)))
            service.stop()
            eventually(lambda: scraper.status()[0].up is False)

    window = Window(began, datetime.now(UTC), "UTC")
    sent = 5 + 6 + 7
    requests = f'http_requests_total{{{ROUTE},status_code="201"}}'
    assert raw_total(metrics, requests, window) == sent
    for suffix in ("_count", '_bucket{le="+Inf"', '_bucket{le="10"'):
        name = f"http_request_duration_seconds{suffix}"
        selector = f"{name},{ROUTE}}}" if "{" in name else f"{name}{{{ROUTE}}}"
        assert raw_total(metrics, selector, window) == sent
    assert raw_total(metrics, 'leads_created_total{source="apollo"}', window) == sent
    assert metrics.instant(f"resets({requests}[5m])", window.end).scalar() == 2
    # Each run's first request was its first scrape's: `increase` sees the rises (4, 5, 6) and what both restarts brought
    # (1 and 1), and stretches them to the edges of the range by less than the gap between two scrapes on each side.
    increase = metrics.instant(f"increase({requests}[5m])", window.end).scalar()
    assert increase is not None
    assert sent - 1 <= increase <= (sent - 1) * 1.25
    metrics.close()


def test_node_default_metrics_and_the_scrapes_own_series_arrive(guide_service: Make, tmp_path: Path) -> None:
    service, metrics = guide_service(), DuckMetrics(tmp_path / "metrics.duckdb")
    service.start()
    scraper = Scraper([f"{service.url}/metrics"], "halopsa-integration", metrics, SCRAPE_S)

    with running(scraper):
        eventually(asked_after(scraper, datetime.now(UTC)))

    instance = service.url.removeprefix("http://")
    up = metrics.instant("up", datetime.now(UTC))
    assert [dict(labels) for labels in up.labels] == [
        {"__name__": "up", "job": "halopsa-integration", "instance": instance}
    ]
    assert up.scalar() == 1
    names = set(metrics.label_values("__name__"))
    assert {"nodejs_eventloop_lag_seconds", "process_cpu_seconds_total", "active_connections"} <= names
    metrics.close()


def test_a_stopped_service_is_down_and_its_series_end(guide_service: Make, tmp_path: Path) -> None:
    service, metrics = guide_service(), DuckMetrics(tmp_path / "metrics.duckdb")
    service.start()
    scraper = Scraper([f"{service.url}/metrics"], "halopsa-integration", metrics, SCRAPE_S)

    with running(scraper):
        eventually(asked_after(scraper, datetime.now(UTC)))
        service.stop()
        eventually(lambda: scraper.status()[0].up is False)

    now = datetime.now(UTC)
    assert metrics.instant("up", now).scalar() == 0
    assert metrics.instant("process_resident_memory_bytes", now).scalar() is None
    metrics.close()


def test_the_guides_health_is_told_without_its_epoch_and_its_zero(guide_service: Make, tmp_path: Path) -> None:
    service, metrics = guide_service(), DuckMetrics(tmp_path / "metrics.duckdb")
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    health = SqlHealthLog(state, failures=1, successes=1, interval_s=SCRAPE_S)
    service.start()
    prober = Prober([f"{service.url}/health"], "halopsa-integration", health, metrics, SCRAPE_S)

    with running(prober):
        eventually(asked_after(prober, datetime.now(UTC)))
        before = by_check(health)
        service.client.put("/stub/apollo", json={"down": True})
        eventually(lambda: by_check(health)["apollo"]["status"] == "unhealthy")
        during = by_check(health)
        service.client.put("/stub/apollo", json={"down": False})
        eventually(lambda: by_check(health)["apollo"]["status"] == "healthy")

    assert {"database", "halopsa", "apollo", "zoominfo", "queue", "system"} <= set(before)
    assert {row["status"] for row in before.values()} == {"healthy"}
    assert before["zoominfo"]["response_ms"] == 12
    for check in ("database", "halopsa"):  # Date.now(), and the 0 that stands for "not measured"
        assert before[check]["response_ms"] != before[check]["response_ms"], f"{check} shows a latency"
    assert during["apollo"]["reason"] == "connect ECONNREFUSED apollo"
    assert during["zoominfo"]["status"] == "healthy"
    state.close()
    metrics.close()


def by_check(health: SqlHealthLog) -> dict[str, dict[str, Any]]:
    return {row["check"]: row for row in health.now().to_dict("records")}


class Reader:
    """The tail into a real store, passing after each burst as the worker does twice a second."""

    def __init__(self, logs: DuckLogs, directory: Path) -> None:
        self._logs = logs
        self._globs = [f"{directory}/combined*.log"]
        self.tail = Tail(self._globs, logs)
        self._passes: list[tuple[float, float]] = []

    def catch_up(self) -> None:
        """Passes until nothing new came for three of them."""
        quiet = 0
        while quiet < 3:
            began = time.time() * 1000
            quiet = 0 if self.tail.poll().bytes_read else quiet + 1
            self._passes.append((began, time.time() * 1000))
            time.sleep(0.02)

    def restart(self) -> None:
        """A new tail that knows only what the store does."""
        self.tail.close()
        self.tail = Tail(self._globs, self._logs)

    def could_see(self, file: Written) -> bool:
        """Whether a whole pass fell into the time in which this file was there and had bytes."""
        return any(file.filled_at < began and ended < file.gone_at for began, ended in self._passes)

    def kept(self) -> list[dict[str, Any]]:
        """Every record in the store."""
        now = datetime.now(UTC)
        window = Window(now - timedelta(hours=1), now + timedelta(minutes=5), "UTC")
        assert self._logs.gaps(window).empty
        return list(self._logs.search(LogQuery(window), limit=10_000).to_dict("records"))


@pytest.fixture
def read(tmp_path: Path) -> Iterator[Callable[[Path], Reader]]:
    logs, made = DuckLogs(tmp_path / "logs.duckdb"), []

    def make(directory: Path) -> Reader:
        made.append(Reader(logs, directory))
        return made[-1]

    yield make
    for reader in made:
        reader.tail.close()
    logs.close()


def kept_identity(record: dict[str, Any]) -> tuple[str, str]:
    """A record's message and the number that its request was sent with."""
    sent = record["request_id"] or record["lead_id"] or record["url"].partition("seq=")[2]
    return record["message"], sent


def written_identity(record: dict[str, Any]) -> tuple[str, str]:
    """The same, of a record as Winston wrote it."""
    sent = record.get("requestId") or record.get("leadId") or record["url"].partition("seq=")[2]
    return record["message"], sent


def assert_every_line_once(service: GuideService, reader: Reader, sent: Counter[tuple[str, str]]) -> None:
    """Everything that a reader could see is kept once. What Winston dropped, or deleted at once, nobody can read."""
    lasting, fleeting = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for file in service.written():
        (lasting if reader.could_see(file) else fleeting).update(map(written_identity, file.records))
    kept = Counter(map(kept_identity, reader.kept()))

    lost = {
        (file.name, file.filled_at, file.gone_at): sorted(missing)
        for file in service.written()
        if (missing := [one for one in map(written_identity, file.records) if one in lasting - kept])
    }
    assert lost == {}
    assert not kept - lasting - fleeting, "twice, or never written"
    assert not lasting + fleeting - sent, "the witness saw more than was sent"
    assert lasting.total() >= 0.7 * sent.total(), "Winston kept too little to prove anything"


def lines_of(leads: range, refused: range) -> Counter[tuple[str, str]]:
    told = [(message, f"r-{n}") for n in leads for message in ("API Request Started", "API Request Completed")]
    told += [(message, f"f-{n}") for n in refused for message in ("API Request Started", "API Request Completed")]
    told += [("HTTP Request", f"r-{n}") for n in leads] + [("HTTP Request", f"f-{n}") for n in refused]
    told += [("Lead Created", f"L-{n}") for n in leads] + [("Operation Failed", f"L-{n}") for n in refused]
    return Counter(told)


def generations(directory: Path) -> set[tuple[str, bytes]]:
    """Every name with the line that its file begins with (inodes are given again, lines are not)."""
    seen = set()
    for path in directory.glob("combined*.log"):
        with suppress(FileNotFoundError), path.open("rb") as file:  # Winston renames as we look
            seen.add((path.name, file.readline()))
    return {(name, line) for name, line in seen if line}


@pytest.mark.parametrize("tailable", ["0", "1"], ids=["new names", "tailable"])
def test_every_line_arrives_once_across_rotation_and_two_restarts(
    guide_service: Make, read: Callable[[Path], Reader], tailable: str
) -> None:
    service = guide_service(LOG_MAX_SIZE="2000", LOG_MAX_FILES="5", LOG_TAILABLE=tailable)
    reader, seen = read(service.logs), set()

    for run in range(3):
        service.start()
        for burst in range(run * 8, run * 8 + 8):
            send_leads(service, range(burst * 2, burst * 2 + 2))
            refuse_lead(service, burst)
            seen |= generations(service.logs)
            reader.catch_up()
        service.stop()
        reader.catch_up()

    used = Counter(name for name, _ in seen)
    assert len(seen) > 10, "too few files to prove anything about rotation"
    assert used.most_common(1)[0][1] > 1, "no name was used twice"
    assert not (service.logs / "combined1.log").exists() or tailable == "1", "nothing was deleted"
    assert_every_line_once(service, reader, lines_of(range(48), range(24)))


def test_every_line_arrives_once_when_service_and_reader_both_stop_and_start(
    guide_service: Make, read: Callable[[Path], Reader]
) -> None:
    service = guide_service(LOG_MAX_SIZE="4000", LOG_MAX_FILES="20")
    reader = read(service.logs)

    for run in range(4):
        service.start()
        send_leads(service, range(run * 10, run * 10 + 4))
        reader.catch_up()
        send_leads(service, range(run * 10 + 4, run * 10 + 10))  # written while nobody reads
        reader.restart()
        refuse_lead(service, run)
        service.stop()
    reader.catch_up()

    assert_every_line_once(service, reader, lines_of(range(40), range(4)))


def test_what_winston_wrote_is_understood_and_the_secret_that_the_guide_lets_through_is_gone(
    guide_service: Make, read: Callable[[Path], Reader]
) -> None:
    service = guide_service()
    service.start()
    send_leads(service, range(1))
    refuse_lead(service, 7)
    service.stop()
    reader = read(service.logs)

    reader.catch_up()

    records = {kept_identity(record): record for record in reader.kept()}
    request = records["HTTP Request", "r-0"]
    assert (request["method"], request["status"], request["level"]) == ("POST", 201, "INFO")
    assert (request["service"], request["version"]) == ("halopsa-integration", "1.4.2")
    assert request["duration_ms"] >= 0
    failed = records["Operation Failed", "L-7"]
    assert (failed["level"], failed["operation"], failed["error"]) == ("ERROR", "lead.sync", "lead L-7 was refused")
    assert "service.js" in failed["stack"]
    written = "".join(path.read_text(encoding="utf-8") for path in service.logs.glob("combined*.log"))
    assert "hunter2" in written, "the guide's shallow redaction got better: this test proves nothing any more"
    assert "hunter2" not in str(list(records.values()))
