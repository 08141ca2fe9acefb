"""A million records and a day of samples, embedded and on real servers, and what a page asks of them, request by request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pyarrow as pa

from lib.at_once import MOST
from lib.logs.duckdb import DuckLogs
from lib.logs.elastic.client import Access as ElasticAccess
from lib.logs.elastic.documents import documents
from lib.logs.elastic.ship import Shipper
from lib.metrics.ingest import Samples
from lib.metrics.prometheus import Access, PrometheusMetrics
from lib.stores import Stores
from lib.wiring import KEEP_S
from tests.bench.log_week import END, week
from tests.logs.indices import Indices
from tests.prometheus_server import prometheus
from tests.seed import NOW, START, empty_stores, metric_samples

ROUNDS_OF_SEED = 8
"""The seeded three hours so often: a day of samples that ends where the records do."""


def day_of_samples() -> Samples:
    """The seeded series over a day; their counters begin anew every three hours."""
    seeded, length_ms = metric_samples(), int((NOW - START).total_seconds() * 1000) + 15_000
    first_ms = int(END.timestamp() * 1000) - ROUNDS_OF_SEED * length_ms - int(seeded.ts_ms.min())
    return Samples(
        seeded.labels,
        np.tile(seeded.series, ROUNDS_OF_SEED),
        np.concatenate([seeded.ts_ms + first_ms + n * length_ms for n in range(1, ROUNDS_OF_SEED + 1)]),
        np.tile(seeded.values, ROUNDS_OF_SEED),
    )


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of the stores: `whole` sends it bare, as it was; `parts` send each question in it."""

    whole: Callable[[], Any]
    parts: list[Callable[[], Any]]


@dataclass
class Remote:
    """The servers, and every request that the stores put to them since `forget`.

    While `replaying` they get the answers that they got before: what is left is the work of this process.
    """

    stores: Stores
    logs: Indices
    elastic: httpx.Client
    prometheus: httpx.Client
    requests: list[Sent] = field(default_factory=list)
    replaying: bool = False
    answers: dict[bytes, Any] = field(default_factory=dict)

    def forget(self) -> None:
        """Before a page asks."""
        self.requests.clear()
        self.answers.clear()

    def slowest_s(self, best_of: int = 3) -> float:
        """The longest of the searches and PromQL questions, each sent alone by a plain client, its best time."""
        return max(_best(send, best_of) for sent in self.requests for send in sent.parts)

    def together_s(self) -> float:
        """All requests begun at once by a plain client with as many threads as the product has."""
        with ThreadPoolExecutor(MOST) as pool:
            return _best(lambda: list(pool.map(lambda sent: sent.whole(), self.requests)), 1)

    def questions(self) -> int:
        """How many searches and PromQL questions there were in the requests."""
        return sum(len(sent.parts) for sent in self.requests)


def _best(send: Callable[[], Any], best_of: int) -> float:
    took = []
    for _ in range(best_of):
        began = time.perf_counter()
        send()
        took.append(time.perf_counter() - began)
    return min(took)


@contextmanager
def embedded_world(folder: Path, records: int) -> Iterator[Stores]:
    """A week of records and a day of samples in the embedded stores, compacted as the worker does."""
    folder.mkdir()
    with empty_stores(folder) as stores:
        logs: Any = stores.logs
        metrics: Any = stores.metrics
        for part in week(records):
            logs.write(part)
        logs.compact()
        metrics.append(day_of_samples(), live=False)
        yield stores


@contextmanager
def remote_world(folder: Path, embedded: Stores, elasticsearch: str, records: int) -> Iterator[Remote]:
    """The same on servers, asked as the product asks them."""
    logs = Indices(elasticsearch, fresh_s=60, extent_s=5, keep_s=KEEP_S)
    ledger = DuckLogs(folder / "ledger.duckdb")
    shipper = Shipper(ElasticAccess((elasticsearch,)), f"{logs.prefix}-{{day}}", ledger)
    for part in week(records):
        shipper.write(part)
    shipper.close()
    ledger.close()
    logs.http.post(f"/{logs.prefix}-*/_refresh").raise_for_status()
    with prometheus(folder / "prometheus") as server, httpx.Client(base_url=server.url, trust_env=False) as bare:
        server.write(day_of_samples())
        metrics = PrometheusMetrics(Access(server.url), clock=lambda: END, keep_s=KEEP_S)
        world = Remote(replace(embedded, logs=logs, metrics=metrics, remote=True), logs, logs.http, bare)
        _record(world, logs, metrics)
        yield world
        metrics.close()
        logs.close()


def _record(world: Remote, logs: Indices, metrics: PrometheusMetrics) -> None:
    """Keeps each request as it goes out."""
    joined, session = logs._connection._joined, metrics._session
    send, request = joined._send, session.request

    def heard(lines: Any) -> Any:
        pairs = list(zip(lines[::2], lines[1::2], strict=True))
        keys = [orjson.dumps(pair) for pair in pairs]
        if not world.replaying or any(key not in world.answers for key in keys):
            parts = [_search(world.elastic, head, body) for head, body in pairs]
            world.requests.append(Sent(_searches(world.elastic, pairs), parts))
            world.answers.update(zip(keys, send(lines), strict=True))
        return [world.answers[key] for key in keys]

    def asked(method: Any, url: Any, **options: Any) -> Any:
        form = dict(options.get("params") or options.get("data") or {})
        key = orjson.dumps([str(url), form])
        if not world.replaying or key not in world.answers:
            question = _question(world.prometheus, str(url), form)
            world.requests.append(Sent(question, [question]))
            world.answers[key] = request(method, url, **options)
        return world.answers[key]

    joined._send = heard
    session.request = asked  # type: ignore[method-assign]


def _search(client: httpx.Client, head: dict[str, Any], body: dict[str, Any]) -> Callable[[], Any]:
    """Its answer unread: what the cluster and the wire take."""
    index = head["index"] if isinstance(head["index"], str) else ",".join(head["index"])
    cached = "" if body.get("size") else "&request_cache=false"  # a second sending must not be told from memory
    path, content = f"/{index}/_search?ignore_unavailable=true{cached}", orjson.dumps(body)
    return lambda: client.post(path, content=content, headers={"content-type": "application/json"}).raise_for_status()


def _searches(client: httpx.Client, pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> Callable[[], Any]:
    heads = [head if body.get("size") else head | {"request_cache": False} for head, body in pairs]
    lines = [line for head, (_, body) in zip(heads, pairs, strict=True) for line in (head, body)]
    content = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    path, kind = "/_msearch?max_concurrent_searches=4", {"content-type": "application/x-ndjson"}
    return lambda: client.post(path, content=content, headers=kind).raise_for_status()


def _question(client: httpx.Client, url: str, form: dict[str, Any]) -> Callable[[], Any]:
    path = url[url.index("/api/") :]
    return lambda: client.post(path, data=form) if "query" in path else client.get(path, params=form)


def actions(parts: list[pa.Table], index: str) -> list[dict[str, Any]]:
    """The records as the client's own bulk helper takes them."""
    return [document.action for part in parts for document in documents(part, index)]
