"""A real Alertmanager, with the shipped configuration, posts its webhook to the alert API."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Mount

from lib.alerts.api import AlertApi
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state
from tests.alerts.pushing import TOKEN, rows
from tests.proxy import DEPLOY, free_ports, replaced, until

pytestmark = pytest.mark.live
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
