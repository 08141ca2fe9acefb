"""Scraping real addresses that behave and misbehave (F14, A19, A20)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lib.collect.cadence import rounds, utc_now
from lib.collect.scrape import Limits, Scraper
from lib.status import TargetStatus
from tests import fault_server as faults
from tests.collect.sinks import KeptSamples
from tests.fault_server import FaultServer

GOOD = b'# HELP a_total x\na_total{route="/x"} 3\nqueue_size{queue_name="sync"} 7\n'


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def scrape(scraper: Scraper, until: Callable[[], bool], within_s: float = 8) -> None:
    """Runs the scraper until a condition holds."""

    async def run() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(scraper.run(stop))
        deadline = time.monotonic() + within_s
        while not until() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        stop.set()
        await task

    asyncio.run(run())
    assert until(), "the condition did not come true"


def attempts(scraper: Scraper, count: int) -> Callable[[], bool]:
    return lambda: all(status.attempts >= count for status in scraper.status())


def once(server: FaultServer, sink: KeptSamples, *, interval_s: float = 30, **options: object) -> TargetStatus:
    """One scrape of /metrics."""
    scraper = Scraper([server.url("/metrics")], "job", sink, interval_s, **options)  # type: ignore[arg-type]
    scrape(scraper, attempts(scraper, 1))
    return scraper.status()[0]


def test_a_good_scrape_stores_every_sample_with_job_and_instance_and_its_own_series(server: FaultServer) -> None:
    server.says("/metrics", faults.answer(GOOD))
    sink = KeptSamples()

    status = once(server, sink)

    mine = {"job": "job", "instance": server.instance}
    assert sink.values("a_total", route="/x", **mine) == [3]
    assert sink.values("queue_size", queue_name="sync", **mine) == [7]
    assert sink.values("up", **mine) == [1]
    assert sink.values("scrape_samples_scraped", **mine) == [2]
    assert 0 < float(sink.values("scrape_duration_seconds", **mine)[0]) < 5
    assert len(sink.batches) == 1  # one transaction: all or nothing
    assert (status.up, status.samples, status.error, status.last_success) == (True, 2, "", status.last_attempt)


def test_a_packed_answer_is_read(server: FaultServer) -> None:
    server.says("/metrics", faults.packed(GOOD))
    sink = KeptSamples()

    assert once(server, sink).up
    assert server.seen("/metrics")[0].headers["accept-encoding"] == "gzip"
    assert sink.values("a_total") == [3]


F14 = {
    "500": (faults.answer(GOOD, 500), "HTTP 500"),
    "429": (faults.too_many(), "HTTP 429"),
    "redirect": (faults.redirect("http://169.254.169.254/"), "redirects are not followed"),
    "hangs": (faults.hang(), "no whole answer within 1 s"),
    "hangs after headers": (faults.hang_after_headers(), "no whole answer within 1 s"),
    "drips": (faults.drip(GOOD * 5), "no whole answer within 1 s"),
    "reset": (faults.reset(), "closed in the middle"),
    "closes mid-body": (faults.close_mid_body(GOOD), "closed in the middle"),
    "cut chunked": (faults.cut_chunked(GOOD), "closed in the middle"),
    "half without length": (faults.half_without_length(GOOD), "breaks off in the middle of a line"),
    "empty": (faults.answer(b""), "the answer is empty"),
    "HTML": (faults.answer(b"<html></html>\n", content_type="text/html; charset=utf-8"), "text/html, not metrics"),
    "HTML as text": (faults.answer(b"<html></html>\n"), "not in Prometheus' format"),
    "JSON": (faults.json_answer({"a": 1}), "application/json, not metrics"),
    "bad line": (faults.answer(GOOD + b"a_total{ 5\n"), "not in Prometheus' format: line 4"),
    "binary": (faults.answer(bytes(range(256)) + b"\n"), "not in Prometheus' format"),
    "not HTTP": (faults.not_http(), "closed in the middle"),
    "packed and cut": (faults.packed(GOOD * 100, cut=True), "packed answer breaks off"),
    "not really packed": (faults.answer(GOOD, headers={"content-encoding": "gzip"}), "packed answer is broken"),
    "packed otherwise": (faults.answer(GOOD, headers={"content-encoding": "br"}), "not asked for"),
    "huge": (faults.huge(50_000_000), "over 10 MB"),
    "bomb": (faults.gzip_bomb(200_000_000), "over 10 MB"),
}


@pytest.mark.parametrize("name", F14)
def test_a_bad_answer_is_up_0_with_its_reason_and_nothing_of_it_is_kept(server: FaultServer, name: str) -> None:
    fault, reason = F14[name]
    server.says("/metrics", fault)
    sink = KeptSamples()

    status = once(server, sink, interval_s=1)

    assert reason in status.error
    assert (status.up, status.last_success, status.last_error) == (False, None, status.error)
    assert sink.values("up")[0] == 0
    assert sink.values("a_total") == []


def test_an_address_that_refuses_is_up_0() -> None:
    with FaultServer() as server:
        pass  # its port is closed now
    sink = KeptSamples()

    status = once(server, sink)

    assert sink.values("up") == [0]
    assert status.error.startswith("cannot connect")


def test_a_series_that_vanished_is_marked_stale_once(server: FaultServer) -> None:
    server.says("/metrics", faults.answer(GOOD), faults.answer(b'queue_size{queue_name="sync"} 8\n'))
    sink = KeptSamples()
    scraper = Scraper([server.url("/metrics")], "job", sink, 0.2)

    scrape(scraper, attempts(scraper, 4))

    assert sink.values("a_total")[:3] == [3, "stale"]
    assert "stale" not in sink.values("queue_size")


def test_all_series_of_a_failed_target_are_marked_stale_and_come_back(server: FaultServer) -> None:
    server.says("/metrics", faults.answer(GOOD), faults.answer(b"", 500), faults.answer(b"", 500), faults.answer(GOOD))
    sink = KeptSamples()
    scraper = Scraper([server.url("/metrics")], "job", sink, 0.2)

    scrape(scraper, attempts(scraper, 4))

    assert sink.values("a_total")[:3] == [3, "stale", 3]
    assert sink.values("queue_size")[:3] == [7, "stale", 7]
    assert sink.values("up")[:4] == [1, 0, 0, 1]
    status = scraper.status()[0]
    assert (status.up, status.error, status.last_error) == (True, "", "HTTP 500")


def test_too_many_samples_refuse_the_scrape_and_are_counted(server: FaultServer) -> None:
    server.says("/metrics", faults.answer(b"".join(b'm{n="%d"} 1\n' % i for i in range(30))))
    sink = KeptSamples()

    status = once(server, sink, limits=Limits(samples=20))

    assert status.error == "30 samples, more than the 20 that are taken"
    assert (status.dropped, sink.values("m"), sink.values("up")) == (30, [], [0])


def test_ten_to_the_fifth_series_are_refused_under_the_true_caps(server: FaultServer) -> None:
    server.says("/metrics", faults.answer(b"".join(b'm{n="%d"} 1\n' % i for i in range(100_000))))
    sink = KeptSamples()

    status = once(server, sink)

    assert status.error == "100,000 samples, more than the 50,000 that are taken"
    assert (status.dropped, len(sink.batches[0].values)) == (100_000, 3)


def test_series_that_change_with_every_scrape_meet_the_cap_of_the_hour(server: FaultServer) -> None:
    def generation(k: int) -> faults.Fault:
        return faults.answer(b"".join(b'm{n="%d-%d"} 1\n' % (k, i) for i in range(10)))

    server.says("/metrics", *(generation(k) for k in range(6)))
    sink = KeptSamples()
    scraper = Scraper([server.url("/metrics")], "job", sink, 0.2, limits=Limits(series=35))

    scrape(scraper, attempts(scraper, 5))

    assert sink.values("up")[:5] == [1, 1, 1, 0, 0]
    assert "40 series within an hour, more than the 35" in scraper.status()[0].error


def test_a_sample_from_the_far_future_is_dropped_and_counted(server: FaultServer) -> None:
    later = int((utc_now() + timedelta(hours=1)).timestamp() * 1000)
    server.says("/metrics", faults.answer(GOOD + b"ahead 1 %d\n" % later))
    sink = KeptSamples()

    status = once(server, sink)

    assert (status.up, status.samples, status.dropped) == (True, 2, 1)
    assert sink.values("ahead") == []


@pytest.mark.slow
def test_another_target_keeps_its_cadence_while_one_hangs(server: FaultServer) -> None:
    server.says("/hangs", faults.hang())
    server.says("/good", faults.answer(GOOD))
    sink = KeptSamples()
    scraper = Scraper([server.url("/hangs"), server.url("/good")], "job", sink, 0.3)

    scrape(scraper, lambda: len(server.seen("/good")) >= 8)

    arrivals = np.array([request.at for request in server.seen("/good")])
    assert np.abs(np.diff(arrivals)[1:] - 0.3).max() < 0.2
    good = f"{server.instance}/good"  # host and port are shared, so the path tells them apart
    stamps = np.array([ts for ts, _ in sink.points("up", instance=good)])
    assert np.abs(np.diff(stamps)[1:] - 300).max() < 200
    assert set(sink.values("up", instance=f"{server.instance}/hangs")) == {0}


def test_a_store_that_is_down_costs_samples_not_the_scraper(server: FaultServer) -> None:
    server.says("/metrics", faults.answer(GOOD))
    sink = KeptSamples()
    sink.broken = True
    scraper = Scraper([server.url("/metrics")], "job", sink, 0.2)

    def heal() -> bool:
        sink.broken = scraper.status()[0].attempts < 2
        return bool(sink.batches)

    scrape(scraper, heal)

    assert scraper.status()[0].last_error == "the samples could not be stored: the disk is full"


def test_credentials_of_an_address_are_used_but_never_told(server: FaultServer) -> None:
    server.says("/metrics", faults.answer(b"", 401))
    scraper = Scraper([server.url("/metrics?token=hunter2", userinfo="ops:hunter2@")], "job", sink := KeptSamples())

    scrape(scraper, attempts(scraper, 1))

    assert server.requests[0].headers["authorization"].startswith("Basic ")
    assert "hunter2" not in repr(scraper.status()) + repr([batch.labels for batch in sink.batches])


@pytest.mark.slow
def test_rounds_stay_on_the_grid_although_each_takes_a_while() -> None:
    async def collect() -> list[float]:
        stop, found = asyncio.Event(), []
        async for at in rounds(0.5, 0.05, utc_now, stop):
            found.append(at.timestamp())
            await asyncio.sleep(0.1 if len(found) != 4 else 0.6)  # the fourth runs over the next one's time
            if len(found) == 7:
                stop.set()
        return found

    found = np.array(asyncio.run(collect()))

    turns = (found[1:] - 0.05) / 0.5
    assert np.median(np.abs(turns - turns.round())) < 0.1  # the median: a busy machine wakes one of them late
    assert np.diff(np.floor(turns + 0.1)).tolist() == [1, 1, 2, 1, 1]


def test_rounds_end_when_they_are_told_to() -> None:
    async def count() -> int:
        stop, found = asyncio.Event(), 0
        async for _ in rounds(60, 0, lambda: datetime(2026, 3, 2, tzinfo=UTC), stop):
            found += 1
            stop.set()
        return found

    assert asyncio.run(asyncio.wait_for(count(), 2)) == 1


@pytest.mark.parametrize("jump_s", [-3600, 3600])
@pytest.mark.parametrize("while_scraping", [False, True])
def test_f12_rounds_go_on_when_the_clock_jumps_by_an_hour(jump_s: int, while_scraping: bool) -> None:
    shift = timedelta(0)

    async def collect() -> list[float]:
        nonlocal shift
        stop, found = asyncio.Event(), []

        def jump() -> None:
            nonlocal shift
            shift = timedelta(seconds=jump_s)

        async for _ in rounds(0.2, 0.05, lambda: utc_now() + shift, stop):
            found.append(time.monotonic())
            if len(found) == 2:
                jump() if while_scraping else asyncio.get_running_loop().call_later(0.05, jump)
            if len(found) == 6:
                stop.set()
        return found

    found = asyncio.run(asyncio.wait_for(collect(), 10))

    assert np.diff(found).max() < 1.0
