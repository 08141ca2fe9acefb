"""Elasticsearch and Prometheus beside the embedded stores on the same data in one run: questions, pages, shipping."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from elasticsearch import Elasticsearch, helpers
from streamlit.testing.v1 import AppTest

from lib import shared_answers, signals
from lib.logs.base import LogQuery, Match
from lib.logs.duckdb import DuckLogs
from lib.logs.elastic.client import Access
from lib.logs.elastic.ship import Shipper
from lib.settings import Settings
from lib.stores import Stores
from lib.ui import cache, runtime
from lib.ui.pages import entry
from lib.window import Window
from tests.bench.log_week import END, LENGTH, week
from tests.bench.remote_world import Remote, actions, embedded_world, remote_world
from tests.logs.indices import Indices
from tests.seed import RULES

pytestmark = [pytest.mark.bench, pytest.mark.live, pytest.mark.timeout(1800)]

RECORDS = int(os.environ.get("BENCH_RECORDS", "1_000_000"))
SHELL = str(Path(__file__).parents[2] / "lib" / "ui" / "shell.py")
ERRORS = (Match("level", ("error",)),)
ASKING = ("", "errors", "performance", "queues", "leads", "system", "logs", "health")
"""The pages of the service: the others ask the state database, or nothing until somebody types."""

MOST_OVER = 1.5
"""A page's time on servers against that of the same requests sent together and bare, and the work on their answers."""

Asked = tuple[str, Window, dict[str, Any]]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with embedded_world(tmp_path_factory.mktemp("bench") / "embedded", RECORDS) as stores:
        yield stores


