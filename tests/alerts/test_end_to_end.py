"""A service's metric gets too high: scraped, evaluated, decided, and told on Slack and by mail; and that it is over."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lib.settings import Settings
from lib.wiring import open_stores
from lib.worker import Worker
from tests import fault_server as faults
from tests.fault_server import FaultServer
from tests.mail_server import mail_server

RULES = """
groups:
  - name: fast
    interval: 1s
    rules:
      - alert: QueueBacklog
        expr: queue_size > 1000
        for: 1s
        labels: {severity: warning}
        annotations:
          summary: "Queue {{ $labels.queue_name }} holds {{ $value | humanize }} items"
"""


def until(condition: Callable[[], object], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


@pytest.fixture
def service() -> Iterator[FaultServer]:
    with FaultServer() as running:
        running.says("/metrics", faults.answer(b'queue_size{queue_name="leads"} 7\n'))
        running.says("/hook", faults.answer(b"ok", content_type="text/plain"))
        yield running


def test_a_backlog_is_told_on_both_channels_within_its_time_and_two_evaluations_and_then_its_end(
    tmp_path: Path, service: FaultServer
) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES, encoding="utf-8")
    with mail_server() as box:
        settings = Settings(
            data_dir=tmp_path / "data", scrape_targets=(service.url("/metrics"),), scrape_interval_s=1,
            rules_file=rules, SLACK_WEBHOOK_URL=service.url("/hook"), alert_private_hosts=service.instance,
            smtp_host="127.0.0.1", smtp_port=box.port, smtp_security="none", smtp_from="ops@example.com",
            smtp_to="crm@example.com", _env_file=None,
        )  # type: ignore[call-arg]  # fmt: skip
        stores = open_stores(settings)
        worker = Worker(settings, stores)
        worker.start()
        try:
            until(lambda: worker.status().alerting.last_eval)
            service.says("/metrics", faults.answer(b'queue_size{queue_name="leads"} 4321\n'))
            began = time.monotonic()
            until(lambda: service.seen("/hook"))
            took_s = service.seen("/hook")[0].at - began
            until(lambda: box.taken)
            service.says("/metrics", faults.answer(b'queue_size{queue_name="leads"} 7\n'))
            until(lambda: len(service.seen("/hook")) == 2 and len(box.taken) == 2)
            until(lambda: stores.metrics.instant("halo_ops_delivery_last_success_seconds", worker.status().at).labels)
            status = worker.status()
        finally:
            stopped = worker.stop(10)
            stores.close()

    fired, ended = [json.dumps(json.loads(seen.body)) for seen in service.seen("/hook")]
    mails = [mail for _, mail in box.taken]
    assert "Queue leads holds 4.321k items" in fired
    assert "QueueBacklog" in ended
    assert all("QueueBacklog" in str(mail["subject"]) for mail in mails)
    assert took_s < 1 + 1 + 1 + 5, "scrape, `for`, an evaluation, and what a busy machine takes"
    assert (status.stuck, status.alerting.firing, stopped) == ((), 0, True)
    assert [task.error for task in status.tasks if task.error] == []
