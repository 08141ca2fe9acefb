"""A real Alertmanager, with the shipped configuration, posts its webhook to the alert API: what it is given by hand, and
what a real Prometheus evaluates, to which our own engine agrees."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Mount

from lib.alerts.api import AlertApi
from lib.alerts.engine.evaluator import Evaluator
from lib.alerts.lease import Lease
from lib.alerts.rules import load_rules
from lib.metrics.ingest import Samples
from lib.metrics.prometheus import Access, PrometheusMetrics
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from tests.alerts.engine.world import quiet
from tests.alerts.pushing import TOKEN, rows
from tests.prometheus_server import PrometheusServer, prometheus
from tests.proxy import DEPLOY, free_ports, replaced, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]
CONFIG = DEPLOY / "alertmanager" / "alertmanager.yml"


@contextmanager
def serving(state: State, port: int) -> Iterator[None]:
    api = AlertApi(SecretStr(TOKEN), lambda: state)
    app = Starlette(routes=[Mount("/api", routes=list(api.routes()))])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield
    server.should_exit = True
    thread.join(10)


@contextmanager
def alertmanager(folder: Path, port: int, dashboard: int) -> Iterator[None]:
    (folder / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    changes = {
        "http://127.0.0.1:8501": f"http://127.0.0.1:{dashboard}", "/etc/alertmanager/halo-ops.token": str(folder / "token"),
        "group_wait: 10s": "group_wait: 100ms", "group_interval: 1m": "group_interval: 300ms",
        "repeat_interval: 1h": "repeat_interval: 1s",
    }  # fmt: skip
    config = folder / "alertmanager.yml"
    config.write_text(replaced(CONFIG.read_text(encoding="utf-8"), changes), encoding="utf-8")
    process = subprocess.Popen(
        ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={folder / 'data'}",
         f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error"]
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def post(port: int, alert: dict[str, Any]) -> None:
    def posted() -> bool:
        try:
            url = f"http://127.0.0.1:{port}/api/v2/alerts"
            return httpx.post(url, json=[alert], trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    until(posted)


def test_an_alert_begins_repeats_and_ends_as_alertmanager_tells_it(tmp_path: Path) -> None:
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    port, dashboard = free_ports(2)
    labels = {"alertname": "QueueBacklog", "severity": "critical", "queue_name": "enrichment <!channel>"}
    started = datetime.now(UTC).replace(microsecond=0)
    with serving(state, dashboard), alertmanager(tmp_path, port, dashboard):
        post(port, {"labels": labels, "annotations": {"summary": "too many"}, "startsAt": started.isoformat()})
        until(lambda: len(rows(state)) == 1 and rows(state)[0]["repeats"] >= 1)
        [firing] = rows(state)
        ended = datetime.now(UTC)
        post(port, {"labels": labels, "startsAt": started.isoformat(), "endsAt": ended.isoformat()})
        until(lambda: rows(state)[0]["state"] == "resolved")

    [row] = rows(state)
    assert (firing["state"], firing["labels"], firing["annotations"]) == ("firing", labels, {"summary": "too many"})
    assert (row["id"], row["active_at"], row["severity"]) == (firing["id"], started, "critical")
    assert abs((row["resolved_at"] - ended).total_seconds()) < 1
    state.close()


RULES = {"groups": [{"name": "crm", "interval": "1s", "rules": [
    {"alert": "Backlog", "expr": "queue_size > 1000", "for": "2s", "labels": {"severity": "warning"},
     "annotations": {"summary": "{{ $labels.queue_name }} holds {{ $value }}"}},
    {"alert": "Busiest", "expr": "max by (team) (queue_size) >= 3000", "labels": {"severity": "critical"}},
]}]}  # fmt: skip
Standing = dict[tuple[tuple[str, str], ...], str]


def test_a_prometheus_that_evaluates_and_our_engine_come_to_the_same_alerts(tmp_path: Path) -> None:
    """Prometheus, its Alertmanager and our webhook on one side; our engine with the same rules and samples on the other."""
    (tmp_path / "rules.yml").write_text(json.dumps(RULES), encoding="utf-8")
    port, dashboard = free_ports(2)
    targets = {"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    config = {"rule_files": [str(tmp_path / "rules.yml")], "alerting": {"alertmanagers": [targets]}}
    pushed, own = open_state(sqlite_url(tmp_path / "state.sqlite")), open_state(sqlite_url(tmp_path / "own.sqlite"))
    courses: list[tuple[Standing, Standing]] = []
    with (
        serving(pushed, dashboard),
        alertmanager(tmp_path, port, dashboard),
        prometheus(tmp_path / "server", json.dumps(config), "--rules.alert.resend-delay=0s") as server,
    ):
        store, lease, rules = PrometheusMetrics(Access(server.url)), Lease(own), load_rules(tmp_path / "rules.yml")
        engine = Evaluator(own, store, lambda: rules, lease, quiet, interval_s=1)
        for depths in (
            {"a": 10.0, "b": 10.0},
            {"a": 2000.0, "b": 5000.0},
            {"a": 2000.0, "b": 10.0},
            {"a": 1.0, "b": 1.0},
        ):
            agreed(server, engine, lease, depths, lambda: (standing(pushed), standing(own)))
            courses.append((standing(pushed), standing(own)))
        engine.close()
        store.close()
    pushed.close()
    own.close()

    assert [theirs == ours for theirs, ours in courses] == [True] * 4
    assert [sorted(ours.values()) for _, ours in courses] == [
        [], ["firing"] * 3, ["firing", "resolved", "resolved"], ["resolved"] * 3,
    ]  # fmt: skip


def agreed(
    server: PrometheusServer, engine: Evaluator, lease: Lease, depths: dict[str, float],
    both: Callable[[], tuple[Standing, Standing]],
) -> None:  # fmt: skip
    """Goes on with these depths until both sides have stood still and alike for a few seconds, a minute at most."""
    labels = tuple({"__name__": "queue_size", "queue_name": name, "team": "crm"} for name in depths)
    before, since, deadline = both(), time.monotonic(), time.monotonic() + 60
    while time.monotonic() < deadline:
        now_ms = np.full(len(labels), round(time.time() * 1000))
        server.write(Samples(labels, np.arange(len(labels), dtype=np.int32), now_ms, np.array(list(depths.values()))))
        lease.renew()
        engine.look()
        engine.keep()
        if (now := both()) != before:
            before, since = now, time.monotonic()
        if now[0] == now[1] and time.monotonic() - since > 6:
            return
        time.sleep(0.2)


def standing(state: State) -> Standing:
    """Each alert that fired, by its labels, and how its newest episode stands."""
    return {
        tuple(sorted(row["labels"].items())): row["state"]
        for row in rows(state)
        if row["state"] in ("firing", "resolved")
    }
