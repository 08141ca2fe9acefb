"""Health tells what is true now: measured times, a time-out per check, and a liveness that asks nobody."""

import asyncio
import re
import time
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from lib.telemetry.health import HealthChecks, routes
from lib.telemetry.metrics import Metrics


async def well() -> None:
    return None


async def broken() -> None:
    raise ConnectionError("cannot reach https://halo:hunter2@api.example")


async def hung() -> None:
    await asyncio.Event().wait()


async def stubborn() -> None:
    """Swallows its cancellation, as a careless client library does."""
    for _ in range(2):
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            continue


async def queue() -> dict[str, Any]:
    return {"depth": 12, "token": "hunter2"}


async def ill() -> dict[str, Any]:
    return {"status": "unhealthy", "error": "too old"}


def checks(timeout_s: float = 0.1, **named: Any) -> HealthChecks:
    made = HealthChecks("1.4.2", timeout_s=timeout_s)
    for name, check in named.items():
        made.add(name, check)
    return made


def test_the_body_has_the_integrations_shape() -> None:
    status, body = asyncio.run(checks(database=well, queue=queue).answer())

    assert status == 200
    assert list(body) == ["status", "timestamp", "version", "uptime", "checks"]
    assert (body["status"], body["version"]) == ("healthy", "1.4.2")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
    assert body["uptime"] > 0
    assert list(body["checks"]) == ["database", "queue", "system"]
    assert body["checks"]["queue"]["depth"] == 12


def test_the_response_time_is_measured_in_milliseconds() -> None:
    async def slow() -> None:
        await asyncio.sleep(0.05)

    _, body = asyncio.run(checks(timeout_s=5, halopsa=slow).answer())

    assert 50 <= body["checks"]["halopsa"]["response_time"] < 1_000


def test_the_system_check_is_in_megabytes_and_milliseconds() -> None:
    _, body = asyncio.run(checks().answer())

    system = body["checks"]["system"]
    assert system["status"] == "healthy"
    assert 10 < system["memory"]["rss"] < 10_000
    assert 10 < system["cpu"]["user"] < 10_000_000


def test_one_failed_check_makes_503_and_says_why_without_its_password() -> None:
    status, body = asyncio.run(checks(database=well, halopsa=broken).answer())

    assert (status, body["status"]) == (503, "unhealthy")
    assert body["checks"]["database"]["status"] == "healthy"
    assert body["checks"]["halopsa"]["status"] == "unhealthy"
    assert body["checks"]["halopsa"]["error"] == "cannot reach https://[REDACTED]@api.example"


def test_a_check_may_judge_for_itself() -> None:
    status, body = asyncio.run(checks(backup=ill).answer())

    assert status == 503
    assert body["checks"]["backup"]["error"] == "too old"


def test_what_a_check_returns_is_redacted() -> None:
    _, body = asyncio.run(checks(queue=queue).answer())

    assert body["checks"]["queue"]["token"] == "[REDACTED]"


@pytest.mark.parametrize("check", [hung, stubborn])
def test_a_check_that_hangs_is_unhealthy_after_its_time_and_holds_up_nobody(check: Any) -> None:
    async def timed() -> tuple[float, dict[str, Any]]:
        started = time.perf_counter()
        _, body = await checks(timeout_s=0.1, database=well, apollo=check).answer()
        return time.perf_counter() - started, body

    elapsed_s, body = asyncio.run(timed())

    assert elapsed_s < 3  # to wait for it would take five
    assert body["checks"]["apollo"]["status"] == "unhealthy"
    assert body["checks"]["apollo"]["error"] == "no answer in 0.1 s"
    assert body["checks"]["database"]["status"] == "healthy"


def test_checks_run_at_the_same_time() -> None:
    async def slow() -> None:
        await asyncio.sleep(0.3)

    async def timed() -> float:
        started = time.perf_counter()
        await checks(timeout_s=5, **{f"c{n}": slow for n in range(8)}).answer()
        return time.perf_counter() - started

    assert asyncio.run(timed()) < 1.8  # one after the other they would take 2.4


def test_a_check_that_fails_before_it_begins_costs_only_itself() -> None:
    def careless() -> Any:
        raise LookupError("no client")

    _, body = asyncio.run(checks(database=well, apollo=careless).answer())

    assert body["checks"]["apollo"]["error"] == "no client"
    assert body["checks"]["database"]["status"] == "healthy"


def served(made: HealthChecks, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        app = Starlette(routes=routes(made, Metrics(version="1.4.2")))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_liveness_asks_nobody() -> None:
    asked = []

    async def third_party() -> None:
        asked.append(1)
        raise ConnectionError("apollo is down")

    answer = served(checks(apollo=third_party), "/livez")

    assert (answer.status_code, answer.json()["status"]) == (200, "healthy")
    assert asked == []


def test_readiness_depends_on_the_critical_checks_only() -> None:
    made = checks(database=well)
    made.add("apollo", broken, critical=False)

    ready, health = served(made, "/readyz"), served(made, "/health")

    assert ready.status_code == 200
    assert list(ready.json()["checks"]) == ["database"]
    assert health.status_code == 503


def test_a_broken_critical_check_takes_the_service_out_of_rotation() -> None:
    assert served(checks(database=broken), "/readyz").status_code == 503


def test_metrics_are_served_in_the_prometheus_format() -> None:
    answer = served(checks(), "/metrics")

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'app_info{version="1.4.2"} 1.0' in answer.text
