"""The events as a scraper would have seen them: counters, histograms and gauges of each instance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lib.simulator import catalogue as c
from lib.simulator.past.events import KINDS, LEAD_SOURCES, Created, Events, Ints, Queries, chosen
from lib.simulator.past.exposition import Exposition, Family, Mask
from lib.simulator.past.story import DAY, MINUTE, Floats
from lib.telemetry.metrics import HTTP_BUCKETS_S, QUERY_BUCKETS_S, value_range

DOWN_S = 25.0
"""How long a redeployed instance did not answer."""


def write(events: Events, grid_s: Floats, instances: tuple[str, ...], seed: int) -> Exposition:
    """Every series of every instance on the grid."""
    out = Exposition(grid_s)
    for index, name in enumerate(instances):
        View(events, out, index, name, np.random.default_rng([seed, index, int(grid_s[0])])).write()
    return out


class View:
    """One instance's series: counts since its last restart, seen only while it was up."""

    def __init__(self, events: Events, out: Exposition, index: int, instance: str, dice: np.random.Generator) -> None:
        self._events, self._out, self._index, self._dice = events, out, index, dice
        self._labels = {"job": c.JOB, "instance": instance}
        self._grid = out.grid_s
        story = events.story
        self._restarts = story.restarted_at(index, self._grid)
        self._up: Mask = ~((self._grid >= story.deploys[index]) & (self._grid < story.deploys[index] + DOWN_S))

    def write(self) -> None:
        """All families."""
        everywhere = np.ones(self._grid.shape, dtype=bool)
        self._out.add(Family("up", "gauge"), self._labels, self._up.astype(int), everywhere)
        self._requests()
        self._database()
        self._leads()
        self._queues()
        self._process()

    def _counter(self, family: str, labels: Mapping[str, str], at: Floats, *, always: bool = False) -> None:
        counts = self._since_restart(at)
        self._series(Family(family, "counter"), labels, counts, born=None if always else counts > 0)

    def _series(self, family: Family, labels: Mapping[str, str], values: object, born: Mask | None = None) -> None:
        seen = self._up if born is None else self._up & born
        if seen.any():
            self._out.add(family, {**labels, **self._labels}, np.asarray(values), seen)

    def _gauge(self, name: str, values: object, born: Mask | None = None, **labels: str) -> None:
        self._series(Family(name, "gauge"), labels, values, born)

    def _since_restart(self, at: Floats) -> Ints:
        return np.searchsorted(at, self._grid, "right") - np.searchsorted(at, self._restarts, "right")

    def _histogram(
        self, family: str, labels: Mapping[str, str], at: Floats, took_s: Floats, bounds: tuple[float, ...]
    ) -> None:
        count = self._since_restart(at)
        born = count > 0
        for bound in bounds:
            below = self._since_restart(at[took_s <= bound])
            self._series(Family(family, "histogram", "_bucket"), {**labels, "le": f"{bound:g}"}, below, born)
        self._series(Family(family, "histogram", "_bucket"), {**labels, "le": "+Inf"}, count, born)
        self._series(Family(family, "histogram", "_count"), labels, count, born)
        sums = np.concatenate([[0.0], np.cumsum(took_s)])
        upto, before = np.searchsorted(at, self._grid, "right"), np.searchsorted(at, self._restarts, "right")
        self._series(Family(family, "histogram", "_sum"), labels, np.round(sums[upto] - sums[before], 6), born)

    def _requests(self) -> None:
        requests = self._events.requests
        mine = requests.instance == self._index
        for index, endpoint in enumerate(c.ENDPOINTS):
            rows = mine & (requests.endpoint == index)
            at, status = requests.at[rows], requests.status[rows]
            labels = {"method": endpoint.method, "route": endpoint.route}
            for code in np.unique(status).tolist():
                self._counter("http_requests_total", {**labels, "status_code": str(code)}, at[status == code])
            self._histogram("http_request_duration_seconds", labels, at, requests.duration_s[rows], HTTP_BUCKETS_S)
        self._gauge("active_connections", self._dice.poisson(0.15, len(self._grid)))

    def _database(self) -> None:
        queries: Queries = self._events.queries
        mine = queries.instance == self._index
        for kind, name in enumerate(KINDS):
            rows = mine & (queries.kind == kind)
            labels = {"query_type": name}
            self._histogram(
                "db_query_duration_seconds", labels, queries.at[rows], queries.duration_s[rows], QUERY_BUCKETS_S
            )
        slow = self._events.story.slow_database.covers(self._grid)
        usual, busy = self._dice.binomial(2, 0.15, len(self._grid)), self._dice.integers(7, 11, len(self._grid))
        self._gauge("db_connections_active", np.where(slow, busy, usual))
        self._gauge("db_connections_max", c.POOL_SIZE + c.POOL_OVERFLOW)
        requests = self._events.requests
        refused = requests.at[(requests.status == 503) & (requests.instance == self._index)]
        self._counter("db_errors_total", {"error_type": "PoolTimeout"}, refused)

    def _leads(self) -> None:
        created: Created = self._events.created
        for source, name in enumerate(LEAD_SOURCES):
            rows = (created.instance == self._index) & (created.source == source)
            self._counter("leads_created_total", {"source": name}, created.at[rows])
        requests = self._events.requests
        mine = requests.instance == self._index
        converted = mine & chosen(requests, "POST", "/api/leads/{lead_id}/convert", 201)
        self._counter("prospects_created_total", {}, requests.at[converted], always=True)
        rows_of = [row for row in self._events.value_of if mine[row]]
        ranges = np.array([value_range(self._events.value_of[row]) for row in rows_of])
        at = requests.at[np.array(rows_of, dtype=np.int64)]
        for bracket, _ in c.VALUE_RANGES:
            self._counter("opportunities_created_total", {"value_range": bracket}, at[ranges == bracket])
        for timeframe, depth in (("7d", 0.012), ("30d", 0.004)):
            rate = c.CONVERSION_RATE + depth * np.sin(self._grid / (1.7 * DAY))
            self._gauge("lead_conversion_rate", np.round(rate, 4), timeframe=timeframe)

    def _queues(self) -> None:
        story, syncs = self._events.story, self._events.syncs
        for queue in c.QUEUES:
            waiting = self._dice.poisson(2.2, len(self._grid)) + story.backlog(queue, self._grid).astype(int)
            self._gauge("queue_size", waiting, queue_name=queue)
        for source, name in enumerate(c.SOURCES):
            rows = (syncs.instance == self._index) & (syncs.source == source)
            for status, number in (("success", (syncs.processed - syncs.failed)[rows]), ("failed", syncs.failed[rows])):
                # each lead has its own moment within the run
                at = np.repeat(syncs.at[rows], number) - self._dice.random(int(number.sum())) * 1.2
                self._counter("lead_sync_total", {"source": name, "status": status}, np.sort(at))
        backup = (self._grid - 2 * 3600) // DAY * DAY + 2 * 3600 + 41
        self._gauge("backup_last_success_timestamp_seconds", backup)

    def _versions(self) -> None:
        old = self._grid < self._events.story.deploys[self._index]
        for version, mask in ((c.VERSIONS[0], old), (c.VERSIONS[1], ~old)):
            self._gauge("app_info", 1, mask, version=version)

    def _process(self) -> None:
        self._versions()
        age, n = self._grid - self._restarts, len(self._grid)
        memory = 61e6 + 9e6 * (1 - np.exp(-age / (8 * 3600))) + self._dice.normal(0, 4e5, n)
        self._gauge("process_resident_memory_bytes", (memory // 4096 * 4096).astype(int))
        self._gauge("process_virtual_memory_bytes", (memory * 4.6 // 4096 * 4096).astype(int))
        slow = self._events.story.slow_database
        labour = np.clip(np.minimum(self._grid, slow.end) - np.maximum(self._restarts, slow.start), 0, None)
        self._series(Family("process_cpu_seconds_total", "counter"), {}, np.round(0.018 * age + 0.25 * labour, 2))
        self._gauge("process_start_time_seconds", np.round(self._restarts, 2))
        self._gauge("process_open_fds", 17 + self._dice.integers(0, 5, n))
        self._gauge("process_max_fds", 1_048_576)
        for generation, every_s in (("0", 40.0), ("1", 7 * MINUTE), ("2", 70 * MINUTE)):
            runs = (age // every_s).astype(int)
            self._series(Family("python_gc_collections_total", "counter"), {"generation": generation}, runs)
        lag = 0.0008 + self._dice.exponential(0.0012, n)
        self._gauge("python_eventloop_lag_seconds", np.round(lag, 6))
