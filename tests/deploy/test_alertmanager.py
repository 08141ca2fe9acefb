"""The shipped Alertmanager configuration: valid to its own tool, and run by a real one it reaches the webhook with its token."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests import fault_server as faults
from tests.fault_server import FaultServer
from tests.proxy import DEPLOY, free_ports, replaced, until

pytestmark = pytest.mark.live
CONFIG = DEPLOY / "alertmanager" / "alertmanager.yml"
WEBHOOK = "/api/alertmanager"


def test_it_is_valid() -> None:
    done = subprocess.run(
        ["amtool", "check-config", str(CONFIG)], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 receivers" in done.stdout


def test_the_dashboard_is_told_of_an_alert_and_of_its_end(tmp_path: Path) -> None:
    [port] = free_ports(1)
    (tmp_path / "token").write_text("s3cret\n", encoding="utf-8")
    with FaultServer() as dashboard:
        dashboard.says(WEBHOOK, faults.answer(b"{}", 200))
        changes = {
            "http://127.0.0.1:8501": dashboard.url("").rstrip("/"), "/etc/alertmanager/halo-ops.token": str(tmp_path / "token"),
            "group_wait: 10s": "group_wait: 100ms", "group_interval: 1m": "group_interval: 300ms",
        }  # fmt: skip
        (tmp_path / "alertmanager.yml").write_text(
            replaced(CONFIG.read_text(encoding="utf-8"), changes), encoding="utf-8"
        )
        process = subprocess.Popen(
            [
                "prometheus-alertmanager", f"--config.file={tmp_path / 'alertmanager.yml'}",
                f"--storage.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=", "--log.level=error",
            ]
        )  # fmt: skip
        try:
            _post(port, {"labels": {"alertname": "QueueBacklog", "queue_name": "enrichment"}}, process)
            until(lambda: len(dashboard.seen(WEBHOOK)) == 1)
            ended = datetime.now(UTC).isoformat()
            _post(port, {"labels": {"alertname": "QueueBacklog", "queue_name": "enrichment"}, "endsAt": ended}, process)
            until(lambda: len(dashboard.seen(WEBHOOK)) == 2)
        finally:
            process.terminate()
            process.wait(20)

    requests = dashboard.seen(WEBHOOK)
    told = [json.loads(request.body) for request in requests]
    assert [request.headers["authorization"] for request in requests] == ["Bearer s3cret"] * 2
    assert [one["status"] for one in told] == ["firing", "resolved"]
    assert told[0]["groupLabels"] == {"alertname": "QueueBacklog"}
    assert told[0]["alerts"][0]["labels"]["queue_name"] == "enrichment"


def _post(port: int, alert: object, process: subprocess.Popen[bytes]) -> None:
    def posted() -> bool:
        assert process.poll() is None, "alertmanager ended; its reason stands above"
        try:
            url = f"http://127.0.0.1:{port}/api/v2/alerts"
            return httpx.post(url, json=[alert], trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    until(posted)
