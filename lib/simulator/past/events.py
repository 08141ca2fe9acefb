"""Everything that happened in the past, as arrays; log lines and metrics are two views of the same events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lib.simulator import catalogue as c
from lib.simulator.past.story import DAY, Floats, Story
from lib.simulator.rhythm import busyness

Ints = npt.NDArray[np.int64]
INSTANCES = 2


@dataclass(frozen=True, slots=True)
class Requests:
    """One row per request, by time: `at` (s), `instance`, `endpoint` (index), `status`, `duration_s`."""

    at: Floats
    instance: Ints
    endpoint: Ints
    status: Ints
    duration_s: Floats


@dataclass(frozen=True, slots=True)
class Syncs:
    """One row per sync run, by its end `at` (s): `instance`, `source` (index), `processed`, `failed`, `duration_s`."""

    at: Floats
    instance: Ints
    source: Ints
    processed: Ints
    failed: Ints
    duration_s: Floats


@dataclass(frozen=True, slots=True)
class Created:
    """One row per lead that was new: `at` (s), `instance`, `source` (index; len(SOURCES) is "manual")."""

    at: Floats
    instance: Ints
    source: Ints


@dataclass(frozen=True, slots=True)
class Queries:
    """One row per database query: `at` (s), `instance`, `kind` (index into KINDS), `duration_s`."""

    at: Floats
    instance: Ints
    kind: Ints
    duration_s: Floats


KINDS = ("select", "insert", "update")
LEAD_SOURCES = (*c.SOURCES, "manual")


@dataclass(frozen=True, slots=True)
class Events:
    """The whole past. `mishaps` are background errors: (at, instance) per name; `values` belong to won opportunities."""

    story: Story
    requests: Requests
    syncs: Syncs
    created: Created
    queries: Queries
    mishaps: Mapping[str, tuple[Floats, Ints]]
    value_of: Mapping[int, float]


def draw(story: Story, seed: int, pace: float = 1.0) -> Events:
    """The events of the story: the same for the same seed, story and pace."""
    dice = np.random.default_rng(seed)
    requests = _requests(story, dice, pace)
    syncs = _syncs(story, dice)
    created = _created(requests, syncs, dice)
    queries = _queries(story, requests, syncs, dice)
    mishaps = {name: _mishaps(story, c.MISHAPS[name], dice, pace) for name in c.MISHAPS if c.MISHAPS[name].per_day}
    return Events(story, requests, syncs, created, queries, mishaps, _values(requests, dice))


def _arrivals(story: Story, per_s: float, dice: np.random.Generator) -> Floats:
    """Times of a Poisson process whose busiest hour has `per_s`, thinned by how busy the company is."""
    n = dice.poisson(per_s * (story.until - story.start))
    at = np.sort(dice.uniform(story.start, story.until, n))
    kept: Floats = at[dice.random(n) < busyness(at)]
    return kept


def _requests(story: Story, dice: np.random.Generator, pace: float) -> Requests:
    at = _arrivals(story, c.PEAK_REQUESTS_PER_S * pace, dice)
    shares = np.array([e.share for e in c.ENDPOINTS])
    endpoint = dice.choice(len(shares), len(at), p=shares / shares.sum())
    instance = dice.integers(0, INSTANCES, len(at))
    status = _statuses(story, at, endpoint, dice)
    return Requests(at, instance, endpoint, status, _durations(story, at, endpoint, status, dice))


def _statuses(story: Story, at: Floats, endpoint: Ints, dice: np.random.Generator) -> Ints:
    status = np.array([e.status for e in c.ENDPOINTS])[endpoint]
    roll = dice.random(len(at))
    flaky, slow = story.halopsa_flaky.covers(at), story.slow_database.covers(at)
    for index, known in enumerate(c.ENDPOINTS):
        mine, low = endpoint == index, np.zeros(len(at))
        for code, odds in known.odds.items():
            here = np.where(flaky & (code == 502), 0.35, odds)
            status[mine & (roll >= low) & (roll < low + here)] = code
            low = low + here
    status[slow & (roll > 0.96)] = 503
    return np.asarray(status, dtype=np.int64)


def _durations(story: Story, at: Floats, endpoint: Ints, status: Ints, dice: np.random.Generator) -> Floats:
    work = np.array([e.work_ms for e in c.ENDPOINTS])[endpoint]
    waits = np.array([c.UPSTREAM_MS.get(e.upstream, 0.0) for e in c.ENDPOINTS])[endpoint]
    n = len(at)
    took = work * dice.lognormal(0, c.SPREAD, n) + waits * story.halopsa_slowness(at) * dice.lognormal(0, c.SPREAD, n)
    took += 6.0 * story.database_slowness(at) * dice.lognormal(0, 0.8, n)
    refused = np.isin(status, (401, 404, 409, 422))
    took = np.where(refused, np.minimum(took, 4 + 12 * dice.random(n)), took)
    took = np.where(status == 503, 2000 + 60 * dice.random(n), took)
    return np.asarray(took / 1000.0, dtype=np.float64)


def _syncs(story: Story, dice: np.random.Generator) -> Syncs:
    parts = []
    low, high = c.LEADS_PER_SYNC
    for instance in range(INSTANCES):
        for source, name in enumerate(c.SOURCES):
            offset = c.SYNC_EVERY_S * (instance / INSTANCES + source / INSTANCES / 2)
            at = np.arange(story.start + offset, story.until - 30, c.SYNC_EVERY_S)
            at = at + dice.uniform(-2, 2, len(at))
            processed = dice.integers(low, high + 1, len(at))
            failed = dice.binomial(processed, story.failing(name, at))
            took = (
                c.UPSTREAM_MS[name] * dice.lognormal(0, c.SPREAD, len(at))
                + processed * 140 * dice.lognormal(0, 0.2, len(at))
            ) / 1000
            parts.append((at + took, np.full(len(at), instance), np.full(len(at), source), processed, failed, took))
    columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0])
    return Syncs(*(column[order] for column in columns))


def _created(requests: Requests, syncs: Syncs, dice: np.random.Generator) -> Created:
    new = dice.binomial(syncs.processed - syncs.failed, c.NEW_LEAD_SHARE)
    at = np.repeat(syncs.at, new) - dice.random(int(new.sum())) * 1.2
    posted = chosen(requests, "POST", "/api/leads", 201)
    columns = (
        np.concatenate([at, requests.at[posted]]),
        np.concatenate([np.repeat(syncs.instance, new), requests.instance[posted]]),
        np.concatenate([np.repeat(syncs.source, new), np.full(int(posted.sum()), len(c.SOURCES))]),
    )
    order = np.argsort(columns[0])
    return Created(columns[0][order], columns[1][order], columns[2][order])


def chosen(requests: Requests, method: str, route: str, status: int) -> npt.NDArray[np.bool_]:
    """Which requests went to this endpoint and ended so."""
    index = next(i for i, e in enumerate(c.ENDPOINTS) if (e.method, e.route) == (method, route))
    return np.asarray((requests.endpoint == index) & (requests.status == status), dtype=np.bool_)


def _queries(story: Story, requests: Requests, syncs: Syncs, dice: np.random.Generator) -> Queries:
    parts: list[tuple[Floats, Ints, Ints]] = []
    for kind, name in enumerate(KINDS):
        asked = np.array([name in e.queries for e in c.ENDPOINTS])[requests.endpoint]
        parts.append((requests.at[asked], requests.instance[asked], np.full(int(asked.sum()), kind)))
    for kind in (0, 2):
        parts.append(
            (
                np.repeat(syncs.at, syncs.processed),
                np.repeat(syncs.instance, syncs.processed),
                np.full(int(syncs.processed.sum()), kind),
            )
        )
    at, instance, kinds = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(at, kind="stable")
    at = at[order]
    took = 0.0018 * dice.lognormal(0, 0.7, len(at)) * story.database_slowness(at)
    return Queries(at, instance[order], kinds[order], took)


def _mishaps(story: Story, mishap: c.Mishap, dice: np.random.Generator, pace: float) -> tuple[Floats, Ints]:
    at = _arrivals(story, mishap.per_day * pace / DAY * 1.4, dice)
    if mishap.name == "html_answer":
        burst = dice.uniform(story.zoominfo_html.start, story.zoominfo_html.end, 38)
        at = np.sort(np.concatenate([at, burst]))
    if mishap.name == "no_score":
        at = at[at > story.deploys[0] + 60]  # the deploy brought it
    return at, dice.integers(0, INSTANCES, len(at))


def _values(requests: Requests, dice: np.random.Generator) -> dict[int, float]:
    """The value of each opportunity, by the row of the request that created it."""
    rows = np.nonzero(chosen(requests, "POST", "/api/opportunities", 201))[0]
    values = np.round(dice.lognormal(np.log(29_000), 0.95, len(rows)), -2)
    return dict(zip(rows.tolist(), values.tolist(), strict=True))
