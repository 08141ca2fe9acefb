"""The simulator as a whole: each fault shows where the dashboard looks, and goes away again."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pytest

from lib.simulator.past.chunks import Past

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
VISIBLE_S = 30.0


@dataclass
class Simulator:
    process: subprocess.Popen[bytes]
    addresses: dict[str, Any]

    def switch(self, name: str, *, on: bool, **more: str) -> httpx.Response:
        return httpx.post(f"{self.addresses['control']}/faults/{name}", json={"on": on, **more}, timeout=10)

    def metric(self, pattern: str, instance: int | None = None) -> float:
        """The sum of the samples whose series matches, of one instance or of both; -1 where one does not answer."""
        total = 0.0
        urls = self.addresses["metrics"] if instance is None else [self.addresses["metrics"][instance]]
        for url in urls:
            try:
                text = httpx.get(url, timeout=10).text
            except httpx.HTTPError:
                return -1
            found = re.findall(rf"^(?:{pattern}) (\S+)$", text, re.MULTILINE)
            total += sum(float(value) for value in found)
        return total

    def check(self, name: str, instance: int = 0) -> str:
        try:
            return str(httpx.get(self.addresses["health"][instance], timeout=10).json()["checks"][name]["status"])
        except httpx.HTTPError:
            return "gone"

    def errors(self, text: str) -> int:
        files = [path for glob in self.addresses["logs"] for path in Path(glob).parent.glob("combined*.log")]
        return sum(text in line for path in files for line in path.read_text().splitlines() if '"ERROR"' in line)


def become(condition: Callable[[], bool], within_s: float = VISIBLE_S) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.3)
    return False


def start(folder: Path, *more: str, **options: Any) -> Simulator:
    command = [sys.executable, "-m", "lib.simulator", "--dir", str(folder), *more]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, **options)
    path = folder / "simulator.json"
    assert become(path.exists) or process.poll() is not None, "the simulator did not get ready"
    return Simulator(process, orjson.loads(path.read_bytes()))


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    running = start(tmp_path_factory.mktemp("simulator"), "--pace", "1")
    yield running
    running.process.terminate()
    assert running.process.wait(10) == 0


def test_a_dead_dependency_fails_its_check_until_it_is_back(simulator: Simulator) -> None:
    assert become(lambda: simulator.check("apollo") == "healthy")

    simulator.switch("dead_dependency", on=True)

    assert become(lambda: simulator.check("apollo") == "unhealthy")
    assert become(lambda: simulator.errors("No connection to Apollo") > 0)
    simulator.switch("dead_dependency", on=False)
    assert become(lambda: simulator.check("apollo") == "healthy")


def test_a_refused_source_shows_as_failed_syncs_until_it_is_taken_again(simulator: Simulator) -> None:
    failed = r'lead_sync_total\{source="zoominfo",status="failed"\}'
    before = simulator.metric(failed)

    simulator.switch("failing_sync", on=True)

    assert become(lambda: simulator.metric(failed) > before + 4, 45)  # a run that had begun may have to end first
    assert simulator.errors("HaloPSA rejected lead") > 0
    simulator.switch("failing_sync", on=False)
    ok = simulator.metric(r'lead_sync_total\{source="zoominfo",status="success"\}')
    assert become(lambda: simulator.metric(r'lead_sync_total\{source="zoominfo",status="success"\}') > ok + 4, 60)


def test_an_error_burst_shows_as_500s_with_a_pattern_of_their_own(simulator: Simulator) -> None:
    failed = r'http_requests_total\{.*status_code="500"\}'
    before = simulator.metric(failed)

    simulator.switch("error_burst", on=True)

    assert become(lambda: simulator.metric(failed) > before + 2)
    assert simulator.errors("has no field") > 0
    simulator.switch("error_burst", on=False)


def test_a_slow_upstream_shows_in_latency_and_health(simulator: Simulator) -> None:
    slow = r'http_request_duration_seconds_bucket\{.*le="\+Inf".*\}'
    fast = r'http_request_duration_seconds_bucket\{.*le="5".*\}'
    before = simulator.metric(slow) - simulator.metric(fast)

    simulator.switch("slow_upstream", on=True)

    assert become(lambda: simulator.metric(slow) - simulator.metric(fast) > before)
    simulator.switch("slow_upstream", on=False)
    assert become(lambda: simulator.check("halopsa") == "healthy")


def test_a_storm_of_webhooks_fills_a_queue_that_empties_again(simulator: Simulator) -> None:
    waiting = r'queue_size\{queue_name="webhooks"\}'

    simulator.switch("queue_backlog", on=True)

    assert become(lambda: simulator.metric(waiting, 0) > 600)
    simulator.switch("queue_backlog", on=False)
    full = simulator.metric(waiting, 0)
    assert become(lambda: simulator.metric(waiting, 0) < full / 2, 60)


def test_kept_connections_exhaust_the_pool_until_they_are_given_back(simulator: Simulator) -> None:
    simulator.switch("exhausted_pool", on=True)

    assert become(
        lambda: simulator.metric("db_connections_active", 0) / simulator.metric("db_connections_max", 0) > 0.9
    )
    assert become(lambda: simulator.errors("QueuePool limit") > 0)
    simulator.switch("exhausted_pool", on=False)
    assert become(lambda: simulator.metric("db_connections_active", 0) < 5)


def test_a_leak_grows_memory_and_handles_and_gives_them_back(simulator: Simulator) -> None:
    memory, handles = simulator.metric("process_resident_memory_bytes", 0), simulator.metric("process_open_fds", 0)

    simulator.switch("leak", on=True)

    assert become(lambda: simulator.metric("process_resident_memory_bytes", 0) > memory + 30e6)
    assert simulator.metric("process_open_fds", 0) > handles + 4
    simulator.switch("leak", on=False)
    assert become(lambda: simulator.metric("process_resident_memory_bytes", 0) < memory + 20e6)


def test_a_new_version_restarts_every_instance_with_its_counters_at_zero(simulator: Simulator) -> None:
    started = simulator.metric("process_start_time_seconds", 0)

    simulator.switch("new_version", on=True)

    assert become(lambda: simulator.metric(r'app_info\{version="2.5.0"\}') == 2)
    assert simulator.metric("process_start_time_seconds", 0) > started
    simulator.switch("new_version", on=False)
    assert become(lambda: simulator.metric(r'app_info\{version="2.4.0"\}') == 2)


def test_the_past_has_no_series_that_the_live_instances_do_not_go_on_with(simulator: Simulator, tmp_path: Path) -> None:
    live_url = simulator.addresses["metrics"][0]
    hosts = tuple(url.split("/")[2] for url in simulator.addresses["metrics"])
    past = Past(folder=tmp_path, until=time.time(), days=0.1, instances=hosts, seed=1, pace=0.3)

    text = (next(past.write("newest")) / "metrics.prom").read_text()

    bounds = re.compile(r'_bucket\{.*?le="([^"]+)"')
    # a histogram has no buckets until its first request: an instance that has just started may still wait for it
    assert become(lambda: set(bounds.findall(httpx.get(live_url, timeout=10).text)) == set(bounds.findall(text)))
    families = re.compile(r"^# TYPE (\w+ \w+)$", re.MULTILINE)
    live = httpx.get(live_url, timeout=10).text
    assert set(families.findall(text)) - set(families.findall(live)) == {"up gauge"}


@pytest.mark.parametrize(
    ("name", "options", "status"),
    [
        ("nonsense", {"json": {"on": True}}, 404),
        ("leak", {"json": {"on": "yes"}}, 400),
        ("leak", {"data": {"on": "true"}}, 415),
        ("slow_upstream", {"json": {"on": True, "target": "elsewhere"}}, 400),
    ],
)
def test_a_wrong_order_is_refused_with_its_reason(
    simulator: Simulator, name: str, options: dict[str, Any], status: int
) -> None:
    answer = httpx.post(f"{simulator.addresses['control']}/faults/{name}", timeout=10, **options)

    assert answer.status_code == status
    assert answer.json()["error"]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_simulator(tmp_path: Path, end: signal.Signals) -> None:
    running = start(tmp_path)
    children = psutil.Process(running.process.pid).children(recursive=True)

    os.kill(running.process.pid, end)
    running.process.wait(10)

    assert len(children) == 3
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []


def test_the_simulator_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    running = start(tmp_path, "--follow-stdin", stdin=subprocess.PIPE)
    assert running.process.stdin is not None

    running.process.stdin.close()

    assert running.process.wait(10) == 0


def test_a_child_that_ends_by_itself_ends_the_simulator_and_is_named(tmp_path: Path) -> None:
    running = start(tmp_path, stderr=subprocess.PIPE)
    victim = next(c for c in psutil.Process(running.process.pid).children() if "lib.simulator.upstreams" in c.cmdline())

    victim.kill()
    _, said = running.process.communicate(timeout=15)

    assert running.process.returncode == 1
    assert b"upstreams ended with code -9" in said
