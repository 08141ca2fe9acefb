"""`python -m lib.contract` reads a service directly, and its exit code is for a CI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.contract.__main__ import main
from lib.telemetry.events import BusinessEvents
from lib.telemetry.logger import configure
from lib.telemetry.metrics import Metrics
from tests.fault_server import FaultServer, answer, hang, json_answer

HEALTHY = {"status": "healthy", "version": "1", "uptime": 3, "checks": {
    name: {"status": "healthy"} for name in ("database", "halopsa", "apollo", "zoominfo", "queue", "system")
}}  # fmt: skip


def exposition() -> str:
    """What lib/telemetry exports once everything has happened."""
    metrics = Metrics(version="1.0")
    metrics.http_requests_total.labels("GET", "/api/leads/:id", "200").inc()
    metrics.http_request_duration_seconds.labels("GET", "/api/leads/:id").observe(0.08)
    metrics.db_query_duration_seconds.labels("select").observe(0.01)
    metrics.lead_sync_total.labels("apollo", "success").inc()
    metrics.queue_size.labels("webhooks").set(3)
    metrics.lead_conversion_rate.labels("30d").set(0.2)
    metrics.db_connections_max.set(10)
    metrics.backup_last_success_timestamp_seconds.set(1.7e9)
    return (
        metrics.exposition()[0].decode()
        + "# TYPE python_eventloop_lag_seconds gauge\npython_eventloop_lag_seconds 0.01\n"
    )


def test_our_own_telemetry_keeps_the_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "metrics.txt").write_text(exposition(), encoding="utf-8")
    with FaultServer() as server:
        server.says("/health", json_answer(HEALTHY))

        code = main(["--metrics", str(tmp_path / "metrics.txt"), "--health", server.url("/health")])

    assert (code, capsys.readouterr().out) == (0, "29 ok\n")


def test_a_missing_metric_fails_with_its_alert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = [line for line in exposition().splitlines() if "db_connections_max" not in line]
    (tmp_path / "m").write_text("\n".join(kept) + "\n", encoding="utf-8")

    code = main(["--metrics", str(tmp_path / "m")])

    out = capsys.readouterr().out
    assert code == 1
    assert "MISSING      db_connections_max: never seen" in out
    assert "needed by Alert DBConnectionPoolExhausted" in out
    assert out.endswith("1 missing, 21 ok\n")


def test_a_metric_that_is_declared_as_another_type_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m").write_text(exposition().replace("queue_size gauge", "queue_size counter"), encoding="utf-8")

    assert main(["--metrics", str(tmp_path / "m")]) == 1
    assert "queue_size: declared as counter" in capsys.readouterr().out


def test_logs_are_checked_and_told_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logger = configure(service="crm", version="1", directory=tmp_path, console=False)
    events = BusinessEvents(logger, Metrics())
    events.lead_created({"id": 1}, "apollo")
    events.sync_completed("apollo", 3, 2, 1, 40)
    events.error_occurred("lead.sync", "refused")
    logger.close()

    code = main(["--logs", str(tmp_path / "combined*.log"), "--json"])

    told = json.loads(capsys.readouterr().out)
    found = {finding["item"]: finding["verdict"] for finding in told["findings"]}
    assert (code, told["ok"]) == (1, False)
    assert {i for i, v in found.items() if v == "missing"} == {
        "HTTP Request", "API Request Started", "API Request Completed", "Lead Converted to Prospect", "Opportunity Created",
    }  # fmt: skip
    assert found["Data Synchronization Completed: stats.failed"] == "ok"


def test_error_log_beside_combined_log_and_small_levels_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"timestamp": f"2026-03-02T12:00:{n:02}.000Z", "level": "error", "message": "m", "service": "s", "version": "1",
             "error": f"e{n}"} for n in range(30)]  # fmt: skip
    text = "".join(json.dumps(row) + "\n" for row in rows)
    for name in ("combined.log", "error.log"):
        (tmp_path / name).write_text(text, encoding="utf-8")

    assert main(["--logs", str(tmp_path / "*.log")]) == 1
    out = capsys.readouterr().out
    assert "100% of the newest errors are there twice" in out
    assert "60 records with a level in lower case" in out


def test_hostile_text_cannot_speak_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'http_requests_total{method="GET",status_code="200",route="/x/9\x1b]0;owned\x07"} 1\n'
    (tmp_path / "m").write_text(text, encoding="utf-8")

    assert main(["--metrics", str(tmp_path / "m")]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_what_cannot_be_read_is_another_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer() as server:
        server.says("/metrics", answer("<html></html>\n", content_type="text/html"))
        server.says("/gone", answer(b"no", 401))

        codes = [
            main([]),
            main(["--metrics", str(tmp_path / "none")]),
            main(["--logs", str(tmp_path / "none*.log")]),
            main(["--metrics", server.url("/metrics")]),
            main(["--metrics", server.url("/gone", "ops:hunter2@")]),
        ]

    told = capsys.readouterr().err
    assert codes == [2] * 5
    assert "text/html, not metrics" in told
    assert "HTTP 401" in told
    assert "hunter2" not in told


def test_a_service_that_hangs_is_given_up(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.contract.direct.TIMEOUT_S", 0.3)
    with FaultServer() as server:
        server.says("/health", hang())

        assert main(["--health", server.url("/health")]) == 2

    assert "no whole answer within 0.3 s" in capsys.readouterr().err
