"""The past answers of /health: one every five minutes and one at each change."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from lib.simulator import catalogue as c
from lib.simulator.past.story import Span, Story
from lib.simulator.past.words import stamp

EVERY_S = 300.0
_LOOK_S = 15.0


def answers(story: Story, span: Span, instances: tuple[str, ...], seed: int) -> list[bytes]:
    """JSON lines {target, ts, status_code, body}, by time; `target` is host:port, as a probe names it.

    A `status_code` of null: no answer came.
    """
    dice = np.random.default_rng([seed, int(span.start), 5])
    lines = []
    previous: dict[int, str] = {}
    due = span.start
    for at in np.arange(span.start, span.end, _LOOK_S).tolist():
        for index, instance in enumerate(instances):
            failing = _failing(story, index, at)
            if at >= due or previous.get(index) != failing:
                head = {"target": instance, "ts": stamp(at)}
                lines.append(orjson.dumps({**head, **_answer(story, index, at, failing, dice)}))
            previous[index] = failing
        if at >= due:
            due += EVERY_S
    return lines


def _failing(story: Story, instance: int, at: float) -> str:
    """The check that fails at this moment; "" for none, "process" while the instance restarts."""
    if story.deploys[instance] <= at < story.deploys[instance] + 25:
        return "process"
    if story.apollo_outage.start <= at < story.apollo_outage.end:
        return "apollo"
    return ""


def _answer(story: Story, index: int, at: float, failing: str, dice: np.random.Generator) -> dict[str, Any]:
    if failing == "process":
        return {"status_code": None, "body": None}
    started = float(story.restarted_at(index, np.array([at]))[0])
    checks = _checks(story, at, dice)
    if failing:
        took_ms = round(1 + 2 * float(dice.random()), 1)
        error = f"No connection to {failing.title()} at 127.0.0.1:9301: all attempts failed after 2 ms"
        checks[failing] = {"status": "unhealthy", "response_time": took_ms, "error": error}
    head = {"status": "unhealthy" if failing else "healthy", "timestamp": stamp(at)}
    version, uptime = story.version(index, at, c.VERSIONS), round(at - started, 3)
    body = {**head, "version": version, "uptime": uptime, "checks": checks}
    return {"status_code": 503 if failing else 200, "body": body}


def _checks(story: Story, at: float, dice: np.random.Generator) -> dict[str, dict[str, Any]]:
    moment = np.array([at])
    checks: dict[str, dict[str, Any]] = {"database": _ok(3.0 * float(story.database_slowness(moment)[0]), dice)}
    for name, median_ms in c.UPSTREAM_MS.items():
        slowness = float(story.halopsa_slowness(moment)[0]) if name == "halopsa" else 1.0
        checks[name] = _ok(median_ms * c.PING_SHARE * slowness, dice)
    checks["queue"] = _ok(0.1, dice)
    checks["system"] = {"status": "healthy", "memory": {"rss": 61, "vms": 283}, "cpu": {"user": 0.0, "system": 0.0}}
    return checks


def _ok(median_ms: float, dice: np.random.Generator) -> dict[str, Any]:
    return {"status": "healthy", "response_time": round(median_ms * float(dice.lognormal(0, 0.3)), 1)}