@pytest.fixture(scope="module")
def remote(embedded: Stores, elasticsearch8: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with remote_world(tmp_path_factory.mktemp("servers"), embedded, elasticsearch8, RECORDS) as world:
        yield world


def test_each_dashboard_aggregation_is_at_least_twice_as_quick_embedded(embedded: Stores, remote: Remote) -> None:
    took: dict[str, dict[str, list[float]]] = {}
    for turn in range(7):
        end = END - turn * timedelta(minutes=1)  # or the cluster would answer from its memory of the question before
        for name in _aggregations(remote.stores, Window(end - LENGTH, end)):
            for where, stores in (("embedded", embedded), ("remote", remote.stores)):
                ask = _aggregations(stores, Window(end - LENGTH, end))[name]
                shared_answers.forget()  # one question's answer holds a part of another's
                took.setdefault(name, {}).setdefault(where, []).append(_took(ask))
    ratios = {
        name: statistics.median(times["embedded"]) / statistics.median(times["remote"]) for name, times in took.items()
    }

    for name, times in took.items():
        ours, theirs = (statistics.median(times[where]) * 1000 for where in ("embedded", "remote"))
        print(f"{name:22s} embedded {ours:7.1f} ms  Elasticsearch {theirs:7.1f} ms  {ratios[name]:.2f}")
    assert max(ratios.values()) <= 0.5


def _aggregations(stores: Stores, window: Window) -> dict[str, Callable[[], object]]:
    logs, every, errors, step = stores.logs, LogQuery(window), LogQuery(window, ERRORS), window.step()
    return {
        "trend by level": lambda: logs.totals(every, by=["level"], step=step),
        "errors": lambda: logs.totals(errors),
        "errors by operation": lambda: logs.totals(errors, by=["operation"]),
        "error patterns": lambda: logs.patterns(errors),
        "latency": lambda: logs.durations(every),
        "latency over time": lambda: logs.durations(every, step=step),
        "slowest routes": lambda: logs.durations(every, by=["method", "route"]),
        "distribution": lambda: logs.duration_histogram(every, [0, 100, 500, 1000, 5000]),
    }


def _took(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


@pytest.mark.parametrize("hours", [6, 24])
def test_a_page_on_servers_takes_little_more_than_its_bare_requests_and_its_own_work(
    hours: int, embedded: Stores, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window(END - timedelta(hours=hours), END)
    found = {}
    for url_path in ASKING:
        asked = _asked_by(url_path, window, remote.stores, tmp_path, monkeypatch)
        found[url_path] = [_page_round(asked, turn, embedded, remote, tmp_path) for turn in range(1, 8)]
    of_limit = {url_path: statistics.median(round.of_limit for round in rounds) for url_path, rounds in found.items()}

    print(
        f"\n{hours} h, ms: page on servers, embedded; bare: slowest, together; own work; requests, questions; of the limit"
    )
    for url_path, rounds in found.items():
        best = Round(*(min(column) for column in zip(*rounds, strict=True)))
        times = " ".join(f"{s * 1000:6.0f}" for s in best[:5])
        print(f"{url_path or 'overview':12s}{times} {best.requests:4d} {best.questions:4d}  {of_limit[url_path]:.2f} "
              f"({best.page_s / best.slowest_s:.1f} times its slowest request)")  # fmt: skip
    assert max(of_limit.values()) <= 1


class Round(NamedTuple):
    """A page's data time (s), on servers and embedded; its slowest request and all of them together, bare; and what is left
    of it with every answer at hand. How many requests, and questions in them."""

    page_s: float
    embedded_s: float
    slowest_s: float
    together_s: float
    own_s: float
    requests: int
    questions: int

    @property
    def of_limit(self) -> float:
        """Of what is allowed: docs/limits.md tells why that is not 1.3 times the slowest request."""
        return self.page_s / (MOST_OVER * (self.together_s + self.own_s))


def _asked_by(
    url_path: str, window: Window, stores: Stores, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Asked]:
    """The signals that a page asks for, in the order of its cards."""
    asked: list[Asked] = []

    def heard(name: str, signal: Any) -> Any:
        def ask(stores: Stores, window: Window, **params: Any) -> Any:
            asked.append((name, window, params))
            return signal(stores, window, **params)

        return ask

    _install(stores, folder)
    with monkeypatch.context() as patched:
        for name, signal in list(signals.SIGNALS.items()):
            patched.setitem(signals.SIGNALS, name, heard(name, signal))
        test = AppTest.from_file(SHELL, default_timeout=60)
        test.query_params["range"] = f"{window.start:%Y-%m-%dT%H:%M}/{window.end:%Y-%m-%dT%H:%M}"
        test.query_params["zone"] = "UTC"
        test.run()
        if url_path:
            asked.clear()
            cache.forget()
            test.switch_page(str(entry(url_path).path)).run()
    assert [str(e) for e in test.exception] == []
    runtime.install(None)
    return asked


def _install(stores: Stores, folder: Path) -> None:
    cache.forget()
    runtime.install(runtime.Runtime(Settings(data_dir=folder, rules_file=RULES), stores, lambda: None))


def _page_round(asked: list[Asked], turn: int, embedded: Stores, remote: Remote, folder: Path) -> Round:
    back = turn * timedelta(minutes=7)
    moved = [(name, Window(w.start - back, w.end - back, w.zone), params) for name, w, params in asked]
    ours = _data_s(moved, embedded, folder)
    remote.forget()
    page = _data_s(moved, remote.stores, folder)
    requests, questions = len(remote.requests), remote.questions()
    remote.replaying = True
    try:
        own = _data_s(moved, remote.stores, folder)
    finally:
        remote.replaying = False
    return Round(page, ours, remote.slowest_s(), remote.together_s(), own, requests, questions)


def _data_s(asked: list[Asked], stores: Stores, folder: Path) -> float:
    """As a page asks that was drawn before: on servers everything is begun at once."""
    _install(stores, folder)
    began = time.perf_counter()
    for name, window, params in asked:
        if stores.remote:
            cache.ask_ahead(name, window, **params)
    for name, window, params in asked:
        cache.frame(name, window, **params)
    took = time.perf_counter() - began
    runtime.install(None)
    return took


def test_shipping_is_about_as_quick_as_the_clients_own_bulk(elasticsearch8: str, tmp_path: Path) -> None:
    parts = list(week(min(RECORDS, 20_000)))
    ratios = []
    for turn in range(7):  # side by side, in turns first: the machine's pace changes
        pair: dict[str, float] = {}
        for name in ("ours", "theirs") if turn % 2 else ("theirs", "ours"):
            ours = name == "ours"
            pair[name] = (
                _shipped(elasticsearch8, parts, tmp_path / f"{turn}.duckdb") if ours else _bulked(elasticsearch8, parts)
            )
        ratios.append(pair["theirs"] / pair["ours"])

    print(
        f"\nshipping beside parallel_bulk: {statistics.median(ratios[1:]):.2f} of its records a second",
        sorted(ratios[1:]),
    )
    assert statistics.median(ratios[1:]) >= 0.8


def _shipped(url: str, parts: list[Any], ledger_path: Path) -> float:
    indices, ledger = Indices(url), DuckLogs(ledger_path)
    shipper = Shipper(Access((url,)), f"{indices.prefix}-{{day}}", ledger)
    took = _took(lambda: [shipper.write(part) for part in parts])
    for opened in (shipper, ledger, indices):
        opened.close()
    return took


def _bulked(url: str, parts: list[Any]) -> float:
    indices = Indices(url)
    made = actions(parts, f"{indices.prefix}-{{day}}")
    with Elasticsearch(url, request_timeout=60, http_compress=True) as client:
        took = _took(lambda: list(helpers.parallel_bulk(client, made, thread_count=4, chunk_size=1_000)))
    indices.close()
    return took
