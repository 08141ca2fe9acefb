"""A11, A14, A20 and F14 on the real stores: what people, labels and targets may send that means harm."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from lib.collect.cadence import utc_now
from lib.collect.scrape import Scraper
from lib.duck import Database
from lib.errors import QueryError, SourceRejected
from lib.http import StatusCollector
from lib.logs.base import GROUP_FIELDS, LogQuery, Match
from lib.logs.duckdb import DuckLogs
from lib.metrics.base import Result
from lib.metrics.duckdb import DuckMetrics
from lib.status import WorkerStatus
from lib.window import Window
from tests import fault_server as faults
from tests.fault_server import FaultServer
from tests.logs.batches import NOON, batch, request
from tests.seed import samples

REACHING = (
    "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_json('/etc/passwd')", "SELECT * FROM '/etc/passwd'",
    "COPY (SELECT 1) TO '{0}'", "EXPORT DATABASE '{0}'", "ATTACH '{0}'", "INSTALL httpfs", "LOAD httpfs",
    "SET enable_external_access = true", "SET lock_configuration = false", "SET home_directory = '/'",
)  # fmt: skip
WINDOW = Window(NOON - timedelta(hours=1), NOON + timedelta(hours=1))
HOSTILE = (
    "'; DROP TABLE records; --", "' OR '1'='1", '" OR ""="', "x' UNION SELECT * FROM read_csv('/etc/passwd') --", "%", "_",
    "$1", "?", "\\", "\x00", "');SET enable_external_access=true;--", "5xx", "9xx", "ſxx", "\u202e", "*", "(a+)+$",
)  # fmt: skip
hostile = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12), st.sampled_from(HOSTILE).map(lambda text: text * 3))


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[DuckLogs]:
    store = DuckLogs(tmp_path / "logs.duckdb")
    store.write(batch([request(5, route="/a"), request(7, route="/b", level="ERROR", status=500)]))
    yield store
    store.close()


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[DuckMetrics]:
    store = DuckMetrics(tmp_path / "metrics.duckdb")
    store.append(samples({(("__name__", "up"), ("instance", name)): np.ones(1) for name in ("a", "b")}))
    yield store
    store.close()


@pytest.mark.parametrize("sql", REACHING)
def test_a11_both_stores_are_locked_down(logs: DuckLogs, metrics: DuckMetrics, tmp_path: Path, sql: str) -> None:
    out, databases = tmp_path / "stolen", (logs._db, metrics._database)

    for database in databases:
        assert isinstance(database, Database)
        with pytest.raises(SourceRejected):
            database.rows(sql.format(out))
        with pytest.raises(SourceRejected), database.write() as writer:
            writer.execute(sql.format(out))

    assert not out.exists()
    assert [database.rows("SELECT 1") for database in databases] == [[(1,)], [(1,)]]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*GROUP_FIELDS, "request_id", *HOSTILE]), st.lists(hostile, max_size=3), st.booleans()
        ),
        max_size=3,
    ),
    hostile,
    st.sampled_from([None, (NOON, "' OR 1=1 --")]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a11_a_hostile_filter_is_refused_or_only_a_filter(
    logs: DuckLogs, parts: list[tuple[str, list[str], bool]], text: str, before: tuple[datetime, str] | None
) -> None:
    where = tuple(Match(field, tuple(values), negated) for field, values, negated in parts)
    query = LogQuery(WINDOW, where, text)
    everything = LogQuery(WINDOW)

    for ask in (
        lambda: logs.totals(query, ("route",)), lambda: logs.durations(query, ("route",)), lambda: logs.patterns(query),
        lambda: logs.search(query, 10, before), lambda: logs.duration_histogram(query, (0.0, 10.0)),
    ):  # fmt: skip
        with suppress(QueryError):  # said to the person; anything else fails the test
            assert len(ask()) <= 2

    assert logs.totals(everything)["records"].tolist() == [2]
    if any(match.field in HOSTILE for match in where):
        with pytest.raises(QueryError):
            logs.totals(query)


@given(st.sampled_from(["=", "!=", "=~", "!~"]), hostile)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a11_a_hostile_label_matcher_is_refused_or_only_a_matcher(metrics: DuckMetrics, sign: str, text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    at = datetime.fromtimestamp(metrics.newest().timestamp(), UTC)  # type: ignore[union-attr]

    for expression in (f'up{{instance{sign}"{quoted}"}}', f'up{{instance{sign}"{text}"}}', f"up{{{text}}}"):
        with suppress(QueryError):
            assert isinstance(metrics.instant(expression, at), Result)
    with suppress(QueryError):
        assert set(metrics.label_values("instance", f'up{{instance{sign}"{quoted}"}}')) <= {"a", "b"}

    assert metrics.label_values("instance") == ["a", "b"]
    assert metrics.series_count() == 2


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){20}$", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a14_a_hostile_pattern_costs_no_time(metrics: DuckMetrics, pattern: str) -> None:
    text = "a" * 30_000 + "!"
    metrics._re2.matches("warm", ["up"])
    started = time.perf_counter()

    assert metrics._re2.matches(pattern, [text]) == [False]

    assert time.perf_counter() - started < 1  # Python's re needs longer than the universe has; alone it takes some 5 ms


def many(count: int, generation: str = "") -> faults.Fault:
    return faults.answer(b"".join(b'm{n="%s%d"} 1\n' % (generation.encode(), i) for i in range(count)))


@pytest.mark.live
def test_f14_whatever_one_target_does_the_other_keeps_its_cadence(metrics: DuckMetrics) -> None:
    bad = (faults.huge(50_000_000), faults.gzip_bomb(200_000_000), many(100_000), faults.answer(b"", 500),
           faults.close_mid_body(b"m 1\n"), faults.redirect("http://169.254.169.254/"), faults.drip(b"m 1\n" * 50),
           faults.answer(b"<html></html>\n"), faults.hang_after_headers(), faults.hang())  # fmt: skip
    with FaultServer() as broken, FaultServer() as sound:
        broken.says("/metrics", faults.answer(b"m 1\n"), *bad)
        sound.says("/metrics", faults.answer(b"fine 1\n"))
        scraper = Scraper([broken.url("/metrics"), sound.url("/metrics")], "job", metrics, 1.0)

        async def run() -> None:
            stop = asyncio.Event()
            task = asyncio.create_task(scraper.run(stop))
            deadline = time.monotonic() + 60
            while len(broken.seen("/metrics")) < len(bad) + 2 and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            stop.set()
            await task

        asyncio.run(run())
        arrivals = np.diff([request.at for request in sound.seen("/metrics")])
        status = scraper.status()[0]

    assert len(arrivals) >= len(bad)
    assert np.abs(arrivals - 1).max() < 1, arrivals.round(2)
    assert status.up is False
    assert status.duration_s <= 10
    ups = metrics.range(
        f'up{{instance="{broken.instance}"}}', Window.last("2m", utc_now()), timedelta(milliseconds=250)
    )
    assert {0.0, 1.0} == set(ups.values[ups.present])
    assert metrics.instant("m", utc_now()).labels == ()  # stale, and nothing of the bad answers was kept
    assert metrics.instant("fine", utc_now()).scalar() == 1
    assert metrics.series_count() <= 10


def test_a20_refused_series_are_counted_where_operators_look(metrics: DuckMetrics) -> None:
    with FaultServer() as server:
        server.says("/metrics", many(9_000), many(9_000, "x"), many(100_000))
        scraper = Scraper([server.url("/metrics")], "job", metrics, 1.0)

        async def run() -> None:
            stop = asyncio.Event()
            task = asyncio.create_task(scraper.run(stop))
            while scraper.status()[0].attempts < 3:
                await asyncio.sleep(0.02)
            stop.set()
            await task

        asyncio.run(asyncio.wait_for(run(), 60))
    now = utc_now()
    status = WorkerStatus(at=now, started_at=now, scrapes=scraper.status())
    registry = CollectorRegistry()
    registry.register(StatusCollector(lambda: status))

    target = status.as_json()["scrapes"][0]
    assert metrics.series_count() == 9_000 + 3 + 2  # the scrape's own, and the two of the fixture
    assert target["dropped"] == 109_000
    assert target["last_error"] == "100,000 samples, more than the 50,000 that are taken"
    assert b'halo_ops_scrape_dropped_total{instance="' in generate_latest(registry)
    assert b"} 109000.0" in generate_latest(registry)
